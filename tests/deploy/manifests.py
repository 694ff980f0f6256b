"""Renders deploy/k8s as `kubectl apply -k` does: every overlay with every set of components; and finds things in it.

Owns kustomize and the shapes of Kubernetes' objects. What must be true of them is in `manifest_rules`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("paper", "live")
COMPONENTS = ("network-policies", "monitoring", "keda")
COMBINATIONS = tuple(
    (overlay, components)
    for overlay in OVERLAYS
    for count in range(len(COMPONENTS) + 1)
    for components in itertools.combinations(COMPONENTS, count)
)
WORKLOADS = ("Deployment", "StatefulSet", "Job")
RENDER_SECONDS_MAX = 60

Object = dict[str, Any]


def kustomize() -> list[str]:
    """The program that renders; the test is skipped where there is none, and fails where there has to be one."""
    given = os.environ.get("KUBECTL")
    if found := given or shutil.which("kubectl"):
        return [found, "kustomize"]
    if found := shutil.which("kustomize"):
        return [found, "build"]
    reason = "neither kubectl nor kustomize is installed (Debian 13: apt-get install kubectl)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@cache
def rendered(overlay: str, components: tuple[str, ...] = ()) -> tuple[Object, ...]:
    """Every object of an overlay with these components. Nobody changes them: take a copy."""
    with tempfile.TemporaryDirectory() as folder:
        ours = os.path.relpath(K8S.resolve(), Path(folder).resolve())
        lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization"]
        lines += ["resources:", f"  - {ours}/overlays/{overlay}"]
        lines += ["components:", *(f"  - {ours}/components/{name}" for name in components)] if components else []
        (Path(folder) / "kustomization.yaml").write_text("\n".join(lines) + "\n")
        command = [*kustomize(), folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RENDER_SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{overlay} with {components} can not be rendered: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def called(each: Object) -> str:
    """How an object is named in a sentence."""
    return f"{each['kind']}/{each['metadata']['name']}"


def names(objects: Sequence[Object], kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in of_kind(objects, kind)}


def workload(objects: Sequence[Object], name: str) -> Object:
    [found] = [each for each in of_kind(objects, *WORKLOADS) if each["metadata"]["name"] == name]
    return found


def pod_of(workload: Object) -> Object:
    """The pod's spec."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: Object) -> dict[str, str]:
    """The pod's labels."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Object) -> list[Object]:
    pod = pod_of(workload)
    return [*pod.get("initContainers", []), *pod["containers"]]


def environment(container: Object) -> dict[str, Object]:
    return {entry["name"]: entry for entry in container.get("env", [])}


def ports(workload: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(workload) for port in each.get("ports", [])}


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector of Kubernetes matches; an empty one matches all."""
    unknown = selector.keys() - {"matchLabels", "matchExpressions"}
    assert not unknown, f"a selector with {unknown}"
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", f"a selector with {expression}"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items())


def selected(objects: Sequence[Object], selector: Object) -> list[Object]:
    """The workloads of whose pods a selector holds."""
    return [each for each in of_kind(objects, *WORKLOADS) if matches(selector, labels_of(each))]


def referenced(workload: Object, kind: str) -> Iterator[tuple[str, str]]:
    """Every Secret or ConfigMap that the pods need, with the key ("" = any)."""
    field, volume_field, name_field = {
        "Secret": ("secretKeyRef", "secret", "secretName"),
        "ConfigMap": ("configMapKeyRef", "configMap", "name"),
    }[kind]
    sources = [(volume[volume_field], name_field) for volume in pod_of(workload)["volumes"] if volume_field in volume]
    sources += [(each[volume_field], "name") for each in projected(workload) if volume_field in each]
    for source, name in sources:
        keys = [item["key"] for item in source.get("items", [])]
        yield from ((source[name], key) for key in keys or [""] if not source.get("optional"))
    for container in containers(workload):
        for entry in container.get("env", []):
            if field in entry.get("valueFrom", {}):
                yield entry["valueFrom"][field]["name"], entry["valueFrom"][field]["key"]


def projected(workload: Object) -> Iterator[Object]:
    """Every source of a volume that is put together of several."""
    for volume in pod_of(workload).get("volumes", []):
        yield from volume.get("projected", {}).get("sources", [])


def files_of_secrets(workload: Object) -> Iterator[tuple[str, str]]:
    """Every Secret and key that a `..._FILE` variable of the pod, or an option, names by its path."""
    volumes = {each["name"]: each["secret"]["secretName"] for each in pod_of(workload)["volumes"] if "secret" in each}
    for container in containers(workload):
        mounts = {each["mountPath"]: volumes.get(each["name"]) for each in container.get("volumeMounts", [])}
        values = [entry.get("value", "") for entry in container.get("env", [])]
        values += [argument.rpartition("=")[2] for argument in container.get("args", [])]
        for path in (Path(value) for value in values if value.startswith("/run/secrets/")):
            yield mounts.get(str(path.parent)) or f"nothing mounted at {path.parent}", path.name


def main() -> None:
    """Write what `make k8s-check` has checkov look at: each overlay with all components, as one file."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for overlay in OVERLAYS:
        text = yaml.safe_dump_all(rendered(overlay, COMPONENTS), sort_keys=False)
        (folder / f"{overlay}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as reason:
        sys.exit(str(reason))
