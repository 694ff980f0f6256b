"""docs/metrics.md is what the code declares, and a service is said to export what its own code reaches."""

from __future__ import annotations

from pathlib import Path

import pytest
from signalbox_cli.metrics_reference import ROOT, Metric, metrics, render

SHARED = """
from prometheus_client import Counter, Histogram
HOPS = Histogram("signalbox_hop_seconds", "A | hop.", ("venue", "hop"), buckets=(1, 2))
ERRORS = Counter("signalbox_errors_total", "Errors.", ["kind"])
def show_hop(venue: str) -> None:
    HOPS.labels(venue, "a").observe(1)
"""
SHOWN = """
from signalbox import metrics
class Sent:
    def sent(self) -> None:
        metrics.show_hop("x")
"""
OWN = """
from prometheus_client import Gauge
LAG = Gauge("signalbox_oms_lag_bytes", "Lag.", labelnames=("stream",))
"""


def desk(folder: Path, **files: str) -> Path:
    """A repository with services `oms` and `risk`; `files` are theirs by package and name."""
    there = {"signalbox/__init__": "", "signalbox/metrics": SHARED, "signalbox/shown": SHOWN} | {
        f"{package}/__init__": "" for package in ("oms", "risk")
    }
    for name, text in (there | {key.replace("__", "/"): text for key, text in files.items()}).items():
        package = name.partition("/")[0]
        path = folder / ("shared" if package == "signalbox" else f"services/{package}") / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_page_of_metrics_is_what_the_code_declares() -> None:
    page = ROOT / "docs" / "metrics.md"
    assert page.read_text() == render(metrics()), "run: make docs"


def test_service_exports_what_its_code_reaches_through_the_shared_library(tmp_path: Path) -> None:
    desk(
        tmp_path,
        oms__metrics=OWN,
        oms__service="from oms import metrics\nfrom signalbox.shown import Sent\nmetrics.LAG.set(1)\nSent().sent()\n",
        risk__service="from signalbox.metrics import ERRORS\n\ndef read() -> None:\n    ERRORS.labels('a').inc()\n",
    )
    assert metrics(tmp_path) == (
        Metric("signalbox_errors_total", "counter", ("kind",), "Errors.", ("risk",)),
        Metric("signalbox_hop_seconds", "histogram", ("venue", "hop"), "A | hop.", ("oms",)),
        Metric("signalbox_oms_lag_bytes", "gauge", ("stream",), "Lag.", ("oms",)),
    )


def test_metric_that_nobody_fills_is_no_metric(tmp_path: Path) -> None:
    desk(tmp_path, oms__metrics=OWN, oms__service="from signalbox.metrics import ERRORS, HOPS\nprint(ERRORS, HOPS)\n")
    with pytest.raises(ValueError, match=r"oms\.metrics\.LAG"):
        metrics(tmp_path)


def test_histogram_is_scraped_under_three_names_more() -> None:
    histogram = Metric("signalbox_hop_seconds", "histogram", (), "A hop.", ("oms",))
    assert histogram.series == tuple(f"signalbox_hop_seconds{suffix}" for suffix in ("", "_bucket", "_sum", "_count"))
    assert Metric("signalbox_lag", "gauge", (), "Lag.", ("oms",)).series == ("signalbox_lag",)


def test_page_tells_what_is_everybodys_from_what_is_ones_own() -> None:
    page = render(
        (
            Metric("signalbox_a", "gauge", (), "Of all.", ("oms", "recorder", "risk")),
            Metric("signalbox_b_bytes_total", "counter", ("x", "y"), "Of | two.", ("oms", "risk")),
            Metric("signalbox_c", "gauge", (), "Of one.", ("recorder",)),
        )
    )
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Every service",
        "## Several services",
        "## recorder",
    ]
    assert "| `signalbox_b_bytes_total` | counter | `x`, `y` | bytes | oms, risk | Of \\| two. |" in page
