"""The numbered list of venue cases, read from the tests; and what each venue can not do.

Owns the table of what a venue can not do, and the form of docs/venue-cases.md. A case is a test function
`test_v<number>_<title>`; the first paragraph of its docstring says what happens, the second what must hold.
Run as a script, it writes the document anew.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

FOLDER = Path(__file__).resolve().parent
DOCUMENT = FOLDER.parents[1] / "docs" / "venue-cases.md"
VENUES = ("ibkr", "dydx")
CASE = re.compile(r"test_v([0-9A-HST][0-9A-Z])_(\w+)")


@dataclass(frozen=True)
class Case:
    """One case. `ways` are the variants it is tried in, "" = one."""

    number: str
    title: str
    happens: str
    holds: str
    asserts_cannot: bool


@dataclass(frozen=True)
class Cannot:
    """Why a venue can not do a case, and what the desk does instead."""

    reason: str
    instead: str


_NO_RENEWAL = Cannot(
    "it need not: TWS works an order for the day until the day's end by itself",
    "nothing is renewed; the order is placed once",
)

_FINAL = Cannot(
    "what is in a block is final: the chain neither corrects nor takes back a fill",
    "nothing: a fill has one revision",
)

_NO_FUNDING = Cannot("stocks pay no funding", "nothing is booked")
_NOT_ATTACHED = Cannot(
    "the chain has no order that waits for another one: an exit is sent when its entry has filled",
    "the OMS sends it then; one that was dead sends it as soon as it is back",
)
_NOT_HELD = Cannot(
    "a perpetual is sold without anybody's shares: the chain takes an order or refuses it",
    "nothing is held there",
)


CANNOT: dict[tuple[str, str], Cannot] = {
    ("VA7", "ibkr"): Cannot(
        "TWS lets nobody but the client that has placed an order cancel it",
        "the cancel is refused, with where the order can be cancelled; it works on",
    ),
    ("V08", "dydx"): Cannot(
        "a perpetual has no closing auction", "the gateway refuses the order before it is claimed, and says why"
    ),
    ("V0C", "dydx"): Cannot(
        "the chain has no fill-or-kill any more", "risk denies it, and the gateway refuses it before it is claimed"
    ),
    ("V0D", "ibkr"): Cannot(
        "Interactive Brokers has no post-only orders",
        "risk denies it, and the gateway refuses it before it is claimed",
    ),
    ("V11", "dydx"): Cannot(
        "a market order is a limit order there that takes at once or not at all, within a bound of the price",
        "what the book has is taken; the rest is cancelled, and told so, for the user to decide on",
    ),
    ("V1A", "dydx"): Cannot(
        "a perpetual has no closing auction", "risk denies it, and the gateway refuses it before it is claimed"
    ),
    ("V1B", "dydx"): Cannot(
        "a perpetual has no opening auction", "risk denies it, and the gateway refuses it before it is claimed"
    ),
    ("V1C", "dydx"): Cannot(
        "the chain has no market-to-limit orders", "risk denies it, and the gateway refuses it before it is claimed"
    ),
    ("V3F", "dydx"): Cannot(
        "the chain has no trailing stops: the gateway moves a stop that stands there",
        "while it is dead the stop protects where it was, and is not moved; the next one trails on",
    ),
    ("V1D", "dydx"): Cannot(
        "the chain has no all-or-none", "risk denies it, and so does the gateway, with what is nearest"
    ),
    ("V1E", "dydx"): Cannot(
        "the chain has no orders that begin later", "risk denies it, and so does the gateway, with what is nearest"
    ),
    ("V1F", "dydx"): Cannot(
        "it triggers by the oracle's price alone", "risk denies it, and so does the gateway, with what is nearest"
    ),
    ("V13", "ibkr"): Cannot(
        "the executions of TWS do not say who made and who took (only the fee model of some exchanges does)",
        "the fill says UNSTATED",
    ),
    ("V17", "ibkr"): Cannot("its fixed commissions pay nobody", "a fee is never below zero"),
    ("V32", "ibkr"): _NO_RENEWAL,
    ("V33", "ibkr"): _NO_RENEWAL,
    ("V34", "ibkr"): _NO_RENEWAL,
    ("V44", "ibkr"): Cannot("it has every order type that the desk has", "nothing is to be refused"),
    ("V53", "ibkr"): Cannot(
        "TWS works an order until its day ends, whoever watches",
        "the order stays; the next gateway finds it as it is, and the desk can cancel it",
    ),
    ("V64", "dydx"): _FINAL,
    ("V65", "dydx"): _FINAL,
    ("VC3", "ibkr"): _NO_FUNDING,
    ("VC5", "ibkr"): _NO_FUNDING,
    ("VC6", "ibkr"): _NO_FUNDING,
    ("VE0", "dydx"): _FINAL,
    ("VE1", "dydx"): _NOT_HELD,
    ("VE2", "dydx"): _NOT_HELD,
    ("VG4", "dydx"): _NOT_ATTACHED,
    ("VG5", "dydx"): _NOT_ATTACHED,
    ("VG6", "dydx"): _NOT_ATTACHED,
    ("VG7", "dydx"): _NOT_ATTACHED,
    ("VG8", "dydx"): _NOT_ATTACHED,
    ("VG9", "dydx"): _NOT_ATTACHED,
    ("VGA", "dydx"): _NOT_ATTACHED,
    ("VGE", "dydx"): _NOT_ATTACHED,
    ("VGF", "dydx"): _NOT_ATTACHED,
    ("VGG", "dydx"): _NOT_ATTACHED,
    ("V09", "ibkr"): Cannot(
        "Interactive Brokers has no reduce-only orders",
        "risk denies the intent unless the desk's position, with everything that works, can only shrink by it; the "
        "venue gets an ordinary order",
    ),
}


GROUPS = {
    "0": "Placing",
    "1": "Fills",
    "2": "Cancelling",
    "3": "Changing an order",
    "4": "Refusals",
    "5": "Expiry",
    "6": "Doubled, displaced, late and lost messages",
    "7": "A connection that fails, in every state of an order",
    "8": "A gateway that is killed, in every state of an order",
    "9": "Replies that are lost",
    "A": "Orders that the desk did not place",
    "B": "Snapshots",
    "C": "Account and positions",
    "D": "Commands that come while the gateway can not act",
    "E": "Facts that make no sense, and orders that are held",
    "F": "Feeds that stop, links that half come back",
    "G": "Order lists",
    "H": "The desk's switch, which a gateway obeys by itself",
    "S": "Order lists: stories that broke others",
    "T": "Order lists: a gateway that is killed, in every state of a list, and replies that are lost",
}


def number_of(function: str) -> str:
    """The number of a test function's case."""
    found = CASE.match(function)
    assert found, f"{function} is no case: it must be named test_v<two digits>_<title>"
    return f"V{found[1]}"


@cache
def cases() -> tuple[Case, ...]:
    """Every case there is, by number."""
    found = []
    for path in sorted(FOLDER.glob("test_v*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.append(_case(node))
    return tuple(sorted(found, key=lambda case: case.number))


def _case(node: ast.AsyncFunctionDef) -> Case:
    match = CASE.fullmatch(node.name)
    assert match, f"{node.name} is no case: it must be named test_v<two digits>_<title>"
    said = dedent(ast.get_docstring(node) or "")
    happens, _, holds = said.partition("\n\n")
    attributes = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return Case(
        number=f"V{match[1]}",
        title=match[2].replace("_", " "),
        happens=" ".join(happens.split()),
        holds=" ".join(holds.split()),
        asserts_cannot="cannot" in attributes,
    )


def document() -> str:
    """The whole of docs/venue-cases.md."""
    lines = [
        "# Venue cases",
        "",
        "The numbered list of what a venue gateway has to live through. Every case runs in `tests/venue/` on both",
        "gateways: the real gateway process and the real OMS on a real nats-server, against the venue's simulator over",
        "real sockets. This page is written from the tests (`python tests/venue/numbered.py`), and a test holds it to",
        "them.",
        "",
        "After every case, whatever it was about: the desk has exactly the venue's executions, each with its fee; the",
        "positions and the cash are the venue's; no report was made twice; no order was placed twice; no report was an",
        "illegal transition in the OMS; every order has ended, and the gateway is READY.",
    ]
    for digit, group in GROUPS.items():
        of_group = [case for case in cases() if case.number[1] == digit]
        if not of_group:
            continue
        lines += ["", f"## V{digit}x {group}", "", "| case | what happens | what must hold | ibkr | dydx |"]
        lines += ["|---|---|---|---|---|"]
        for case in of_group:
            marks = ["instead" if (case.number, venue) in CANNOT else "yes" for venue in VENUES]
            cells = [f"**{case.number}** {case.title}", case.happens, case.holds, *marks]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "## What a venue can not do",
        "",
        "| case | venue | why | what the desk does instead |",
        "|---|---|---|---|",
    ]
    for (number, venue), cannot in sorted(CANNOT.items()):
        lines.append(f"| {number} | {venue} | {cannot.reason} | {cannot.instead} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT.name}: {len(cases())} cases\n")
