"""Writes docs/limits.md: every limit of the desk file, by the rows that hold orders against them.

python -m signalbox_cli.limits_reference > docs/limits.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from risk.asked import OF_ORDERS
from risk.checks.rows import Row
from risk.limits import limits_of

HEAD = """# Limits

<!-- Written by `python -m signalbox_cli.limits_reference`; a test fails when this is not what it writes. -->

What risk holds every order against, from the table `[limits]` of the desk file; there are no defaults but one. A limit
holds for each account, and counts everything under way: an order that is not done counts as if all of it filled at its
worst. What only reduces a position is not held up by the limits on positions, exposure and funds. A denial names the
check, with the limit and what was observed (`signalbox explain`, the view `checks`). The used share is
`signalbox_risk_limit_use{limit=...}`, on the dashboard *Risk*; from 90 % on the alert ExposureNearLimit tells.

| limit | what it bounds | check | used share |
|---|---|---|---|
"""


def page(rows: Iterable[Row[Any]] = OF_ORDERS) -> str:
    """The whole page."""
    return HEAD + "".join(
        f"| `{limit.name}` | {limit.about} | `{row.name}` | {'yes' if limit.used is not None else '-'} |\n"
        for row, limit in limits_of(rows)
    )


if __name__ == "__main__":
    print(page(), end="")
