"""A venue is a translation: the tiny third one is small, and knows the house and nobody else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

GATEWAY = Path(__file__).with_name("lines_gateway")
CODE_LINES_MAX = 400
KNOWN = {"signalbox", "lines_gateway", "msgspec"}


def trees() -> list[tuple[str, ast.Module]]:
    return [(path.read_text(), ast.parse(path.read_text())) for path in sorted(GATEWAY.glob("*.py"))]


def test_a_whole_gateway_is_less_than_four_hundred_lines_of_code() -> None:
    """Imports, docstrings and blank lines apart."""
    lines = 0
    for text, tree in trees():
        idle: set[int] = set()
        for node in ast.walk(tree):
            said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if said or isinstance(node, ast.Import | ast.ImportFrom):
                idle.update(range(node.lineno, (node.end_lineno or 0) + 1))
        lines += sum(bool(line.strip()) for number, line in enumerate(text.splitlines(), 1) if number not in idle)
    assert lines <= CODE_LINES_MAX


def test_it_knows_the_desk_and_neither_another_gateway_nor_its_broker() -> None:
    modules = {
        (node.module or "").split(".")[0]
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert modules - sys.stdlib_module_names <= KNOWN
