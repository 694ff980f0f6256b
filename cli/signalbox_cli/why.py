"""`signalbox why INTENT`: a decision as a person wants it, with what would have passed in its place.

Owns the words. What a check looked at, and what would have passed, the decision says; where it leaves that out, it is
made again with the rules that the decision names (`risk.decide`). `explain` lists every check.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from msgspec import structs
from signalbox import messages
from signalbox.client.record import query, sql_text
from signalbox.messages import (
    Basis,
    Check,
    Decision,
    Intent,
    IntentApproved,
    IntentDenied,
    LossesSeen,
    OrderListIntent,
    WouldPass,
)

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.limit_versions import versions
from signalbox_cli.output import complain, printable, show_json
from signalbox_cli.replaying import DECISIONS, add_desk_files, rules_named, with_versions
from signalbox_cli.telling import terms
from signalbox_cli.verdicts import passing_in_words

if TYPE_CHECKING:
    from risk.rules import Rules

_STORED = re.compile(r"(?P<stream>[A-Z][A-Z_]*):(?P<sequence>\d+)")
NEAREST_MAX = 3
"""How many limits an approved order is held beside: those that it came nearest to."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    why = add_command(
        commands,
        "why",
        "why an intent was denied, or let through: what decided, what was seen, and what would have passed",
        """
        Of a denial: each check that failed, its limit beside what was seen and where that came from (a message of a
        stream, a quote, the desk file), and what would have passed with all else as it was: the largest quantity, and
        the nearest price. Of an approval: the limits that it came nearest to. `signalbox explain` lists every check;
        `signalbox whatif` asks before anything is sent.

        Exit status: 0 it was found, 1 there is no such decision.
        """,
    )
    why.add_argument("id", metavar="INTENT", help="the id of the intent, or of its decision")
    add_desk_files(why)
    why.set_defaults(run=_why)


async def _why(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        files = [*arguments.desk, *([found.desk_file] if found.desk_file is not None else [])]
        rules = with_versions(rules_named(files, None), await versions(bus)) if files else {}
        reply = await query(bus, DECISIONS.format(name=sql_text(arguments.id)))
    if not reply.rows:
        complain(
            f"no decision is recorded on {arguments.id!r}, and none has that id: the record is a second behind, and "
            "what nobody has decided yet waits (`signalbox status` says for what)"
        )
        return EXIT_FAILED
    for number, (sequence, payload) in enumerate(reply.rows):
        decision: Decision = messages.decode(payload.encode(), Decision)
        if arguments.json:
            show_json(json.loads(messages.encode(decision)))
            continue
        print("\n" * bool(number) + "\n".join(map(printable, told(decision, sequence, rules))))
    return 0


def told(decision: Decision, sequence: int, rules: dict[str, Rules]) -> list[str]:
    """A decision that TRADE has at `sequence`, in lines."""
    own = rules.get(decision.basis.rules) if decision.basis is not None else None
    intent_id = decision.intent.id if decision.intent is not None else decision.cause
    asked = asked_for(decision.intent) if decision.intent is not None else "what could not be read"
    lines = [f"{intent_id}: {asked}, sent by {decision.by or 'nobody known'}"]
    where = f"at {decision.at:%Y-%m-%d %H:%M:%S} UTC, {decision.id} (TRADE:{sequence})"
    if isinstance(decision, IntentApproved):
        return [*lines, f"APPROVED {where}", *_approved(decision, own), *_looked_at(decision)]
    lines += [f"DENIED {where}", f"because {decision.reason}", ""]
    checks = _failed(decision, own)
    for number, check in enumerate(checks):
        lines += _check(check, decision, "decided by" if not number else "failed too:")
    missing = [name for name in decision.also_failed if name not in {check.name for check in checks}]
    lines += [f"failed too: {', '.join(missing)}"] if missing else []
    lines += [*passing_in_words(_would_pass(decision, own)), *_looked_at(decision)]
    if decision.passed:
        lines.append(f"{decision.passed} other checks passed (signalbox explain {intent_id} lists them)")
    return lines


def asked_for(intent: Intent) -> str:
    """What an intent is for, in few words."""
    if isinstance(intent, OrderListIntent):
        legs = ", ".join(terms({"type": "", **json.loads(messages.encode(leg))}) for leg in intent.legs)
        return f"{intent.contingency} in {intent.symbol}: {legs}"
    return terms(json.loads(messages.encode(intent)))


def _failed(decision: IntentDenied, own: Rules | None) -> tuple[Check, ...]:
    """The checks that failed; those that a denial only names are made again."""
    if not decision.also_failed or own is None:
        return decision.checks
    from risk.decide import explain

    return tuple(check for check in explain(own, decision) if not check.passed) or decision.checks


def _check(check: Check, decision: Decision, word: str) -> Iterator[str]:
    yield f"{word} {check.name}"
    if check.reason and check.reason != decision.reason:  # type: ignore[union-attr]
        yield f"  {check.reason}"
    whose = f" of {check.scope}" if check.scope else ""
    yield f"  limit {check.limit}{whose}; seen {check.observed}, from {whence(check.source, decision)}"


def whence(source: str, decision: Decision) -> str:
    """Where something was seen, in words."""
    basis = decision.basis
    if source == "desk-file":
        return "the desk file" + (f" (its limits are called {basis.rules})" if basis is not None else "")
    if source == "clock":
        return f"the desk clock ({decision.at:%H:%M:%S} UTC)"
    if source == "intent":
        return f"the intent (INTENTS:{decision.intent_sequence})"
    if source.startswith("quote:") and basis is not None and basis.quote is not None:
        return f"quote {basis.quote.id} of {basis.quote.at:%H:%M:%S} UTC"
    stored = _STORED.fullmatch(source)
    if stored is not None and stored["stream"] == "TRADE":
        return f"all that TRADE has up to message {stored['sequence']}"
    return f"message {stored['sequence']} of {stored['stream']}" if stored is not None else source


def _would_pass(decision: IntentDenied, own: Rules | None) -> WouldPass | None:
    """What the decision says would have passed; of one that does not, what is found now."""
    if decision.would_pass is not None or decision.basis is None or own is None or decision.intent is None:
        return decision.would_pass
    from risk.decide import decide_again

    again = decide_again(own, structs.replace(decision, would_pass=WouldPass()))
    return again.would_pass if isinstance(again, IntentDenied) else None


def _approved(decision: IntentApproved, own: Rules | None) -> Iterator[str]:
    """How many checks it has passed, and to which limits it came nearest."""
    yield f"{decision.passed or len(decision.checks)} checks passed"
    if own is None or decision.basis is None:
        return
    from risk.decide import explain
    from risk.limits import limits_of

    limits = {row.name for row, _ in limits_of()}
    used = [(share, check) for check in explain(own, decision) if check.name in limits and (share := _share(check))]
    nearest = sorted(used, key=lambda each: each[0], reverse=True)[:NEAREST_MAX]
    for share, check in nearest:
        yield f"  {check.name}: {check.observed} of {check.limit} ({share:.0%}), from {whence(check.source, decision)}"


def _share(check: Check) -> Decimal | None:
    """How much of its limit is used, where both are numbers."""
    try:
        limit, observed = (Decimal(text.split(" ")[0]) for text in (check.limit, check.observed))
    except InvalidOperation:
        return None
    return abs(observed) / limit if limit > 0 and limit.is_finite() and observed.is_finite() else None


def _looked_at(decision: Decision) -> Iterator[str]:
    """The market, the account and the position as they were then."""
    basis = decision.basis
    if basis is None:
        yield "what was looked at is not kept: its sender had sent a great deal, or it is from an older version"
        return
    yield from _market(decision, basis)
    if basis.books.source:
        held, names = basis.position, ("quantity", "buying_quantity", "selling_quantity")
        figures = [f"{getattr(held, name):f}" for name in names]
        yield (
            f"held {figures[0]}, working to buy {figures[1]} and to sell {figures[2]}: "
            f"all that TRADE has up to message {basis.trade_sequence}"
        )
    if basis.books.losses is not None:
        yield _losses(basis.books.losses, basis.books.currency)
    if basis.account is not None:
        said = basis.account
        yield (
            f"available funds {said.available_funds:f} {basis.books.currency}".rstrip()
            + f", said at {said.at:%H:%M:%S} UTC ({whence(said.source, decision)})"
        )


def _losses(seen: LossesSeen, currency: str) -> str:
    """What the account had won and lost."""
    if seen.pnl is None or seen.since is None:
        return f"what the account has won and lost is not known: {seen.unknown}"
    return (
        f"won and lost {seen.pnl - seen.opening:f} {currency} since {seen.since:%Y-%m-%d %H:%M} UTC, at worst "
        f"{seen.lowest - seen.opening:f}; {seen.pnl - seen.peak:f} from the peak; closed at a loss in a row: "
        f"{seen.losses_in_a_row}"
    )


def _market(decision: Decision, basis: Basis) -> Iterator[str]:
    quote = basis.quote
    if quote is None:
        return
    sides = (("bid", quote.bid), ("ask", quote.ask), ("last", quote.last), ("oracle", quote.oracle_price))
    prices = ", ".join(f"{name} {price:f}" for name, price in sides if price is not None)
    age_seconds = (decision.at - quote.at).total_seconds()
    yield f"the market: {prices or 'no price'}, {age_seconds:.3f} s old (quote {quote.id})"
