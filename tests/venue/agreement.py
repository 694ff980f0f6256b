"""What must hold after every case, whatever it was about: the desk's books are the venue's, and nothing came twice.

Owns the comparison. It must not know how the desk runs, nor which venue it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oms.state import AccountBook
from signalbox.messages import (
    VenueCancelRejected,
    VenueCommission,
    VenueFill,
    VenueFunding,
    VenueHeld,
    VenueNoted,
    VenueOrderFound,
    VenueReleased,
    VenueReplaced,
    VenueReplaceRejected,
    VenueReplaceUnknown,
    VenueSnapshot,
    VenueUnknown,
)

if TYPE_CHECKING:
    from .desk import Desk


async def agree(desk: Desk) -> None:
    """Wait until desk and venue have the same executions, fees, positions and cash; see that nothing came twice."""
    owner = (desk.bench.venue, desk.bench.account)
    await desk.eventually(lambda: owner in desk.oms.state.accounts, "the account taken over")
    await desk.eventually(lambda: _same_executions(desk), "the same executions at desk and venue")
    await desk.eventually(lambda: _same_fees(desk), "one fee for each execution")
    await desk.eventually(lambda: _same_positions(desk), "the same positions at desk and venue")
    await desk.eventually(lambda: _book(desk).cash.get("USD") == desk.bench.cash(), "the same cash at desk and venue")
    await _nothing_is_told_twice(desk)
    await _nothing_is_placed_twice(desk)
    assert await desk.dead_letters() == [], "a message had no legal meaning"


def _book(desk: Desk) -> AccountBook:
    return desk.oms.state.accounts[desk.bench.venue, desk.bench.account]


def _same_executions(desk: Desk) -> bool:
    theirs = {each.execution_id: (each.quantity, each.price) for each in desk.executed()}
    return theirs == {each.execution_id: (each.quantity, each.price) for each in desk.fills()}


def _same_fees(desk: Desk) -> bool:
    adopted = {each.execution_id for each in desk.bench.executions()} - {each.execution_id for each in desk.executed()}
    ours = {name: fee.commission for name, fee in _book(desk).fees.items() if name not in adopted}
    return ours == {each.execution_id: each.commission for each in desk.executed()}


def _same_positions(desk: Desk) -> bool:
    ours = {name: symbol.holding.quantity for name, symbol in _book(desk).symbols.items()}
    symbols = {desk.bench.symbol, desk.bench.other_symbol, *ours}
    return all(desk.bench.position(name) == ours.get(name, 0) for name in symbols)


async def _nothing_is_told_twice(desk: Desk) -> None:
    reports = await desk.reports()
    for name, said in (("report", [each.id for each in reports]), ("fact", facts_of(reports))):
        doubled = [each for each, count in Counter(said).items() if count > 1]
        assert doubled == [], f"a {name} was reported twice"


TOLD_OF_OTHERS = ("quantity", "limit_price", "stop_price", "venue_type")


def facts_of(reports: Sequence[Any]) -> list[tuple[str, ...]]:
    """What the reports tell: each may be told once, whatever its id is; held only after it was something else."""
    facts, last = [], dict[str, str]()
    for report in reports:
        fact, order_id = _fact_of(report), getattr(report, "order_id", "")
        if not isinstance(report, VenueHeld | VenueReleased):
            facts.append(fact)
        elif last.get(order_id) == fact[0]:
            facts += [fact, fact]
        if isinstance(report, VenueHeld | VenueReleased | VenueUnknown | VenueReplaced | VenueReplaceRejected):
            last[order_id] = fact[0]
    return facts


def _fact_of(report: Any) -> tuple[str, ...]:
    kind = type(report).__name__
    match report:
        case VenueFill():
            return kind, report.fill.execution_id, str(report.fill.revision)
        case VenueCommission():
            return kind, report.execution_id, f"{report.revision}.{report.correction}"
        case VenueFunding():
            return kind, report.funding_id
        case VenueOrderFound():
            return kind, report.venue_order_id, *(str(getattr(report, name)) for name in TOLD_OF_OTHERS)
        case VenueNoted():
            return kind, report.order_id, report.code, report.reason
        case VenueCancelRejected() | VenueSnapshot() | VenueReplaced() | VenueReplaceRejected() | VenueReplaceUnknown():
            return kind, report.id
        case _:
            return kind, report.order_id


async def _nothing_is_placed_twice(desk: Desk) -> None:
    claims = await desk.claims()
    assert len({entry.order.order_id for entry in claims}) == len(claims), "an order was claimed twice"
    assert len({entry.attempt_id for entry in claims}) == len(claims), "a number of the venue's was used twice"
    for order_id in {each.order_id for each in await desk.events() if not each.order_id.startswith("_")}:
        placed = desk.bench.placed(order_id)
        assert len(placed) <= 1 + await desk.moves(order_id), f"{order_id} was placed twice"
        assert sum(each.working for each in placed) <= 1, f"two of {order_id} work"
    assert desk.bench.unexplained() == [], "an order was placed that nobody claimed"
