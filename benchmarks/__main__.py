"""Run every benchmark, print one table, write `latest.json`: `make bench`, or `python -m benchmarks NAME...`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

NAMES = (
    "order_path",
    "decisions_per_second",
    "dydx_path",
    "dydx_markets",
    "wide_desk",
    "risk_step",
    "indicator_speed",
    "in_process",
    "scores_at_once",
    "recorder_speed",
    "start_again",
)
LATEST = Path(__file__).parent / "latest.json"


def main(names: tuple[str, ...]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    for name in names:
        print(f"running {name}", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").run()
    LATEST.write_text(json.dumps(rows, indent=2) + "\n")
    columns = ("name", "value", "unit", "reference", "ratio", "goal", "met")
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[index]) for row in cells)) for index, column in enumerate(columns)]
    for row in [list(columns), *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 1 if any(row["met"] is False for row in rows) else 0


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return "-" if value is None or value == "" else f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or NAMES))
