"""Runs the pods of rendered manifests as containers of a Docker engine, the way a kubelet would: for want of a cluster.

Owns how a field of a pod becomes an option of `docker run`: user, rights, variables, files with Kubernetes' own owner
and mode, memory, names in DNS, probes. It must not know what the desk does. Scheduling, policies and the drivers of
volumes are not here.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .manifests import Object, containers, labels_of, matches, of_kind, pod_of, workload

COMMAND_SECONDS_MAX = 60
POLL_SECONDS = 0.25


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False)
    assert done.returncode == 0, f"docker {' '.join(words[:3])}: {done.stderr}"
    return done.stdout.strip()


def of_version(image: str, version: str) -> str:
    """The same image with another tag, if it is ours."""
    name, _, tag = image.partition(":")
    return f"{name}:{version if name.startswith('signalbox/') else tag}"


class Pods:
    """The pods that run, by name. `secret_texts` are the namespace's Secrets, `version` the tag of our own images."""

    def __init__(
        self, objects: Sequence[Object], folder: Path, secret_texts: dict[str, dict[str, str]], version: str
    ) -> None:
        self._objects, self._folder, self._secrets, self._version = objects, folder, secret_texts, version
        self._run = f"sbk8s-{secrets.token_hex(4)}"
        self._network = docker("network", "create", self._run)
        self._containers: dict[str, Object] = {}
        self._configs = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}

    def start(self, name: str, number: int = 0) -> str:
        """Start a pod of a workload; its name."""
        spec = workload(self._objects, name)
        pod, [container] = pod_of(spec), containers(spec)
        pod_name = f"{name}-{number}"
        security, rights = pod["securityContext"], container["securityContext"]
        assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
        words = ["run", "--detach", "--name", f"{self._run}-{pod_name}", "--hostname", pod_name]
        words += ["--network", self._run, "--read-only", "--security-opt", "no-new-privileges"]
        words += [
            "--user",
            f"{security['runAsUser']}:{security['runAsGroup']}",
            "--group-add",
            str(security["fsGroup"]),
        ]
        words += [f"--cap-drop={capability}" for capability in rights["capabilities"]["drop"]]
        words += ["--memory", str(_bytes(container["resources"]["limits"]["memory"]))]
        for alias in self._aliases(spec, pod_name):
            words += ["--network-alias", alias]
        words += [f"--env={key}={value}" for key, value in self._environment(spec, container, pod_name).items()]
        for mount in container.get("volumeMounts", []):
            words += self._mount(spec, mount, pod_name, security["fsGroup"])
        command = container.get("command", [])
        words += ["--entrypoint", command[0]] if command else []
        image = of_version(container["image"], self._version)
        docker(*words, image, *command[1:], *container.get("args", []))
        self._containers[pod_name] = container
        return pod_name

    def finish(self, name: str, seconds_max: float) -> tuple[int, str]:
        """Run a Job's pod to its end: exit status and log."""
        pod_name = self.start(name)
        self.until(lambda: not self.state(pod_name)["Running"], seconds_max, pod_name)
        return self.state(pod_name)["ExitCode"], self.log(pod_name)

    def until(self, condition: Callable[[], object], seconds_max: float, *said_by: str) -> None:
        deadline = time.monotonic() + seconds_max
        while not condition():
            assert time.monotonic() < deadline, "\n".join(f"{name}: {self.log(name)[-2000:]}" for name in said_by)
            time.sleep(POLL_SECONDS)

    def wait_ready(self, seconds_max: float, *pod_names: str) -> None:
        for name in pod_names:
            self.until(lambda name=name: self.probe(name, "readinessProbe"), seconds_max, name)  # type: ignore[misc]

    def probe(self, pod_name: str, which: str) -> bool:
        container = self._containers[pod_name]
        asked = container[which]["httpGet"]
        port = {each["name"]: each["containerPort"] for each in container["ports"]}[asked["port"]]
        try:
            connection = http.client.HTTPConnection(self.address(pod_name), port, timeout=5)
            connection.request("GET", asked["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def address(self, pod_name: str) -> str:
        networks = json.loads(docker("inspect", f"{self._run}-{pod_name}"))[0]["NetworkSettings"]["Networks"]
        return str(networks[self._run]["IPAddress"])

    def state(self, pod_name: str) -> Object:
        found: Object = json.loads(docker("inspect", f"{self._run}-{pod_name}"))[0]["State"]
        return found

    def execute(self, pod_name: str, command: Sequence[str]) -> None:
        docker("exec", f"{self._run}-{pod_name}", *command)

    def kill(self, pod_name: str) -> None:
        """SIGKILL, and start the container again, as a kubelet does."""
        docker("kill", f"{self._run}-{pod_name}")
        docker("start", f"{self._run}-{pod_name}")

    def log(self, pod_name: str) -> str:
        done = subprocess.run(
            ["docker", "logs", f"{self._run}-{pod_name}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS_MAX, check=False,
        )  # fmt: skip
        return done.stdout

    def close(self) -> None:
        for name in self._containers:
            docker("rm", "--force", "--volumes", f"{self._run}-{name}")
        docker("network", "rm", self._run)

    # ------------------------------------------------------------------------------------------- fields and options

    def _aliases(self, spec: Object, pod_name: str) -> list[str]:
        """The Services that lead here, and the pod's own name under that of its StatefulSet."""
        found = [
            each["metadata"]["name"]
            for each in of_kind(self._objects, "Service")
            if matches({"matchLabels": each["spec"]["selector"]}, labels_of(spec))
        ]
        return [*found, f"{pod_name}.{spec['spec']['serviceName']}"] if spec["kind"] == "StatefulSet" else found

    def _environment(self, spec: Object, container: Object, pod_name: str) -> dict[str, str]:
        given: dict[str, str] = {}
        for entry in container.get("env", []):
            source = entry.get("valueFrom", {})
            if "secretKeyRef" in source:
                value = self._secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
            elif "fieldRef" in source:
                field = source["fieldRef"]["fieldPath"]
                label = re.fullmatch(r"metadata\.labels\['(.*)'\]", field)
                value = labels_of(spec)[label[1]] if label else {"metadata.name": pod_name}[field]
            else:
                value = entry["value"]
            given[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], value)
        return given

    def _mount(self, spec: Object, mount: Object, pod_name: str, group: int) -> list[str]:
        volume = {each["name"]: each for each in pod_of(spec).get("volumes", [])}.get(mount["name"], {})
        host = self._folder / pod_name / mount["name"]
        if "secret" in volume:
            texts = self._secrets[volume["secret"]["secretName"]]
            _write(host, texts, volume["secret"]["defaultMode"] | 0o440, group)
        elif "projected" in volume:
            for source in volume["projected"]["sources"]:
                _write(host, self._texts_of(source), volume["projected"]["defaultMode"] | 0o440, group)
        elif "configMap" in volume:
            _write(host, self._configs[volume["configMap"]["name"]], 0o644, group)
        else:
            host.mkdir(parents=True, exist_ok=True)  # a claim, or an emptyDir: both outlive the container
            os.chown(host, 0, group)
            host.chmod(0o2777 if "emptyDir" in volume else 0o2775)
        return ["--volume", f"{host}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"]

    def _texts_of(self, source: Object) -> dict[str, str]:
        """The files that one source of a projected volume brings."""
        [(kind, which)] = source.items()
        made = self._secrets if kind == "secret" else self._configs
        texts = made.get(which["name"], {}) if which.get("optional") else made[which["name"]]
        return {item["path"]: texts[item["key"]] for item in which["items"]} if "items" in which else texts


def _write(folder: Path, texts: dict[str, str], mode: int, group: int) -> None:
    """Files as Kubernetes mounts them: root's, and the pod's group's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
        os.chown(folder / name, 0, group)


def _bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": 2**20, "Gi": 2**30}[unit]
