"""What must hold of the rendered manifests: each rule takes every object of one combination and names the mistakes.

A schema does not see these: a selector that matches nothing, a key that is not in the ConfigMap, are valid, and dead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from signalbox.services import SERVICES

from .manifests import (
    WORKLOADS,
    Object,
    called,
    containers,
    files_of_secrets,
    labels_of,
    matches,
    names,
    of_kind,
    pod_of,
    ports,
    referenced,
    selected,
)

NAMESPACE = "signalbox"
FOREIGN_NAMESPACES = {"monitoring", "keda"}
"""Whose pods are let in by the network policies."""
VERSION = "0.1.0"
IMAGES = {f"signalbox/{name}:{VERSION}" for name in (*SERVICES, "simulators", "cli")} | {"nats:2.15.1-alpine"}
IMAGES_OF_OTHERS = {"ib-gateway:10.37.1n"}
"""Of a component that is not run here."""
MAY_CHANGE_ITS_FILES = {"ib-gateway"}
"""Containers whose image is not ours and writes beside its own program."""
NO_PART_OF_THE_DESK = {"ib-gateway"}
"""Programs of others beside the desk: without the label that lets a pod reach NATS."""
MAY_SPEAK_TO_THE_API_SERVER = {"credentials"}
APPLIED_BYTES_MAX = 262_144
"""`kubectl apply` keeps the whole object in an annotation, and annotations end there."""

Mistakes = Iterator[str]


def everything_is_in_our_namespace(objects: Sequence[Object]) -> Mistakes:
    for each in objects:
        if each["kind"] == "Namespace":
            continue
        if each["metadata"].get("namespace") != NAMESPACE:
            yield f"{called(each)} is in namespace {each['metadata'].get('namespace', 'default')}"


def every_selector_matches_a_pod(objects: Sequence[Object]) -> Mistakes:
    for each, where, selector in _selectors(objects):
        if not selected(objects, selector):
            yield f"{called(each)}: {where} matches no pod: {selector}"
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        if not matches(workload["spec"]["selector"], labels_of(workload)):
            yield f"{called(workload)} does not select its own pods"
        if len(selected(objects, workload["spec"]["selector"])) != 1:
            yield f"{called(workload)} selects another workload's pods too"
    for each in of_kind(objects, "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]
        if f"{target['kind']}/{target['name']}" not in {called(workload) for workload in of_kind(objects, *WORKLOADS)}:
            yield f"{called(each)} scales {target}, which is not there"
    for each in of_kind(objects, "StatefulSet"):
        headless = {s["metadata"]["name"]: s for s in of_kind(objects, "Service")}.get(each["spec"]["serviceName"])
        if headless is None or not matches({"matchLabels": headless["spec"]["selector"]}, labels_of(each)):
            yield f"{called(each)}: its Service {each['spec']['serviceName']} is not there, or not of its pods"


def _selectors(objects: Sequence[Object]) -> Iterator[tuple[Object, str, Object]]:
    """Every selector of pods of our namespace, with its object and place."""
    for each in objects:
        spec: Any = each.get("spec", {})
        if each["kind"] == "Service":
            yield each, "its selector", {"matchLabels": spec["selector"]}
        elif each["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            yield each, "its selector", spec["selector"]
        elif each["kind"] == "NetworkPolicy":
            yield each, "its selector", spec["podSelector"]
            yield from (
                (each, "a peer", peer["podSelector"]) for peer in peers(each) if "namespaceSelector" not in peer
            )
        elif each["kind"] in WORKLOADS:
            for spread in pod_of(each).get("topologySpreadConstraints", []):
                yield each, "its spread", spread["labelSelector"]


def peers(policy: Object) -> list[Object]:
    rules = [(rule, "from") for rule in policy["spec"].get("ingress", [])]
    rules += [(rule, "to") for rule in policy["spec"].get("egress", [])]
    return [peer for rule, side in rules for peer in rule.get(side, []) if "ipBlock" not in peer]


def every_foreign_namespace_is_known(objects: Sequence[Object]) -> Mistakes:
    for policy in of_kind(objects, "NetworkPolicy"):
        for peer in peers(policy):
            name = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
            if "namespaceSelector" in peer and name not in FOREIGN_NAMESPACES:
                yield f"{called(policy)} lets in {peer}"


def every_port_exists(objects: Sequence[Object]) -> Mistakes:
    for each, pods, port in _ports(objects):
        for workload in pods:
            if port not in ports(workload) and port not in ports(workload).values():
                yield f"{called(each)}: {called(workload)} has no port {port}"


def _ports(objects: Sequence[Object]) -> Iterator[tuple[Object, list[Object], object]]:
    """Every port that something names, and the workloads that must have it."""
    for each in of_kind(objects, "Service"):
        pods = selected(objects, {"matchLabels": each["spec"]["selector"]})
        yield from ((each, pods, port["targetPort"]) for port in each["spec"]["ports"])
    for each in of_kind(objects, "PodMonitor"):
        pods = selected(objects, each["spec"]["selector"])
        yield from ((each, pods, endpoint["port"]) for endpoint in each["spec"]["podMetricsEndpoints"])
    for each in of_kind(objects, "NetworkPolicy"):
        pods = selected(objects, each["spec"]["podSelector"])
        for rule in each["spec"].get("ingress", []):
            yield from ((each, pods, port["port"]) for port in rule.get("ports", []))
        for rule in each["spec"].get("egress", []):
            for peer in rule.get("to", []):
                there = selected(objects, peer["podSelector"])
                yield from ((each, there, port["port"]) for port in rule["ports"])
    for each in of_kind(objects, *WORKLOADS):
        for container in containers(each):
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                how = container.get(probe, {})
                if asked := how.get("httpGet") or how.get("tcpSocket"):
                    yield each, [each], asked["port"]


def every_reference_exists(objects: Sequence[Object], made_elsewhere: dict[str, set[str]]) -> Mistakes:
    """`made_elsewhere`: the Secrets that no manifest holds, with their keys."""
    keys = {each["metadata"]["name"]: set(each.get("data", {})) for each in of_kind(objects, "ConfigMap")}
    for workload in of_kind(objects, *WORKLOADS):
        for name, key in referenced(workload, "ConfigMap"):
            if name not in keys or (key and key not in keys[name]):
                yield f"{called(workload)}: ConfigMap {name} with key {key!r} is not there"
        for name, key in (*referenced(workload, "Secret"), *files_of_secrets(workload)):
            if name not in made_elsewhere or (key and key not in made_elsewhere[name]):
                yield f"{called(workload)}: nobody makes Secret {name} with key {key!r}"
        pod = pod_of(workload)
        if pod.get("serviceAccountName") not in names(objects, "ServiceAccount"):
            yield f"{called(workload)}: ServiceAccount {pod.get('serviceAccountName')} is not there"
        volumes = {each["name"] for each in pod.get("volumes", [])}
        volumes |= {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for each in containers(workload) for mount in each.get("volumeMounts", [])}
        if mounted != volumes:
            yield f"{called(workload)}: mounted and declared volumes differ: {mounted ^ volumes}"
    for binding in of_kind(objects, "RoleBinding"):
        bound = {subject["name"] for subject in binding["subjects"] if subject["namespace"] == NAMESPACE}
        missing = not bound or not bound <= names(objects, "ServiceAccount")
        if missing or binding["roleRef"]["name"] not in names(objects, "Role"):
            yield f"{called(binding)} binds what is not there"


def every_image_is_known(objects: Sequence[Object]) -> Mistakes:
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            if container["image"] not in IMAGES | IMAGES_OF_OTHERS:
                yield f"{called(workload)}: image {container['image']} is not one of ours"


def no_pod_has_more_rights_than_it_needs(objects: Sequence[Object]) -> Mistakes:
    for workload in of_kind(objects, *WORKLOADS):
        pod, name = pod_of(workload), called(workload)
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            yield f"{name} may run as root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{name} has no seccomp profile"
        may = workload["metadata"]["name"] in MAY_SPEAK_TO_THE_API_SERVER
        if pod.get("automountServiceAccountToken") is not may:
            yield f"{name}: its token for the API server is {'missing' if may else 'not refused'}"
        if pod.get("enableServiceLinks") is not False:
            yield f"{name} is told of every Service by variables"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(key):
                yield f"{name} has {key}"
        yield from (f"{name}: {mistake}" for each in containers(workload) for mistake in _rights(each))
    for account in of_kind(objects, "ServiceAccount"):
        if account["metadata"]["name"] not in MAY_SPEAK_TO_THE_API_SERVER and account.get(
            "automountServiceAccountToken", True
        ):
            yield f"{called(account)} hands out tokens"


def _rights(container: Object) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("runAsUser", 1) == 0 or security.get("runAsNonRoot") is False or security.get("privileged"):
        yield f"container {container['name']} runs as root"
    fixed = security.get("readOnlyRootFilesystem") is True or container["name"] in MAY_CHANGE_ITS_FILES
    if not fixed or security.get("allowPrivilegeEscalation") is not False:
        yield f"container {container['name']} may change its files, or become more"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield f"container {container['name']} has capabilities"


def every_container_has_bounds(objects: Sequence[Object]) -> Mistakes:
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}):
                yield f"{called(workload)}: container {container['name']} has no memory limit"
            if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
                yield f"{called(workload)}: container {container['name']} requests nothing"
            wanted = () if workload["kind"] == "Job" else ("startupProbe", "readinessProbe", "livenessProbe")
            for probe in wanted:
                if probe not in container:
                    yield f"{called(workload)}: container {container['name']} has no {probe}"


def every_service_runs(objects: Sequence[Object]) -> Mistakes:
    running = {each["metadata"]["name"] for each in of_kind(objects, "Deployment", "StatefulSet")}
    yield from (f"{service} does not run" for service in SERVICES if service not in running)
    for workload in of_kind(objects, *WORKLOADS):
        expected = {"app.kubernetes.io/name": workload["metadata"]["name"]}
        is_ours = workload["metadata"]["name"] not in NO_PART_OF_THE_DESK
        if is_ours:
            expected["app.kubernetes.io/part-of"] = NAMESPACE
        elif "app.kubernetes.io/part-of" in labels_of(workload):
            yield f"{called(workload)} has the label with which it reaches NATS"
        if not expected.items() <= labels_of(workload).items():
            yield f"{called(workload)}: its pods are not labelled {expected}"


def every_object_can_be_applied(objects: Sequence[Object]) -> Mistakes:
    for each in objects:
        size = len(json.dumps(each))
        if size > APPLIED_BYTES_MAX:
            yield f"{called(each)} has {size} bytes: `kubectl apply` takes {APPLIED_BYTES_MAX}"


RULES: tuple[Callable[[Sequence[Object]], Mistakes], ...] = (
    everything_is_in_our_namespace,
    every_selector_matches_a_pod,
    every_foreign_namespace_is_known,
    every_port_exists,
    every_image_is_known,
    no_pod_has_more_rights_than_it_needs,
    every_container_has_bounds,
    every_service_runs,
    every_object_can_be_applied,
)
"""Every rule that needs nothing but the objects."""
