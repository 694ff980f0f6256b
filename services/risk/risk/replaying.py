"""Makes the decisions of a recorded TRADE again, each from what it kept, and holds what it kept against TRADE itself.

Pure: messages in the order of the stream in, differences out. Two things are asked of each decision. Made again from
its basis, is it the same, byte for byte? And what it kept of ids, positions, working orders and counts, is that what
TRADE adds up to at the order event that it names? Only what the market and the venues said is taken from the decision
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from signalbox import messages, subjects
from signalbox.messages import FINAL_STATUSES, Basis, Decision, OrderEvents, OrderStatus, Ruling

from risk.checks.form import READABLE
from risk.decide import decide_again
from risk.facts import Request
from risk.looking import look, look_at_id
from risk.recall import needs_terms
from risk.rules import Rules, with_limits
from risk.state import opening_state, order_key
from risk.step import Recalled, TradeEvent, as_stored, step

OF_POSITION = ("quantity", "buying_quantity", "selling_quantity")
OF_BOOKS = ("source", "currency", "working_orders", "approvals", "approvals_of_name")
OF_BASIS = (
    "trade_sequence",
    "unread_event",
    "id_used",
    "order",
    "ended",
    "order_id_used",
    "covered_orders",
    "covered_positions",
    "flatten",
)
"""What a decision has kept that TRADE alone says too."""
FROM_BEFORE, TOLD_BRIEFLY = "from before", "told briefly"
PLACES_MAX = 5


class Part(Struct, frozen=True):
    """One place in a decision, what is stored there, and what it is when it is made again; "" = it is not there."""

    what: str
    stored: str
    again: str


class Difference(Struct, frozen=True):
    """A decision that is not the one that is made again. `sequence` is where TRADE has it."""

    sequence: int
    decision_id: str
    intent_id: str
    parts: tuple[Part, ...]


@dataclass(slots=True)
class Tally:
    """How many decisions were made again, and how many could not be: why."""

    again: int = 0
    different: int = 0
    from_before: int = 0
    told_briefly: int = 0
    of_other_rules: dict[str, int] = field(default_factory=dict)
    outside: int = 0
    """Decided before or after the time that is asked about: folded, and not made again."""
    places: dict[str, list[int]] = field(default_factory=dict)
    """Of what could not be made again, by why not: where TRADE has the first of them."""

    def count_place(self, why_not: str, sequence: int) -> None:
        first = self.places.setdefault(why_not, [])
        if len(first) < PLACES_MAX:
            first.append(sequence)


class Replay:
    """`take` each message of TRADE, from its first on; `tally` says how many there were.

    Only what was decided from `since` on and before `until`, desk time, is made again. `made_again` is told each
    decision that could be, and where TRADE has it.
    """

    def __init__(
        self,
        rules: Mapping[str, Rules],
        since: datetime | None = None,
        until: datetime | None = None,
        made_again: Callable[[int, Decision], None] | None = None,
    ) -> None:
        self._files, self._rules = tuple(rules.values()), dict(rules)
        self._since, self._until, self._made_again = since, until, made_again
        self._state = opening_state(next(iter(rules.values())).desk)
        self._waiting: list[TradeEvent] = []
        """Order events that risk may not have folded yet."""
        self._by_order: dict[str, list[OrderEvents]] = {}
        """The events of each order that may work again."""
        self.tally = Tally()

    def take(self, sequence: int, subject: str, payload: bytes) -> Difference | None:
        """Take in the message that TRADE has at `sequence`."""
        if subjects.first_word(subject) != subjects.DECISION:
            self._waiting.append(TradeEvent(sequence, _order_event(payload)))
            return None
        if not subjects.is_decision(subject):
            step(self._state, as_stored(messages.decode(payload, Ruling), sequence))
            self._know_limits()
            return None
        try:
            decision: Decision = messages.decode(payload, Decision)
        except msgspec.MsgspecError as error:
            self.tally.different += 1
            return Difference(sequence, "", "", (Part("decision", f"can not be read: {error}", ""),))
        if self._is_asked_about(decision.at):
            parts = tuple(self._parts(sequence, decision, payload))
        else:
            self.tally.outside += 1
            parts = ()
            if decision.basis is not None:
                self._fold_up_to(decision.basis.trade_sequence)
        step(self._state, decision)
        if not parts:
            return None
        self.tally.different += 1
        return Difference(sequence, decision.id, decision.intent.id if decision.intent is not None else "", parts)

    def _know_limits(self) -> None:
        """The rules of each desk file with the limits that were set just now: a decision may name them from here on."""
        for rules in self._files:
            changed = with_limits(rules, self._state.rules.limits)
            self._rules[changed.version] = changed

    def _is_asked_about(self, at: datetime) -> bool:
        return (self._since is None or at >= self._since) and (self._until is None or at < self._until)

    def _parts(self, sequence: int, decision: Decision, payload: bytes) -> Iterator[Part]:
        basis = decision.basis
        if basis is None:
            if decision.passed:
                self.tally.told_briefly += 1
            else:
                self.tally.from_before += 1
            self.tally.count_place(TOLD_BRIEFLY if decision.passed else FROM_BEFORE, sequence)
            return
        if self._made_again is not None:
            self._made_again(sequence, decision)
        self._fold_up_to(basis.trade_sequence)
        yield from self._of_trade(decision, basis)
        rules = self._rules.get(basis.rules)
        if rules is None:
            self.tally.of_other_rules[basis.rules] = self.tally.of_other_rules.get(basis.rules, 0) + 1
            self.tally.count_place(basis.rules, sequence)
            return
        self.tally.again += 1
        again = messages.encode(decide_again(rules, decision))
        if again not in (payload, messages.encode(decision)):  # written by a version that had fewer fields, maybe
            yield from differing(payload, again)

    def _fold_up_to(self, sequence: int) -> None:
        count = 0
        for waiting in self._waiting:
            if waiting.sequence > sequence:
                break
            self._fold(waiting)
            count += 1
        del self._waiting[:count]

    def _fold(self, waiting: TradeEvent) -> None:
        event = waiting.event
        if event is not None:
            key = order_key(event.venue, event.account, event.order_id)
            if needs_terms(self._state, event):
                step(self._state, Recalled(tuple(self._by_order.get(key, ()))))
            self._by_order.setdefault(key, []).append(event)
            if event.status in FINAL_STATUSES and event.status is not OrderStatus.REJECTED:
                del self._by_order[key]
        step(self._state, waiting)

    def _of_trade(self, decision: Decision, basis: Basis) -> Iterator[Part]:
        """What a decision kept of TRADE beside what TRADE adds up to."""
        request = Request(
            sequence=decision.intent_sequence, intent=decision.intent, by=decision.by, closes=basis.closes
        )
        if decision.intent is None or any(check.name == READABLE for check in decision.checks):
            found = look_at_id(self._state, decision.intent)
        else:
            found = look(self._state, request, decision.intent, decision.at)
        for what, names, kept, adds_up in (
            ("basis", OF_BASIS, basis, found),
            ("basis.books", OF_BOOKS, basis.books, found.books),
            ("basis.position", OF_POSITION, basis.position, found.position),
        ):
            for name in names:
                stored, again = getattr(kept, name), getattr(adds_up, name)
                if stored != again:
                    yield Part(f"{what}.{name} in TRADE", shown(stored), shown(again))


def differing(stored: bytes, again: bytes) -> Iterator[Part]:
    """Each place where two encoded messages differ; the bytes themselves where only their form does."""
    found = list(_walk("", msgspec.json.decode(stored), msgspec.json.decode(again)))
    yield from found or [Part("bytes", stored.decode(errors="replace"), again.decode())]


def _walk(path: str, stored: Any, again: Any) -> Iterator[Part]:
    if isinstance(stored, dict) and isinstance(again, dict):
        for name in [*stored, *(name for name in again if name not in stored)]:
            yield from _walk(f"{path}.{name}" if path else name, stored.get(name), again.get(name))
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for number, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from _walk(f"{path}[{number}]", one, other)
    elif stored != again:
        yield Part(path, shown(stored), shown(again))


def shown(value: Any) -> str:
    """A value for a sentence; "" = there is none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else messages.encode(value).decode()


def _order_event(payload: bytes) -> OrderEvents | None:
    try:
        event: OrderEvents = messages.decode(payload, OrderEvents)
    except msgspec.MsgspecError:
        return None
    return event
