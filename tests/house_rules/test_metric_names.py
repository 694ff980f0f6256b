"""What dashboards, alerts, runbooks and documents call a metric is declared in the code, or recorded by a rule."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from signalbox_cli.metrics_reference import metrics

if TYPE_CHECKING:
    from conftest import File

NAME = re.compile(r"(?<![\w./-])signalbox_[a-z0-9_]*[a-z0-9]_?")
RECORDED = re.compile(r"(?<![\w.])signalbox:[a-z0-9_:]+")
RECORD = re.compile(r"^\s*-?\s*record:\s*(\S+)\s*$", re.M)
PACKAGES = {"signalbox_cli"}
"""Names that are not metrics."""


@cache
def series() -> frozenset[str]:
    """Every name under which Prometheus has a metric of the desk."""
    return frozenset(name for metric in metrics() for name in metric.series)


def is_there(name: str) -> bool:
    """Whether a name is a metric's; one with an underscore behind it stands for all that begin so."""
    if name.endswith("_"):
        return any(each.startswith(name) for each in series())
    return name in series() | PACKAGES


def test_metric_that_is_looked_at_is_declared(observing_file: File) -> None:
    unknown = sorted({name for name in NAME.findall(observing_file.text) if not is_there(name)})
    assert not unknown, f"{observing_file} names {', '.join(unknown)}: no service exports that (docs/metrics.md)"


def test_series_that_is_looked_at_is_recorded(observing_file: File, all_rule_files: list[File]) -> None:
    recorded = {name for file in all_rule_files for name in RECORD.findall(file.text)}
    # `signalbox:` is also how sentences and commands begin; a recorded name has a second colon
    used = {name for name in RECORDED.findall(observing_file.text) if name.count(":") > 1}
    unknown = sorted(used - recorded)
    assert not unknown, f"{observing_file} names {', '.join(unknown)}: no rule of deploy/prometheus/rules records that"
