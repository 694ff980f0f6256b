"""Subjects are built in one module; metrics are declared in one room of each service, in base units."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from signalbox.registry import REGISTRY

if TYPE_CHECKING:
    from conftest import File

MAY_WRITE_SUBJECTS = {
    f"shared/signalbox/{name}.py" for name in ("subjects", "registry", "streams", "accounts", "accounts_file")
}
ROOTS = sorted({item.pattern.split(".")[0] for item in REGISTRY} - {"$KV"})  # `$KV.` is NATS's own, the bus writes it
SUBJECT = re.compile(rf"({'|'.join(map(re.escape, ROOTS))})\.(\S*)")

METRIC_KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
METRIC_NAME = re.compile(r"signalbox_[a-z][a-z0-9_]*[a-z0-9]")
NOT_BASE_UNITS = re.compile(r".*_(ms|milliseconds|us|ns|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)")
MEASURED = (
    *("_seconds", "_bytes", "_ratio", "_rows", "_messages", "_bars", "_currency", "_price_fraction"),
    "_basis_points",  # of a price: what people who trade count slippage in
)
UNBOUNDED_LABELS = {"id", "order_id", "intent_id", "message_id", "execution_id", "sequence", "reason_text", "subject"}


def literals(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every text in the code that is not a docstring; an f-string is its text up to the first value, and `{`."""
    skipped: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
        elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
            more = "{" if len(node.values) > 1 else ""
            yield f"{node.values[0].value}{more}", node.lineno


def metrics(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, ast.Call]]:
    """Every call that declares a metric: its kind and the call."""
    for node in nodes:
        if isinstance(node, ast.Call):
            kind = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            if kind in METRIC_KINDS and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                yield kind, node


def test_subjects_are_built_only_in_one_module(source_file: File) -> None:
    if source_file.path in MAY_WRITE_SUBJECTS:
        return
    for text, line in literals(source_file.nodes):
        assert not SUBJECT.fullmatch(text), (
            f"{source_file}:{line}: {text!r} is a subject; build it with a function of signalbox.subjects"
        )


def test_metrics_are_declared_only_in_their_room(source_file: File) -> None:
    if source_file.name == "metrics.py" or source_file.path == "shared/signalbox/telemetry.py":
        return
    imported = {
        name.name
        for node in source_file.nodes
        if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client"
        for name in node.names
    }
    named = {
        str(call.args[0].value) for _, call in metrics(source_file.nodes) if isinstance(call.args[0], ast.Constant)
    }
    declared = imported & METRIC_KINDS | {name for name in named if METRIC_NAME.fullmatch(name)}
    assert not declared, (
        f"{source_file} declares {', '.join(sorted(declared))}: metrics live in the service's metrics.py, and those of "
        "several services in signalbox/metrics.py"
    )


def test_metric_has_our_prefix_and_a_base_unit(metrics_file: File) -> None:
    for kind, call in metrics(metrics_file.nodes):
        where = f"{metrics_file}:{call.lineno}"
        assert isinstance(call.args[0], ast.Constant), f"{where}: a metric's name is written out"
        name = str(call.args[0].value)
        assert METRIC_NAME.fullmatch(name), f"{where}: {name} does not begin with signalbox_"
        assert not NOT_BASE_UNITS.fullmatch(name.removesuffix("_total")), f"{where}: {name} is not in a base unit"
        if kind == "Counter":
            assert name.endswith("_total"), f"{where}: {name} is a counter and ends in _total"
        else:
            assert not name.endswith("_total"), f"{where}: {name} ends in _total but is no counter"
        if kind in ("Histogram", "Summary"):
            assert name.endswith(MEASURED), f"{where}: {name} does not end in its unit ({', '.join(MEASURED)})"


def test_metric_says_what_it_counts(metrics_file: File) -> None:
    for _, call in metrics(metrics_file.nodes):
        help_text = call.args[1] if len(call.args) > 1 else None
        assert isinstance(help_text, ast.Constant), f"{metrics_file}:{call.lineno}: the metric has no description"
        assert str(help_text.value).strip(), f"{metrics_file}:{call.lineno}: the metric's description is empty"


def test_metric_labels_are_bounded_sets(metrics_file: File) -> None:
    for _, call in metrics(metrics_file.nodes):
        given = [keyword.value for keyword in call.keywords if keyword.arg == "labelnames"] + call.args[2:3]
        for labels in given:
            names = {str(node.value) for node in ast.walk(labels) if isinstance(node, ast.Constant)}
            unbounded = ", ".join(sorted(names & UNBOUNDED_LABELS))
            assert not unbounded, f"{metrics_file}:{call.lineno}: label {unbounded} has no bound; log it instead"


def test_metric_has_one_declaration_on_the_desk(all_metrics_files: list[File]) -> None:
    names = [ast.unparse(call.args[0]) for file in all_metrics_files for _, call in metrics(file.nodes)]
    twice = {name for name in names if names.count(name) > 1}
    assert names
    assert not twice, f"{twice} is declared twice: a dashboard could not tell them apart"
