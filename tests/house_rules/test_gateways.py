"""Gateways are translations of their venues: nothing of the house is inherited, and nothing stands in two of them."""

from __future__ import annotations

import ast
from difflib import SequenceMatcher
from itertools import combinations
from typing import TYPE_CHECKING

from signalbox.venues import VENUES

if TYPE_CHECKING:
    from conftest import File

HOUSE = "signalbox.gateway"
VENUES_AND_GATEWAYS = {name for row in VENUES for name in (row.name, row.gateway)}
MAY_NAME_A_VENUE = (
    *("services/gateway-", "simulators/", "shared/signalbox/venues.py"),
    *("shared/signalbox/order_support.py", "shared/signalbox/change_support.py"),  # the tables of what each takes
    "shared/signalbox/subaccounts.py",  # addresses of the chain begin so
    *("cli/signalbox_cli/simulating.py", "cli/signalbox_cli/simulated_venues.py"),
)
PASSAGE_LINES_MAX = 6
"""As many lines may be the same: the head of a class or function that the house calls."""


def passages(one: list[str], other: list[str]) -> list[str]:
    """What two modules have in common, each longer than a head."""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return ["\n".join(one[block.a : block.a + block.size]) for block in blocks if block.size > PASSAGE_LINES_MAX]


def code(file: File) -> list[str]:
    """The lines that do something: no imports, no docstrings, no comments, no lone brackets."""
    idle: set[int] = set()
    for node in file.nodes:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if text or isinstance(node, ast.Import | ast.ImportFrom):
            idle.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    lines = [(number, line.strip()) for number, line in enumerate(file.text.splitlines(), 1) if number not in idle]
    return [line for _, line in lines if not line.startswith("#") and any(map(str.isalnum, line))]


def test_only_a_table_and_who_speaks_to_it_name_a_venue(source_file: File) -> None:
    if source_file.path.startswith(MAY_NAME_A_VENUE):
        return
    for node in source_file.nodes:
        named = isinstance(node, ast.Constant) and node.value in VENUES_AND_GATEWAYS
        assert not named, f"{source_file}:{node.lineno} names a venue: ask its row (signalbox.venues)"  # type: ignore[attr-defined]


def test_no_class_of_a_gateway_derives_from_the_house(service_file: File) -> None:
    taken = {
        name.asname or name.name
        for node in service_file.nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(HOUSE)
        for name in node.names
    }
    for node in service_file.nodes:
        bases = {ast.unparse(base).split(".")[0].split("[")[0] for base in getattr(node, "bases", ())}
        assert not bases & taken, (
            f"{service_file}:{node.lineno} derives from {bases & taken}: a gateway is given to the house, as values"  # type: ignore[attr-defined]
        )


def test_no_passage_stands_in_two_gateways(gateway_files: dict[str, list[File]]) -> None:
    assert len(gateway_files) > 1
    for one, other in combinations(gateway_files.values(), 2):
        for file, twin in ((file, twin) for file in one for twin in other if file.name == twin.name):
            found = passages(code(file), code(twin))
            assert not found, f"{file} and {twin} have the same lines; they belong to {HOUSE}:\n" + "\n\n".join(found)
