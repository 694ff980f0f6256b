"""Orders of others as TWS shows them: their terms as they are, and when they are over."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr import sense
from gateway_ibkr.decide import decide
from gateway_ibkr.facts import CompletedOrderSeen, ExecutionSeen, OpenOrderSeen, OrderStatusSeen, VenueContract
from gateway_ibkr.orders import Orders
from gateway_ibkr.reconcile import answers_of, reconcile
from gateway_ibkr.state import OwnState, State, fold_report, state_of
from gateway_ibkr.strangers import FILLED, Place
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.gateway import externals
from signalbox.gateway.actions import Ask, Park
from signalbox.gateway.venue import CancelVerdict
from signalbox.messages import OrderType, Side, TimeInForce, VenueCanceled, VenueFill, VenueOrderFound

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
SPY = VenueContract(con_id=1, symbol="SPY", security_type="STK", currency="USD")
OIL = VenueContract(
    con_id=9, symbol="CL", local_symbol="CLM6", security_type="FUT", currency="USD", multiplier="1000", exchange="NYMEX"
)
SEEN = OpenOrderSeen(
    order_number=0,
    client_id=0,
    perm_id=77,
    account="DU1",
    reference="",
    status="Submitted",
    contract=SPY,
    action="SELL",
    quantity=100.0,
    limit_price=158.0,
    stop_price=160.0,
    order_type="STP LMT",
    time_in_force="GTC",
)
EXECUTION = ExecutionSeen(
    execution_id="x.01", order_number=0, client_id=0, perm_id=77, account="DU1", reference="", contract=SPY,
    side="SLD", shares=100.0, price=158.0, at=AT,
)  # fmt: skip
DONE = CompletedOrderSeen(
    perm_id=77, account="DU1", reference="", status="Cancelled", completed_status="Cancelled by Trader",
    completed_time="20240305-15:00:00", filled=0.0,
)  # fmt: skip


def state() -> State:
    return state_of("DU1", OwnState(11, symbols={1: "SPY"}))


def take(state: State, *rows: Any) -> list[Any]:
    answers = answers_of(state, frozenset(), frozenset(), rows, AT)
    return reconcile(state, answers, AT, wall_seconds=1.0, visibility_seconds=3.0)


def found(seen: OpenOrderSeen) -> VenueOrderFound:
    [report] = decide(state(), seen, AT)
    assert isinstance(report, VenueOrderFound)
    return report


def test_its_terms_are_told_as_they_are() -> None:
    told = found(SEEN)
    assert (told.venue_order_id, told.symbol, told.side, told.quantity) == ("77", "SPY", Side.SELL, 100)
    assert (told.venue_type, told.order_type) == ("STP LMT", OrderType.STOP_LIMIT)
    assert (told.limit_price, told.stop_price) == (158, 160)
    assert (told.venue_time_in_force, told.time_in_force) == ("GTC", TimeInForce.GTC)
    assert (told.placed_by, told.currency, told.multiplier) == ("by hand", "USD", 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"order_type": "PEG MID", "stop_price": 0.0}, {"order_type": None, "limit_price": Decimal(158)}),
        ({"order_type": "MKT"}, {"order_type": OrderType.MARKET, "limit_price": None, "stop_price": None}),
        ({"order_type": "TRAIL", "stop_price": 2.0}, {"order_type": OrderType.TRAILING_STOP, "stop_price": None}),
        ({"order_type": "LMT", "time_in_force": "OPG"}, {"order_type": OrderType.LIMIT_ON_OPEN}),
        ({"time_in_force": "OVT"}, {"time_in_force": None, "venue_time_in_force": "OVT"}),
        ({"limit_price": -5.0}, {"limit_price": None}),
        ({"limit_price": 1.7976931348623157e308}, {"limit_price": None}),
        ({"client_id": 7, "reference": "robot-1"}, {"placed_by": "client 7", "reference": "robot-1"}),
        ({"contract": OIL, "limit_price": -5.0}, {"symbol": "CLM6:USD:9", "multiplier": 1000, "limit_price": -5}),
    ],
)
def test_what_there_is_a_word_for_has_ours_too(changes: dict[str, Any], told: dict[str, Any]) -> None:
    report = found(replace(SEEN, **changes))
    assert {name: getattr(report, name) for name in told} == told


@pytest.mark.parametrize(
    "changes",
    [{"perm_id": 0}, {"account": "DU2"}, {"status": "Cancelled"}, {"status": "Filled"}, {"status": "Inactive"}],
)
def test_what_has_no_name_is_not_ours_or_does_not_work_is_not_told(changes: dict[str, Any]) -> None:
    assert decide(state(), replace(SEEN, **changes), AT) == []


@pytest.mark.parametrize(
    "changes", [{"limit_price": float("nan")}, {"stop_price": float("inf")}, {"quantity": -1.0}, {"order_type": 5}]
)
def test_a_row_that_makes_no_sense_is_parked_and_ends_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(TranslationError):
        sense.check(replace(SEEN, **changes), AT, OwnState(11, symbols={1: "SPY"}))
    known = state()
    decide(known, SEEN, AT)
    other = replace(SEEN, perm_id=78)
    for _ in range(3):
        actions = take(known, replace(SEEN, **changes), other)
        assert any(isinstance(each, Park) for each in actions)
        assert not any(isinstance(each, VenueCanceled) for each in actions)
    assert known.externals["78"].ended_at is None


def test_an_order_for_nothing_is_parked() -> None:
    [park] = decide(state(), replace(SEEN, quantity=0.0), AT)
    assert isinstance(park, Park)


def test_it_is_told_once_and_anew_when_it_is_changed() -> None:
    known = state()
    assert len(decide(known, SEEN, AT)) == 1
    assert decide(known, SEEN, AT) == []
    [again] = decide(known, replace(SEEN, limit_price=157.0), AT)
    assert again.limit_price == 157


@pytest.mark.parametrize("status", ["Cancelled", "ApiCancelled"])
def test_live_words_end_it(status: str) -> None:
    known = state()
    decide(known, SEEN, AT)
    over = OrderStatusSeen(order_number=0, client_id=0, perm_id=77, status=status, filled=0.0, remaining=100.0)
    [canceled] = decide(known, over, AT)
    assert isinstance(canceled, VenueCanceled)
    assert decide(known, over, AT) == []
    assert decide(known, SEEN, AT) == []  # late


def test_inactive_is_an_end_and_it_may_come_to_life() -> None:
    known = state()
    decide(known, SEEN, AT)
    [canceled] = decide(known, replace(SEEN, status="Inactive"), AT)
    assert "inactive" in canceled.reason
    take(known)
    assert any(isinstance(each, VenueOrderFound) for each in take(known, SEEN))


def test_filled_asks_for_the_executions_first() -> None:
    known = state()
    decide(known, SEEN, AT)
    filled = OrderStatusSeen(order_number=0, client_id=0, perm_id=77, status="Filled", filled=100.0, remaining=0.0)
    assert decide(known, filled, AT) == [Ask(externals.QUESTION, FILLED, urgent=True)]
    told = [type(each) for each in take(known, EXECUTION, replace(DONE, status="Filled", filled=100.0))]
    assert told.index(VenueFill) < told.index(VenueCanceled)


def test_one_that_ended_while_the_gateway_was_dead_is_over_at_once_where_the_venue_lists_its_end() -> None:
    before, after = state(), state()
    for report in decide(before, SEEN, AT):
        fold_report(after, report)
    [canceled] = [each for each in take(after, DONE) if isinstance(each, VenueCanceled)]
    assert "Cancelled by Trader" in canceled.reason


def test_one_that_is_listed_nowhere_is_over_the_second_time() -> None:
    known = state()
    decide(known, SEEN, AT)
    assert [type(each) for each in take(known)] == [Ask]
    [canceled] = take(known)
    assert canceled.reason == externals.NOT_LISTED


def test_a_restart_finds_it_as_it_is() -> None:
    before, after = state(), state()
    for report in decide(before, SEEN, AT):
        fold_report(after, report)
    assert not any(isinstance(each, VenueOrderFound) for each in take(after, SEEN))
    assert after.externals["77"].own == Place(0, 0)


class Session:
    is_open = True

    def __init__(self) -> None:
        self.session, self.cancelled = self, list[int]()

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)


@pytest.mark.parametrize(
    ("client", "number", "verdict", "what"),
    [
        (11, 5, CancelVerdict.ACCEPTED, ""),
        (0, 0, CancelVerdict.REFUSED, "by hand in TWS"),
        (7, 5, CancelVerdict.REFUSED, "API client 7"),
    ],
)
async def test_only_what_its_own_client_id_has_placed_is_cancelled(
    client: int, number: int, verdict: CancelVerdict, what: str
) -> None:
    known: Any = state()
    decide(known, replace(SEEN, client_id=client, order_number=number), AT)
    session: Any = Session()
    orders = Orders(known, {})  # type: ignore[arg-type]
    orders.session = session
    answer = await orders.cancel_external(known.externals["77"])
    assert (answer.verdict, what in answer.text) == (verdict, True)
    assert session.cancelled == ([5] if verdict is CancelVerdict.ACCEPTED else [])
