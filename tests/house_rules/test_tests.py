"""Tests wait for conditions, not for time, and use no mocks of our own code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import File

SLEEPS = {"time.sleep", "asyncio.sleep", "sleep"}
BOUNDS = ("asyncio.timeout", "asyncio.wait_for", "timeout")


def with_parents(node: ast.AST, parents: tuple[ast.AST, ...] = ()) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    yield node, parents
    for child in ast.iter_child_nodes(node):
        yield from with_parents(child, (*parents, node))


def ends_in_sleep(called: ast.expr) -> bool:
    """Whether it may be one of `SLEEPS`; most files have none, and their loops need no look."""
    return (isinstance(called, ast.Name) and called.id == "sleep") or getattr(called, "attr", "") == "sleep"


def is_bounded_poll(parents: tuple[ast.AST, ...]) -> bool:
    """Say whether it is the pause of a loop that ends: a `for`, a `while` with a condition, or one with a way out."""
    loops = [node for node in parents if isinstance(node, ast.For | ast.AsyncFor | ast.While)]
    if not loops:
        return False
    loop = loops[-1]
    if isinstance(loop, ast.For | ast.AsyncFor) or not isinstance(loop.test, ast.Constant):
        return True
    timeouts = (
        item.context_expr for node in parents if isinstance(node, ast.AsyncWith | ast.With) for item in node.items
    )
    leaves = any(isinstance(node, ast.Raise | ast.Return | ast.Break | ast.Assert) for node in ast.walk(loop))
    return leaves or any(ast.unparse(call).startswith(BOUNDS) for call in timeouts)


def test_no_test_waits_for_time_to_pass(test_file: File) -> None:
    if not any(isinstance(node, ast.Call) and ends_in_sleep(node.func) for node in test_file.nodes):
        return
    for node, parents in with_parents(test_file.tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) not in SLEEPS or not node.args:
            continue
        length = node.args[0]
        if isinstance(length, ast.Constant) and isinstance(length.value, int | float) and length.value > 0:
            assert is_bounded_poll(parents), (
                f"{test_file}:{node.lineno}: wait for a condition with a bound, not for {length.value} seconds"
            )


def test_no_test_mocks(test_file: File) -> None:
    for node in test_file.nodes:
        named = [name.name for name in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        module = node.module if isinstance(node, ast.ImportFrom) else None
        assert not {module, *named} & {"unittest.mock", "mock", "MagicMock", "Mock", "AsyncMock"}, (
            f"{test_file}:{node.lineno}: use the real thing or a fake written by hand, not a mock"  # type: ignore[attr-defined]
        )


def test_test_folder_is_a_package_only_for_the_fixtures_that_end_with_it(test_file: File) -> None:
    if test_file.name == "__init__.py":
        conftest = replace(test_file, path=test_file.path.removesuffix("__init__.py") + "conftest.py")
        assert 'scope="package"' in conftest.text, f"{test_file}: no fixture of the folder has that scope; delete it"
