"""The same rooms in every service, names that say something, and modules that a person can hold in mind."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import File, Service

ROOMS = {"__init__.py", "__main__.py", "settings.py", "state.py", "decide.py", "service.py", "metrics.py"}
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "tools", "lib"}
EMPTY_CLASS = re.compile(r".*(Manager|Handler|Processor|Helper|Utils?)")
LINES_MAX = 400
LONGER = {"shared/signalbox/bus/connection.py": 430, "shared/signalbox/subjects.py": 420}
"""Flat lists without logic, of what can be done on the bus and where: a reader looks one up."""


def test_service_has_the_same_rooms_as_every_other(service: Service) -> None:
    missing = ROOMS - service.rooms
    assert not missing, f"{service} has no {', '.join(sorted(missing))}: every service has the same rooms"


def test_file_name_says_what_is_inside(python_file: File) -> None:
    words = set(python_file.name.removesuffix(".py").split("_"))
    assert not words & EMPTY_WORDS, f"{python_file}: {words & EMPTY_WORDS} says nothing; name it after what it owns"


def test_class_name_says_what_it_is(source_file: File) -> None:
    for node in source_file.nodes:
        if isinstance(node, ast.ClassDef):
            if any(EMPTY_CLASS.fullmatch(ast.unparse(base)) for base in node.bases):
                continue  # a library's own word, which its subclass has to keep
            assert not EMPTY_CLASS.fullmatch(node.name), (
                f"{source_file}:{node.lineno}: class {node.name}: a name ending so hides what it does"
            )


def test_module_is_short_enough_to_hold_one_idea(source_file: File) -> None:
    lines, lines_max = source_file.text.count("\n"), LONGER.get(source_file.path, LINES_MAX)
    assert lines <= lines_max or source_file.path.startswith("simulators/"), (
        f"{source_file} has {lines} lines, more than {lines_max}: look for the second idea in it"
    )


def test_module_says_what_it_owns(source_file: File) -> None:
    empty = not source_file.text.strip()
    assert empty or ast.get_docstring(source_file.tree), (
        f"{source_file} has no docstring: say what it owns and must not know"
    )


def test_broad_except_is_explained_by_what_it_does(core_file: File) -> None:
    for node in core_file.nodes:
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException"), (
                f"{core_file}:{node.lineno}: only the shell's outer edge catches {caught}"
            )
