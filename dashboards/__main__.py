"""Writes every dashboard's JSON to deploy/grafana/dashboards, and removes what no dashboard makes any more."""

from __future__ import annotations

from pathlib import Path

from dashboards.drawing import draw
from dashboards.every import DASHBOARDS

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    drawn = {f"{dashboard.uid}.json": draw(dashboard) for dashboard in DASHBOARDS}
    for old in FOLDER.glob("*.json"):
        if old.name not in drawn:
            old.unlink()
    for name, text in drawn.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
