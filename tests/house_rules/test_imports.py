"""Who may import whom, and what a pure core may not touch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import File

ROOT = Path(__file__).resolve().parents[2]

IMPURE = {
    "nats", "asyncio", "time", "random", "secrets", "uuid", "os", "logging", "socket", "threading", "prometheus_client",
    "signalbox.bus", "signalbox.process", "signalbox.telemetry", "signalbox.clock", "signalbox.settings",
    "signalbox.metrics", "signalbox.venue_figures",
}  # fmt: skip
MESSAGE_MODULES = {f"signalbox.messages.{path.stem}" for path in (ROOT / "shared/signalbox/messages").glob("[!_]*.py")}
CLOCK_READS = {"now", "utcnow", "today"}
VENDORS = {"ib_async", "dydx_v4_client", "v4_proto"}
MAY_READ_THE_ENVIRONMENT = {"settings.py", "__main__.py", "process.py"}


def imported(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every module that is imported anywhere in a file, with its line; `from a import b` is `a` and `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def is_within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(command), "--config", str(ROOT / ".importlinter"), "--no-cache", "--no-logo"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"an import contract of .importlinter is broken:\n{done.stdout}{done.stderr}"


def test_core_imports_nothing_that_waits_guesses_or_speaks(core_file: File) -> None:
    package = core_file.path.split("/")[2]
    shell = {f"{package}.{room}" for room in ("metrics", "settings", "service", "venue")}
    found = [(name, line) for name, line in imported(core_file.nodes) if is_within(name, IMPURE | shell)]
    assert not found, f"{core_file} is a pure core and must not import " + ", ".join(
        f"{name} (line {line})" for name, line in found
    )


def test_core_has_no_await_and_reads_no_clock(core_file: File) -> None:
    for node in core_file.nodes:
        where = f"{core_file}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith), (
            f"{where}: a pure core does not wait; move this to service.py"
        )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            assert not (node.func.attr in CLOCK_READS and owner.split(".")[-1] in ("datetime", "date")), (
                f"{where}: a pure core reads no clock; take the time as `at`"
            )


def test_only_the_venue_files_import_the_vendor(service_file: File) -> None:
    found = [line for name, line in imported(service_file.nodes) if is_within(name, VENDORS)]
    allowed = service_file.path.startswith("services/gateway-") and service_file.name.startswith("venue")
    assert allowed or not found, f"{service_file}:{found}: only a gateway's venue*.py imports the vendor's library"


def test_messages_have_one_import_path(python_file: File) -> None:
    within = python_file.path.startswith("shared/signalbox/messages/")
    found = [line for name, line in imported(python_file.nodes) if is_within(name, MESSAGE_MODULES)]
    assert within or not found, f"{python_file}:{found}: messages are imported from signalbox.messages"


def test_environment_is_read_in_one_place(source_file: File) -> None:
    if source_file.name in MAY_READ_THE_ENVIRONMENT:
        return
    for node in source_file.nodes:
        read = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
        assert not (read and ast.unparse(node.value) == "os"), (  # type: ignore[attr-defined]
            f"{source_file}:{node.lineno}: the environment is read in settings.py, __main__.py and process.py only"
        )
    taken = [line for name, line in imported(source_file.nodes) if name in ("os.environ", "os.getenv")]
    assert not taken, f"{source_file}:{taken}: the environment is read in settings.py, __main__.py and process.py only"
