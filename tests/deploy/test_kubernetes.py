"""deploy/k8s, rendered as `kubectl apply -k` renders it: every overlay with every set of components holds together."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from signalbox_cli.cluster_credentials import wanted

from . import manifest_rules
from .manifests import COMBINATIONS, COMPONENTS, K8S, ROOT, WORKLOADS, Object, environment, of_kind, pod_of, rendered

KUBERNETES_VERSIONS = ("1.31", "1.34", "1.37")
CUSTOM_KINDS = ("PodMonitor", "PrometheusRule", "ScaledObject")
DOCUMENT = ROOT / "docs" / "deploy-kubernetes.md"
PAPER_SECRETS = {name: set(texts) for name, texts in wanted().items()}


def live_secrets() -> dict[str, set[str]]:
    """The Secrets that the document tells an operator to make, with their keys."""
    text = DOCUMENT.read_text().replace("\\\n", " ")
    found = {}
    for line in re.findall(r"^ *kubectl .*create secret generic .*$", text, re.M):
        name = re.search(r"generic (\S+)", line)
        assert name is not None
        keys = set(re.findall(r"--from-(?:literal|file)=([\w.-]+)=", line))
        each = re.search(r"^for user in ([^;]*);", text, re.M)
        users = each[1].split() if each and "$user" in name[1] else [""]
        found |= {name[1].strip('"').replace("$user", user): keys for user in users}
    return found


def secrets_of(overlay: str) -> dict[str, set[str]]:
    return PAPER_SECRETS if overlay == "paper" else live_secrets()


@pytest.fixture(params=COMBINATIONS, ids=lambda each: "+".join((each[0], *each[1])))
def combination(request: pytest.FixtureRequest) -> tuple[str, tuple[str, ...]]:
    found: tuple[str, tuple[str, ...]] = request.param
    return found


@pytest.fixture
def objects(combination: tuple[str, tuple[str, ...]]) -> tuple[Object, ...]:
    return rendered(*combination)


# ------------------------------------------------------------------------------------------ every combination


@pytest.mark.parametrize("rule", manifest_rules.RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(objects: tuple[Object, ...], rule: Callable[..., Iterator[str]]):
    assert list(rule(objects)) == []


def test_every_reference_exists(combination: tuple[str, tuple[str, ...]]):
    secrets = secrets_of(combination[0])
    assert list(manifest_rules.every_reference_exists(rendered(*combination), secrets)) == []


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_knows_every_field(objects: tuple[Object, ...], version: str):
    for each in objects:
        if each["kind"] not in CUSTOM_KINDS:
            validate(json.dumps(each), version)


@cache
def validate(text: str, version: str) -> None:
    """Once for each object: most are the same in all combinations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the validator's own libraries
        kubernetes_validate.validate(json.loads(text), version, strict=True)


def test_names_are_taken_once(objects: tuple[Object, ...]):
    found = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(found) == len(set(found))


def test_operators_know_every_field_of_their_kinds(objects: tuple[Object, ...]):
    """Their schemas are in no package: these are the fields that we use, written down from their documents."""
    text = {"type": "string"}
    shapes = {
        "PodMonitor": shape(
            jobLabel=text,
            selector={"type": "object"},
            podMetricsEndpoints=listed(shape(port=text, path=text, interval=text, scrapeTimeout=text)),
        ),
        "PrometheusRule": shape(groups={"type": "array", "minItems": 1}),
        "ScaledObject": shape(
            scaleTargetRef=shape(kind=text, name=text),
            minReplicaCount={"type": "integer"},
            maxReplicaCount={"type": "integer"},
            cooldownPeriod={"type": "integer"},
            triggers=listed(shape(type=text, metadata={"type": "object", "additionalProperties": text})),
        ),
    }
    versions = {"PodMonitor": "monitoring.coreos.com/v1", "PrometheusRule": "monitoring.coreos.com/v1"}
    for each in of_kind(objects, *CUSTOM_KINDS):
        assert each["apiVersion"] == versions.get(each["kind"], "keda.sh/v1alpha1")
        jsonschema.validate(each["spec"], shapes[each["kind"]])


def shape(**fields: object) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def listed(item: object) -> dict[str, object]:
    return {"type": "array", "minItems": 1, "items": item}


# ------------------------------------------------------------------------------------- the rules see what is wrong


def first(objects: list[Object], kind: str, name: str) -> Object:
    return next(each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))


def pod(objects: list[Object], kind: str, name: str) -> Object:
    spec: Object = first(objects, kind, name)["spec"]["template"]["spec"]
    return spec


def projected_of(objects: list[Object], name: str) -> list[Object]:
    """The sources of the volume that a pod has put together of several."""
    [found] = [each for each in objects if each["kind"] in WORKLOADS and each["metadata"]["name"] == name]
    [sources] = [each["projected"]["sources"] for each in pod_of(found)["volumes"] if "projected" in each]
    return list(sources)


BROKEN: dict[str, tuple[Callable[[list[Object]], object], str]] = {
    "a policy for nobody": (
        lambda all_: first(all_, "NetworkPolicy", "risk")["spec"]["podSelector"]["matchLabels"].update({"app": "risk"}),
        "NetworkPolicy/risk: its selector matches no pod",
    ),
    "a peer that is nobody": (
        lambda all_: first(all_, "NetworkPolicy", "nats")["spec"]["ingress"][1]["from"][0]["podSelector"].update(
            {"matchLabels": {"app.kubernetes.io/name": "nuts"}}
        ),
        "NetworkPolicy/nats: a peer matches no pod",
    ),
    "a monitor of nothing": (
        lambda all_: first(all_, "PodMonitor", "services")["spec"]["selector"]["matchLabels"].update({"tier": "x"}),
        "PodMonitor/services: its selector matches no pod",
    ),
    "a budget of nothing": (
        lambda all_: first(all_, "PodDisruptionBudget", "oms")["spec"]["selector"].update(
            {"matchLabels": {"app": "oms"}}
        ),
        "PodDisruptionBudget/oms: its selector matches no pod",
    ),
    "a service of nothing": (
        lambda all_: first(all_, "Service", "nats")["spec"]["selector"].update({"app": "nats"}),
        "Service/nats: its selector matches no pod",
    ),
    "a scaler of nothing": (
        lambda all_: first(all_, "ScaledObject", "indicators")["spec"]["scaleTargetRef"].update({"name": "indicator"}),
        "which is not there",
    ),
    "pods that their deployment does not know": (
        lambda all_: first(all_, "Deployment", "risk")["spec"]["selector"]["matchLabels"].update({"app": "risk"}),
        "Deployment/risk does not select its own pods",
    ),
    "a resource in default": (
        lambda all_: first(all_, "PodMonitor", "services")["metadata"].pop("namespace"),
        "PodMonitor/services is in namespace default",
    ),
    "a port that nobody opens": (
        lambda all_: first(all_, "PodMonitor", "services")["spec"]["podMetricsEndpoints"][0].update(
            {"port": "metrics"}
        ),
        "has no port metrics",
    ),
    "a policy for a port that nobody opens": (
        lambda all_: first(all_, "NetworkPolicy", "oms")["spec"]["ingress"][0]["ports"][0].update({"port": 9090}),
        "NetworkPolicy/oms: Deployment/oms has no port 9090",
    ),
    "a probe of a port that nobody opens": (
        lambda all_: pod(all_, "Deployment", "oms")["containers"][0]["readinessProbe"]["httpGet"].update(
            {"port": "web"}
        ),
        "Deployment/oms: Deployment/oms has no port web",
    ),
    "somebody else's image": (
        lambda all_: pod(all_, "Deployment", "risk")["containers"][0].update({"image": "busybox:latest"}),
        "image busybox:latest is not one of ours",
    ),
    "root": (
        lambda all_: pod(all_, "StatefulSet", "nats")["securityContext"].update({"runAsNonRoot": False}),
        "StatefulSet/nats may run as root",
    ),
    "root in a container": (
        lambda all_: pod(all_, "StatefulSet", "nats")["containers"][0]["securityContext"].update({"runAsUser": 0}),
        "container nats runs as root",
    ),
    "no limit": (
        lambda all_: pod(all_, "Deployment", "risk")["containers"][0]["resources"].pop("limits"),
        "Deployment/risk: container service has no memory limit",
    ),
    "a token": (
        lambda all_: pod(all_, "Deployment", "risk").update({"automountServiceAccountToken": True}),
        "its token for the API server is not refused",
    ),
    "a stranger let in": (
        lambda all_: first(all_, "NetworkPolicy", "oms")["spec"]["ingress"][0]["from"][0]["namespaceSelector"].update(
            {"matchLabels": {}}
        ),
        "NetworkPolicy/oms lets in",
    ),
    "an object too large": (
        lambda all_: first(all_, "ServiceAccount", "oms")["metadata"].update({"annotations": {"a": "x" * 300_000}}),
        "`kubectl apply` takes",
    ),
    "a service that was forgotten": (
        lambda all_: all_.remove(first(all_, "Deployment", "risk")),
        "risk does not run",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_rules_see(what: str):
    breaks, said = BROKEN[what]
    objects = list(copy.deepcopy(rendered("paper", COMPONENTS)))
    breaks(objects)
    found = [mistake for rule in manifest_rules.RULES for mistake in rule(objects)]
    assert any(said in mistake for mistake in found), found


BROKEN_REFERENCES: dict[str, tuple[Callable[[list[Object]], object], str]] = {
    "a ConfigMap of another name": (
        lambda all_: pod(all_, "Deployment", "risk")["volumes"][0]["configMap"].update({"name": "dusk"}),
        "ConfigMap dusk",
    ),
    "a Secret of another name": (
        lambda all_: pod(all_, "Deployment", "risk")["volumes"][-1]["secret"].update({"secretName": "nats-rusk"}),
        "nobody makes Secret nats-rusk",
    ),
    "a key that the Secret has not": (
        lambda all_: pod(all_, "StatefulSet", "nats")["containers"][0]["env"][-1]["valueFrom"]["secretKeyRef"].update(
            {"key": "passphrase"}
        ),
        "with key 'passphrase'",
    ),
    "a key that the Secret of people has not": (
        lambda all_: projected_of(all_, "nats")[1]["secret"]["items"][0].update({"key": "persons.conf"}),
        "nobody makes Secret nats-people with key 'persons.conf'",
    ),
    "a part of a volume that is not there": (
        lambda all_: projected_of(all_, "nats")[0]["configMap"].update({"name": "nuts"}),
        "ConfigMap nuts",
    ),
    "a Secret of everybody that must be there": (
        lambda all_: projected_of(all_, "cli")[-1]["secret"].update({"optional": False}),
        "nobody makes Secret people",
    ),
    "a file that the Secret has not": (
        lambda all_: environment(pod(all_, "Deployment", "risk")["containers"][0])[
            "SIGNALBOX_NATS_PASSWORD_FILE"
        ].update({"value": "/run/secrets/nats/passphrase"}),
        "with key 'passphrase'",
    ),
    "no such account": (
        lambda all_: pod(all_, "Deployment", "risk").update({"serviceAccountName": "rusk"}),
        "ServiceAccount rusk is not there",
    ),
    "a volume that is not declared": (
        lambda all_: pod(all_, "StatefulSet", "recorder")["containers"][0]["volumeMounts"].append(
            {"name": "more", "mountPath": "/more"}
        ),
        "mounted and declared volumes differ: {'more'}",
    ),
}


@pytest.mark.parametrize("what", BROKEN_REFERENCES)
def test_rule_of_references_sees(what: str):
    breaks, said = BROKEN_REFERENCES[what]
    objects = list(copy.deepcopy(rendered("paper", COMPONENTS)))
    for each in of_kind(objects, *manifest_rules.WORKLOADS):
        volumes = each["spec"]["template"]["spec"]["volumes"]
        volumes.sort(key=lambda volume: (volume["name"] != "desk", volume["name"] == "nats"))
    breaks(objects)
    found = list(manifest_rules.every_reference_exists(objects, PAPER_SECRETS))
    assert any(said in mistake for mistake in found), found


def test_validator_sees_a_field_that_is_misspelt():
    broken = copy.deepcopy(first(list(rendered("paper")), "Deployment", "risk"))
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES_VERSIONS[-1], strict=True)


def test_yaml_of_the_sources_can_be_read():
    for path in K8S.rglob("*.yaml"):
        assert list(yaml.safe_load_all(path.read_text())), path
