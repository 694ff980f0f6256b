"""What follows from complete answers of the venue: what is there, and what is missing from it.

Pure but for `state`, as `decide`. An answer exists only with its end marker: a failed one never comes here, so "not
among them" is a fact. It is still not believed at once: the venue may show an order late, so an order is only given up
after two complete answers, `visibility_seconds` apart, that were both asked for after it was sent.

    found                               its facts are reported; a claim is written down as sent
    never seen, refused by an error     rejected, with the venue's words
    absent, last known on an earlier    UNKNOWN and, absent twice, stranded: the venue lists only what ended on this
      day                               day, so an operator must look (docs/runbooks/unknown-order.md)
    listed, and inactive                held, with the venue's words
    inactive, and not listed any more   rejected
    filled, and some of it taken back   canceled: what is left stands (`taken_back`)
    works, and its cancel has no answer the cancel is sent again, a few times; then it is refused
    never seen, absent twice            rejected: with the error that the venue has answered it with, or else
                                        "it never reached the venue"
    a row about it makes no sense       asked again; while it can not be told whose such a row is, nothing is absent
    seen before, now absent             expired if its day is over, else UNKNOWN; asked again
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from signalbox.errors import CalendarError
from signalbox.gateway import reports
from signalbox.gateway.actions import Action, Ask, CancelAgain, Park, Strand
from signalbox.gateway.state import asked_about, report_id
from signalbox.messages import OpenOrder, PositionHeld, TimeInForce, VenueSnapshot
from signalbox.sessions import trading_day

from gateway_ibkr import changing, sense, strangers, taken_back
from gateway_ibkr.decide import COMBINATION, decide, end_of_day, identify, inactive, note, rejected
from gateway_ibkr.facts import (
    AccountAnswers,
    CompletedOrderSeen,
    ExecutionSeen,
    OpenOrderSeen,
    OrderFact,
    OrderStatusSeen,
)
from gateway_ibkr.figures import account_state, cash_by_currency
from gateway_ibkr.state import State, Tracked
from gateway_ibkr.translate import (
    VENUE,
    decimal_of,
    execution_key,
    external_name,
    position_of,
    side_of,
)
from gateway_ibkr.venue_errors import sentence

OPEN = frozenset({"PendingSubmit", "ApiPending", "PreSubmitted", "Submitted", "PendingCancel"})
NEVER_REACHED = "it never reached the venue"
BEYOND_MEMORY = (
    "the venue does not list it, and lists only what ended on this day: it may have ended, or been filled, before; "
    "see the runbook unknown-order"
)
OVERTAKEN = "the venue has said more of it while it was asked"
UNREAD = "what the venue says of it may be a row that makes no sense: see `signalbox status`"
KINDS = frozenset({sense.OPEN_ORDER, sense.ORDER_STATUS, sense.EXECUTION, sense.COMPLETED_ORDER})
"""What complete answers are made of."""
CANCELS_MAX = 3
SAID_OVER = "over, as an operator found in the venue's own statement"


class Answers(Struct, frozen=True, kw_only=True):
    """The venue's answers, each list up to its end marker; `asked_about` was fixed before the first question."""

    asked_about: frozenset[str]
    open_orders: tuple[OpenOrderSeen, ...]
    statuses: tuple[OrderStatusSeen, ...]
    executions: tuple[ExecutionSeen, ...]
    completed: tuple[CompletedOrderSeen, ...]
    unread: tuple[Park, ...] = ()
    """Rows that make no sense."""
    doubtful: frozenset[str] = frozenset()
    """The orders that those are about."""
    inactive: frozenset[str] = frozenset()
    """The orders that were known to be inactive before the first question. What the venue says meanwhile of its own
    accord comes among its answers: an order that it refuses just then looks as if it were listed."""
    overtaken: frozenset[str] = frozenset()
    """The orders of which the venue has said more since it listed what is open: of those the list is out of date."""
    unread_orders: frozenset[str] = frozenset()
    """What the venue calls the open orders of which a row makes no sense."""
    hides: bool = False
    """Of one of those it can not even be told whose order it is about: what is not listed may be that one."""


def heard_of(state: State) -> dict[str, int]:
    """How often each order's status has been heard."""
    return {order_id: tracked.own.heard for order_id, tracked in state.orders.items()}


def answers_of(
    state: State,
    asked_about: frozenset[str],
    inactive: frozenset[str],
    rows: Iterable[Any],
    at: datetime,
    *,
    heard: Mapping[str, int] | None = None,
) -> Answers:
    """Part the rows of complete answers by kind, and those that make no sense from the others.

    `heard` is `heard_of` when the open orders had been listed.
    """
    rows = tuple(rows)
    sane, unread = sense.sift(rows, at, state.own)
    understood = set(map(id, sane))
    left_out = [_meant(state, row) for row in rows if id(row) not in understood]
    return Answers(
        asked_about=asked_about,
        inactive=inactive,
        open_orders=tuple(row for row in sane if isinstance(row, OpenOrderSeen)),
        statuses=tuple(row for row in sane if isinstance(row, OrderStatusSeen)),
        executions=tuple(row for row in sane if isinstance(row, ExecutionSeen)),
        completed=tuple(row for row in sane if isinstance(row, CompletedOrderSeen)),
        unread=unread,
        doubtful=frozenset(order_id for order_id in left_out if order_id),
        overtaken=frozenset(
            name for name, tracked in state.orders.items() if heard is not None and tracked.own.heard != heard.get(name)
        ),
        unread_orders=frozenset(str(getattr(row, "perm_id", "")) for row in rows if id(row) not in understood),
        hides=None in left_out,
    )


def _meant(state: State, row: Any) -> str | None:
    """Which order a row is about that makes no sense; "" = none of the desk's, None = that can not be told either.

    Every order of the desk bears its reference.
    """
    if isinstance(row, OrderStatusSeen):
        return ""
    reference = getattr(row, "reference", None)
    if not isinstance(reference, str):
        return None
    return reference if reference in state.orders else state.order_by_venue_id.get(str(row.perm_id), "")


def reconcile(
    state: State, answers: Answers, at: datetime, *, wall_seconds: float, visibility_seconds: float
) -> list[Action]:
    """Take complete answers; return the reports and questions that follow.

    `wall_seconds` is any rising clock of seconds: the venue's delay in showing an order is real time.
    """
    actions: list[Action] = [*answers.unread]
    for fact in _news(state, answers):
        actions += decide(state, fact, at)
    actions += strangers.listed(state, answers, answers.unread_orders, at)
    taken_back.take(state, answers)
    canceling = {seen.perm_id for seen in answers.open_orders if seen.status == "PendingCancel"}
    working = {
        tracked.order.order_id
        for seen in answers.open_orders
        if seen.status in OPEN and (tracked := _order_of(state, seen)) is not None
    }
    listed = {tracked.order.order_id for seen in answers.open_orders if (tracked := _order_of(state, seen)) is not None}
    present = {tracked.order.order_id for fact in _facts(answers) if (tracked := _order_of(state, fact)) is not None}
    for tracked in asked_about(state, answers.asked_about):
        if tracked.done:
            continue
        if tracked.order.order_id in answers.doubtful:
            actions.append(Ask(tracked.order.order_id, UNREAD))
        elif tracked.order.order_id in answers.overtaken:
            actions.append(Ask(tracked.order.order_id, OVERTAKEN))
        elif tracked.order.order_id in present:
            order_id = tracked.order.order_id
            if tracked.own.inactive and order_id in listed and order_id not in answers.inactive:
                tracked.own.doubted = True
                actions.append(Ask(order_id, "the venue made the order inactive while it was asked"))
                continue
            actions += _present(state, tracked, order_id in working, order_id in listed, at)
            actions += taken_back.ended(state, answers, tracked, at)
            is_filled, times = taken_back.is_filled(answers, tracked), (wall_seconds, visibility_seconds)
            actions += changing.settle(state, tracked, at, order_id in working, is_filled, *times)
            waited_seconds = wall_seconds - tracked.own.cancel_sent_seconds
            if tracked.order.order_id in working and waited_seconds >= visibility_seconds:
                actions += _cancel_unanswered(state, tracked, canceling, at)
        elif answers.hides:
            actions += [*reports.unknown(state, tracked, at, UNREAD), Ask(tracked.order.order_id, UNREAD)]
        else:
            actions += _absent(state, tracked, at, wall_seconds, visibility_seconds)
    return actions


def _facts(answers: Answers) -> Iterator[OrderFact]:
    """Executions before the ends of orders: a fill should not have to follow its own cancellation."""
    yield from answers.open_orders
    yield from answers.executions
    yield from answers.statuses
    yield from answers.completed


def _news(state: State, answers: Answers) -> Iterator[OrderFact]:
    """What of the answers still counts: of each order's statuses the last, and none if the venue has said more since.

    Each has been taken when it came. An earlier one, taken once more after what has followed it, would have the order
    be again what it is no more: held, for example.
    """
    rows: tuple[OpenOrderSeen | OrderStatusSeen, ...] = (*answers.open_orders, *answers.statuses)
    last = {_meaning(row): row for row in rows}
    for fact in _facts(answers):
        if isinstance(fact, OpenOrderSeen | OrderStatusSeen):
            is_news = last[_meaning(fact)] is fact and not _is_overtaken(state, answers, fact)
            if not is_news:
                continue
        yield fact


def _meaning(fact: OpenOrderSeen | OrderStatusSeen) -> tuple[type, int, int, int]:
    """What a row is about; not every one has a permanent id yet."""
    return (type(fact), fact.perm_id, *((fact.client_id, fact.order_number) if not fact.perm_id else (0, 0)))


def _is_overtaken(state: State, answers: Answers, fact: OpenOrderSeen | OrderStatusSeen) -> bool:
    ids = {"perm_id": fact.perm_id, "client_id": fact.client_id, "number": fact.order_number}
    tracked = identify(state, reference=getattr(fact, "reference", ""), **ids)
    return tracked is not None and tracked.order.order_id in answers.overtaken


def _order_of(state: State, fact: OrderFact) -> Tracked | None:
    match fact:
        case OpenOrderSeen() | ExecutionSeen():
            return identify(
                state,
                reference=fact.reference,
                perm_id=fact.perm_id,
                client_id=fact.client_id,
                number=fact.order_number,
            )
        case CompletedOrderSeen():
            return identify(state, reference=fact.reference, perm_id=fact.perm_id, client_id=-1, number=-1)
    return None


def _present(state: State, tracked: Tracked, works: bool, is_listed: bool, at: datetime) -> list[Action]:
    tracked.own.absences, tracked.doubt, tracked.own.doubted = 0, "", False
    if works:
        told: list[Action] = []
        if tracked.own.refusal is not None:  # whatever it answered, it was not this order's end
            told += note(state, tracked, *tracked.own.refusal, at)
            tracked.own.refusal = None
        if tracked.own.cancel_refusal is not None:
            code, text = tracked.own.cancel_refusal
            return told + _cancel_rejected(state, tracked, str(code), sentence(code, text), at)
        return told
    if tracked.own.inactive and is_listed:
        return inactive(state, tracked, at)
    if tracked.own.inactive or tracked.own.refusal is not None:
        return rejected(state, tracked, at)
    return []


def _cancel_unanswered(state: State, tracked: Tracked, canceling: set[int], at: datetime) -> list[Action]:
    """The order works, and nothing is known of the cancel that was sent: it was lost on its way, and is sent again."""
    if not tracked.cancel_is_out or int(tracked.venue_order_id or 0) in canceling:
        return []
    if tracked.own.cancels_sent < CANCELS_MAX:
        return [CancelAgain(tracked.order.order_id)]
    reason = f"{CANCELS_MAX} cancels have had no answer, and the venue works the order on"
    return _cancel_rejected(state, tracked, "", reason, at)


def _cancel_rejected(state: State, tracked: Tracked, code: str, reason: str, at: datetime) -> list[Action]:
    """The cancel command under way has changed nothing, and is not under way any more."""
    command_id = tracked.cancel_command
    tracked.own.cancel_refusal, tracked.cancel_command = None, ""
    return [*reports.cancel_rejected(state, tracked, command_id, code, reason, at)]


def _absent(
    state: State, tracked: Tracked, at: datetime, wall_seconds: float, visibility_seconds: float
) -> list[Action]:
    order_id = tracked.order.order_id
    if tracked.own.inactive or (not tracked.seen and tracked.own.refusal is not None):
        return rejected(state, tracked, at)
    remembered = _remembered(state, tracked, at)
    if tracked.seen and remembered and _day_is_over(state, tracked, at):
        return [*reports.expired(state, tracked, at, "its day is over and the venue does not list it any more")]
    if tracked.own.absences == 0:
        tracked.own.absences, tracked.own.first_absent_seconds = 1, wall_seconds
        reason = "the venue does not list it; it is asked again" if remembered else BEYOND_MEMORY
        return [*reports.unknown(state, tracked, at, reason), Ask(order_id, reason)]
    if wall_seconds - tracked.own.first_absent_seconds < visibility_seconds:
        return [Ask(order_id, "the venue does not list it")]
    tracked.own.absences += 1
    if not remembered:
        return _strand(state, tracked, at)
    if tracked.seen:
        return [Ask(order_id, "the venue does not list it any more, and not among today's completed orders either")]
    if tracked.own.said is not None:  # it did reach the venue, which has answered it with an error
        code, text = tracked.own.said
        return [*reports.rejected(state, tracked, at, str(code), sentence(code, text))]
    return [*reports.lost(state, tracked, at, NEVER_REACHED)]


def _day_is_over(state: State, tracked: Tracked, at: datetime) -> bool:
    order = tracked.order
    lives_longer = order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
    if lives_longer and not tracked.own.made_day:
        return order.time_in_force is TimeInForce.GTD and order.good_till is not None and at >= order.good_till
    try:
        return at >= end_of_day(state.own.calendars.get(order.symbol, ""), tracked.claimed_at, order)
    except CalendarError:
        return False


def _strand(state: State, tracked: Tracked, at: datetime) -> list[Action]:
    """All questions are answered, and none of the answers can have it: a person's word is all that is left."""
    order_id = tracked.order.order_id
    if order_id in state.own.said_over:
        return [*reports.canceled(state, tracked, at, SAID_OVER)]
    if order_id in state.own.stranded:
        return []
    state.own.stranded.add(order_id)
    return [Strand(order_id)]


def _remembered(state: State, tracked: Tracked, at: datetime) -> bool:
    """Whether the venue's lists of executions and completed orders, which are the day's, reach back to when the order
    was last known: only then does its absence from them mean anything."""
    calendar = state.own.calendars.get(tracked.order.symbol, "")
    try:
        return trading_day(calendar, tracked.own.shown_at or tracked.claimed_at) == trading_day(calendar, at)
    except CalendarError:
        return False


def snapshot(state: State, answers: Answers, figures: AccountAnswers, at: datetime) -> VenueSnapshot:
    """Make the statement of all that the venue holds for the account.

    Raises TranslationError when the account's figures are incomplete.
    """
    account = account_state(state.account, figures.values, None, at)
    cash = cash_by_currency(figures.values)
    others = {currency: amount for currency, amount in cash.items() if currency != account.currency}
    filled = {seen.perm_id: decimal_of(seen.filled) for seen in answers.statuses}
    return VenueSnapshot(
        id=report_id(VENUE, state.account, "snapshot", at.isoformat()),
        at=at,
        venue=VENUE,
        account=state.account,
        currency=account.currency,
        cash=cash.get(account.currency, Decimal(0)) if cash else account.cash,
        other_cash=others if cash else None,
        positions=positions_of(state, figures),
        open_orders=tuple(
            _open_order(state, seen, filled)
            for seen in answers.open_orders
            if seen.account == state.account and _is_open(state, answers, seen)
        ),
        execution_ids=tuple(
            dict.fromkeys(
                execution_key(seen.execution_id)[0]
                for seen in answers.executions
                if seen.account == state.account
                and seen.contract.security_type != COMBINATION
                and execution_key(seen.execution_id)[0] not in state.own.settled_as
            )
        ),
        unread=tuple(sorted({each.symbol for each in figures.unread if each.symbol})),
    )


def positions_of(state: State, figures: AccountAnswers) -> tuple[PositionHeld, ...]:
    """What the account holds, of the rows that make sense."""
    return tuple(
        position_of(seen, state.own.symbols, state.own.untold)
        for seen in figures.positions
        if seen.account == state.account and seen.quantity
    )


def _is_open(state: State, answers: Answers, seen: OpenOrderSeen) -> bool:
    """Whether a listed order works or is held; of one that the venue has said more of, whether it has ended since."""
    tracked = _order_of(state, seen)
    if tracked is not None and tracked.order.order_id in answers.overtaken:
        return not tracked.done
    return seen.status in OPEN or (tracked is not None and bool(tracked.held))


def _open_order(state: State, seen: OpenOrderSeen, filled: Mapping[int, Decimal]) -> OpenOrder:
    tracked = _order_of(state, seen)
    return OpenOrder(
        order_id=tracked.order.order_id if tracked is not None else "",
        venue_order_id=str(seen.perm_id),
        symbol=state.own.symbols.get(seen.contract.con_id) or external_name(seen.contract),
        side=side_of(seen.action),
        quantity=decimal_of(seen.quantity),
        filled_quantity=filled.get(seen.perm_id, tracked.filled if tracked is not None else Decimal(0)),
    )
