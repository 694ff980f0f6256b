"""`signalbox replay decisions --limits FILE`: what other limits would have denied of what was decided, and what not.

Owns which file says them and how it is told. What a decision would have been, `risk.other_limits` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from signalbox.desk import Desk, desk_of, load_desk, read_document
from signalbox.errors import ConfigurationError
from signalbox.limits import load_limits, name_of
from signalbox.messages import NEVER, Decision, LimitsSet

from signalbox_cli.output import printable, show, show_json

if TYPE_CHECKING:
    from risk.other_limits import Otherwise, Sum
    from risk.rules import Rules

CAVEAT = (
    "each decision by itself, on the desk as it was then: what would not have been let through still counts for those "
    "that came after it"
)


def rules_with_limits(file: Path, desk_file: Path | None) -> Rules:
    """The rules of a whole desk file; or of `desk_file` with the limits by scope that `file` states, or with what its
    `[limits]` states beside its own.

    Raises `ConfigurationError` with every mistake.
    """
    from risk.rules import rules_of, with_limits

    document = read_document(file)
    if "venues" in document:
        return rules_of(desk_of(document))
    if desk_file is None:
        raise ConfigurationError([f"{file} has limits alone: name the desk file that it is for, --desk DESK.toml"])
    if set(document) == {"limits"}:
        return rules_of(_desk_with(document, desk_file))
    desk = load_desk(desk_file)
    asked = LimitsSet(
        id="limits/asked",
        at=NEVER,
        version=0,
        limits=load_limits(file, desk),
        by="",
        reason="",
        desk_file=name_of(desk.limits),
    )
    return with_limits(rules_of(desk), asked)


def _desk_with(document: dict[str, Any], desk_file: Path) -> Desk:
    whole = read_document(desk_file)
    own, stated = whole.get("limits"), document["limits"]
    if isinstance(own, dict) and isinstance(stated, dict):
        stated = {**own, **stated}
    return desk_of({**whole, "limits": stated})


class LimitsThen:
    """Takes each decision that can be made again, and tells at the end."""

    def __init__(self, rules: Rules, *, as_json: bool, each: bool) -> None:
        from risk.other_limits import OtherLimits

        self.found = OtherLimits(rules)
        self._as_json, self._each = as_json, each

    def take(self, sequence: int, decision: Decision) -> None:
        found = self.found.take(sequence, decision)
        if found is None or not (self._each or self._as_json):
            return
        if self._as_json:
            show_json({"would_be": _would_be(decision), **msgspec.to_builtins(found)})
        else:
            print(printable(_line(found, decision)))

    def tell(self) -> None:
        """The sums, by verdict and check."""
        found = self.found
        if self._as_json:
            for would_be, sums in (("DENIED", found.would_be_denied), ("APPROVED", found.would_pass)):
                for check, of_check in sums.items():
                    show_json({"would_be": would_be, "check": check, **_as_data(of_check)})
            show_json({"approved_then": found.approved, "denied_then": found.denied})
            return
        print(f"under these limits ({CAVEAT}):")
        for words, sums, of in (
            (f"would be denied, of {found.approved} approved then", found.would_be_denied, "check"),
            (f"would be let through, of {found.denied} denied then", found.would_pass, "denied then by"),
        ):
            count = sum(each.count for each in sums.values())
            print(f"{count} {words}{_together(sums.values())}")
            if sums:
                rows = [
                    (check, str(each.count), _money(each))
                    for check, each in sorted(sums.items(), key=lambda row: -row[1].count)
                ]
                show((of, "count", "worth"), rows, as_json=False, empty="")


def _would_be(decision: Decision) -> str:
    return "APPROVED" if type(decision).__name__ == "IntentDenied" else "DENIED"


def _line(found: Otherwise, decision: Decision) -> str:
    worth = f", worth {found.value:,.2f} {found.currency}" if found.value is not None else ""
    return f"would be {_would_be(decision)}: {found.intent_id} (TRADE:{found.sequence}){worth}: {found.reason}"


def _money(found: Sum) -> str:
    told = [f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(found.worth.items())]
    if found.not_valued:
        told.append(f"{found.not_valued} not valued")
    return ", ".join(told)


def _together(sums: Iterable[Sum]) -> str:
    """`, worth 1,000.00 USD`: all of them."""
    worth: dict[str, Decimal] = {}
    for each in sums:
        for currency, amount in each.worth.items():
            worth[currency] = worth.get(currency, Decimal(0)) + amount
    told = [f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(worth.items())]
    return f", worth {', '.join(told)}" if told else ""


def _as_data(found: Sum) -> dict[str, object]:
    worth = {currency: f"{amount:f}" for currency, amount in found.worth.items()}
    return {"count": found.count, "worth": worth, "not_valued": found.not_valued}
