"""Writes what kustomize needs a copy of, for it reads no file outside its root: `make docs`; a test holds them.

Owns three things: the paper overlay's desk file, the alert rules as PrometheusRules, and the list of dashboards.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"

RULES_HEAD = "# Written by `make docs` from deploy/prometheus/rules.\n"
DASHBOARDS_HEAD = """\
# Written by `make docs`: each dashboard as a ConfigMap that Grafana's side-car picks up by its label.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: signalbox
generatorOptions:
  disableNameSuffixHash: true
  labels:
    grafana_dashboard: "1"
configMapGenerator:
"""


def copies() -> dict[Path, str]:
    """Each file with what it must hold."""
    return {
        DEPLOY / "k8s/overlays/paper/desk.toml": (DEPLOY / "desk.toml").read_text(encoding="utf-8"),
        DEPLOY / "k8s/components/monitoring/rules.yaml": prometheus_rules(),
        DEPLOY / "grafana/kustomization.yaml": dashboards(),
    }


def prometheus_rules() -> str:
    """One PrometheusRule for each file of rules. Parsed and written: kustomize adds empty lines to folded text."""
    made = []
    for path in sorted((DEPLOY / "prometheus/rules").glob("*.yml")):
        head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule"}
        rule = head | {"metadata": {"name": path.stem, "namespace": "signalbox"}}
        rule |= {"spec": yaml.safe_load(path.read_text(encoding="utf-8"))}
        made.append(yaml.safe_dump(rule, sort_keys=False, width=116, allow_unicode=True))
    return RULES_HEAD + "---\n".join(made)


def dashboards() -> str:
    """One ConfigMap for each: `kubectl apply` takes no object above 256 KiB."""
    lines = []
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        name = f"dashboard-{path.stem.removeprefix('signalbox-')}"
        lines += [f"  - name: {name}", "    files:", f"      - dashboards/{path.name}"]
    return DASHBOARDS_HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    for target, text in copies().items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{target.relative_to(ROOT)}: {len(text.splitlines())} lines\n")
