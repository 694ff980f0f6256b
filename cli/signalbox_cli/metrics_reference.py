"""Writes docs/metrics.md from the declarations in the code: `python -m signalbox_cli.metrics_reference`.

Owns what is known of every metric without running anything: name, type, labels, help, and which services export it. It
reads the sources of the repository and imports none of them, because the services know neither each other nor the
command line. A service exports what its own code can reach: a metric of the shared library is its own as soon as it
uses it, or something that does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
UNITS = ("seconds", "bytes", "basis_points", "ratio", "quantity", "blocks", "messages", "bars", "rows")
SERIES_OF = {"histogram": ("", "_bucket", "_sum", "_count")}
"""What a scrape calls it, beside its own name."""

HEAD = """\
# Metrics

<!-- Written by `python -m signalbox_cli.metrics_reference`; a test fails when this is not what it writes. -->

What each service answers on `/metrics`, beside `process_*` and `python_*` of the Prometheus client. Prometheus adds
`job` (the service) and `instance`. A histogram is read as `<name>_bucket`, `<name>_sum` and `<name>_count`. Money is in
the account's currency; *desk* time is the wall clock, or the simulator's. What is not known yet has no sample, or NaN.
"""
TABLE = "\n## {title}\n\n| metric | type | labels | unit | exported by | what it says |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Metric:
    """One declared metric. `exported_by` has the services' names, as in `job`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    exported_by: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus has it."""
        return tuple(self.name + suffix for suffix in SERIES_OF.get(self.kind, ("",)))

    @property
    def unit(self) -> str:
        """What it is counted in, as its name says; "" = a plain number."""
        words = self.name.removesuffix("_total")
        return next((unit.replace("_", " ") for unit in UNITS if re.search(rf"_{unit}$", words)), "")


Symbol = tuple[str, str]
"""A module and a name at its top level."""


@dataclass
class _Module:
    """A module's top level: what each name is, and what it was imported as."""

    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, Symbol] = field(default_factory=dict)
    """`import a.b as c` is ("a.b", "")."""


def metrics(root: Path = ROOT) -> tuple[Metric, ...]:
    """Every metric that a service exports, by name; raises `ValueError` for one that no service does."""
    packages = {path.parent.parent.name: path.parent for path in sorted(root.glob("services/*/*/__init__.py"))}
    modules = _modules([root / "shared" / "signalbox", *packages.values()])
    declared = {
        (module, name): call
        for module, content in modules.items()
        for name, statements in content.defined.items()
        for call in _declarations(statements)
    }
    exported_by: dict[Symbol, list[str]] = {symbol: [] for symbol in declared}
    for service, package in packages.items():
        for symbol in _reached(modules, package.name) & declared.keys():
            exported_by[symbol].append(service)
    if unused := [".".join(symbol) for symbol, services in exported_by.items() if not services]:
        raise ValueError(f"declared, and shown by no service: {', '.join(sorted(unused))}")
    found = (_metric(call, tuple(exported_by[symbol])) for symbol, call in declared.items())
    return tuple(sorted(found, key=lambda metric: metric.name))


def _modules(packages: Iterable[Path]) -> dict[str, _Module]:
    modules = {}
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
            modules[name] = _module(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return modules


def _module(tree: ast.Module) -> _Module:
    module = _Module()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module.imported |= {name.asname or name.name: (node.module, name.name) for name in node.names}
        elif isinstance(node, ast.Import):
            module.imported |= {name.asname or name.name: (name.name, "") for name in node.names}
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                module.defined.setdefault(name, []).append(statement)
            case ast.Assign(targets=targets):
                for node in ast.walk(ast.Tuple(targets)):
                    if isinstance(node, ast.Name):
                        module.defined.setdefault(node.id, []).append(statement)
            case ast.AnnAssign(target=ast.Name(id=name)):
                module.defined.setdefault(name, []).append(statement)
            case _:
                module.defined.setdefault("", []).append(statement)  # what runs when the module is imported
    return module


def _declarations(statements: list[ast.stmt]) -> Iterator[ast.Call]:
    for statement in statements:
        call = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in KINDS:
            yield call


def _reached(modules: Mapping[str, _Module], package: str) -> set[Symbol]:
    """Every name that the package's own code uses, directly or by what it uses."""
    own = [name for name in modules if name == package or name.startswith(f"{package}.")]
    # Not the package's own metrics as such: one that nothing touches is not exported in truth
    waiting = [(name, symbol) for name in own if not name.endswith(".metrics") for symbol in modules[name].defined]
    reached: set[Symbol] = set()
    while waiting:
        symbol = waiting.pop()
        if symbol in reached:
            continue
        reached.add(symbol)
        module, name = symbol
        for statement in modules[module].defined.get(name, ()):
            waiting.extend(_used(modules, module, statement))
    return reached


def _used(modules: Mapping[str, _Module], module: str, statement: ast.stmt) -> Iterator[Symbol]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            found = _resolved(modules, module, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            of = modules[module].imported.get(node.value.id)
            found = _resolved(modules, ".".join(filter(None, of)), node.attr) if of is not None else None
        else:
            continue
        if found is not None:
            yield found


def _resolved(modules: Mapping[str, _Module], module: str, name: str) -> Symbol | None:
    """Where a name that a module uses is defined, through what it was imported from; None = outside of the desk."""
    while module in modules:
        if name in modules[module].defined:
            return module, name
        if name not in modules[module].imported:
            return None
        module, name = modules[module].imported[name]
    return None


def _metric(call: ast.Call, exported_by: tuple[str, ...]) -> Metric:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    labels = call.args[2] if len(call.args) > 2 else given.get("labelnames")
    return Metric(
        name=str(ast.literal_eval(call.args[0])),
        kind=KINDS[ast.unparse(call.func).split(".")[-1]],
        labels=tuple(ast.literal_eval(labels)) if labels is not None else (),
        help=str(ast.literal_eval(call.args[1])),
        exported_by=exported_by,
    )


def render(found: tuple[Metric, ...]) -> str:
    """The whole page: what every service exports, what several do, then each service's own."""
    everybody = sorted({service for metric in found for service in metric.exported_by})
    sections = {"Every service": [m for m in found if list(m.exported_by) == everybody]}
    sections["Several services"] = [m for m in found if 1 < len(m.exported_by) < len(everybody)]
    sections |= {service: [m for m in found if m.exported_by == (service,)] for service in everybody}
    tables = (TABLE.format(title=title) + "".join(map(_row, rows)) for title, rows in sections.items() if rows)
    return HEAD + "".join(tables)


def _row(metric: Metric) -> str:
    labels, services = ", ".join(f"`{label}`" for label in metric.labels), ", ".join(metric.exported_by)
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {services} | {meaning} |\n"


if __name__ == "__main__":
    print(render(metrics()), end="")
