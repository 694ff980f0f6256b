"""Orders of others in the subaccount: their terms as the indexer shows them, when they are over, and their cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from gateway_dydx import strangers
from gateway_dydx.decide import decide
from gateway_dydx.facts import OrderSeen, Unreadable
from gateway_dydx.plans import OrderFlags, Subaccount
from gateway_dydx.reconcile import Answers, reconcile
from gateway_dydx.state import OwnState, State, fold_report, state_of
from msgspec.structs import replace
from signalbox.errors import TranslationError
from signalbox.gateway import externals
from signalbox.gateway.actions import Ask
from signalbox.messages import OrderType, Side, TimeInForce, VenueCanceled, VenueExpired, VenueOrderFound

AT = datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
GOOD_TIL = datetime(2024, 3, 6, 14, 30, tzinfo=UTC)
SEEN = OrderSeen(
    id="uuid-1",
    status="OPEN",
    client_id=4_000_000_000,
    clob_pair_id=0,
    ticker="BTC-USD",
    side=Side.BUY,
    size=Decimal("0.5"),
    total_filled=Decimal(0),
    price=Decimal(60_000),
    type="LIMIT",
    time_in_force="GTT",
    reduce_only=False,
    post_only=True,
    order_flags=64,
    good_til_block_time=GOOD_TIL,
)
SHORT = replace(SEEN, order_flags=0, good_til_block=110, good_til_block_time=None, time_in_force="IOC", post_only=False)


def state(height: int = 100) -> State:
    made = state_of("dydx1xyz-0", OwnState(symbols={0: "BTC-USD"}))
    made.own.indexer_height = made.own.height = height
    return made


def take(known: State, *orders: OrderSeen, height: int = 100, unreadable: tuple[Unreadable, ...] = ()) -> list[Any]:
    known.own.indexer_height = height
    answers = Answers(
        asked_about=frozenset(), height=height, orders=orders, absent=frozenset(), fills=(), fills_from_height=0,
        unreadable=unreadable,
    )  # fmt: skip
    return reconcile(known, answers, AT, wall_seconds=1.0, sequence_seconds=30.0)


def ends(actions: list[Any]) -> list[Any]:
    return [each for each in actions if isinstance(each, VenueCanceled | VenueExpired)]


def test_its_terms_are_told_as_they_are() -> None:
    [told] = decide(state(), SEEN, AT)
    assert isinstance(told, VenueOrderFound)
    assert (told.venue_order_id, told.symbol, told.side) == ("uuid-1", "BTC-USD", Side.BUY)
    assert (told.quantity, told.limit_price, told.stop_price) == (Decimal("0.5"), 60_000, None)
    assert (told.venue_type, told.order_type) == ("LIMIT", OrderType.LIMIT)
    assert (told.venue_time_in_force, told.time_in_force, told.post_only) == ("GTT", None, True)
    assert (told.placed_by, told.reference, told.currency) == ("another program", "4000000000", "USD")


@pytest.mark.parametrize(
    ("changes", "kind", "limit", "stop"),
    [
        ({"type": "STOP_MARKET", "trigger_price": Decimal(50_000)}, OrderType.STOP, None, 50_000),
        ({"type": "STOP_LIMIT", "trigger_price": Decimal(50_000)}, OrderType.STOP_LIMIT, 60_000, 50_000),
        ({"type": "TAKE_PROFIT_MARKET", "trigger_price": Decimal(7)}, OrderType.MARKET_IF_TOUCHED, None, 7),
        ({"type": "TWAP"}, None, 60_000, None),
    ],
)
def test_what_there_is_a_word_for_has_ours_too(changes: Any, kind: Any, limit: Any, stop: Any) -> None:
    [told] = decide(state(), replace(SEEN, **changes), AT)
    assert (told.order_type, told.limit_price, told.stop_price) == (kind, limit, stop)


def test_it_is_told_once_and_what_the_stream_leaves_away_stays() -> None:
    known = state()
    decide(known, SEEN, AT)
    assert decide(known, OrderSeen(id="uuid-1", status="OPEN"), AT) == []
    [again] = decide(known, OrderSeen(id="uuid-1", status="OPEN", price=Decimal(61_000)), AT)
    assert (again.limit_price, again.side) == (61_000, Side.BUY)


def test_of_one_that_is_not_wholly_told_the_venue_is_asked() -> None:
    known = state()
    [ask] = decide(known, OrderSeen(id="uuid-1", status="OPEN"), AT)
    assert ask == Ask(externals.QUESTION, strangers.INCOMPLETE)
    assert known.own.incomplete
    assert isinstance(take(known, SEEN)[0], VenueOrderFound)


def test_what_can_not_fill_any_more_is_not_told() -> None:
    assert decide(state(111), SHORT, AT) == []
    assert take(state(111), SHORT, height=111) == []


def test_what_the_desk_has_placed_under_a_former_client_id_is_not_somebody_elses() -> None:
    """A stop that was moved has had another one: the chain may speak of it late."""
    known = state()
    known.order_by_number, known.highest_number = {SEEN.client_id - 2: "o-1"}, SEEN.client_id + 1
    assert decide(known, SEEN, AT) == []
    assert not any(isinstance(each, VenueOrderFound) for each in take(known, SEEN))
    known.highest_number = SEEN.client_id - 1
    assert isinstance(decide(known, SEEN, AT)[0], VenueOrderFound)


def test_a_final_status_is_a_hint_and_complete_answers_tell() -> None:
    known = state()
    decide(known, SEEN, AT)
    over = replace(SEEN, status="CANCELED", removal_reason="USER_CANCELED")
    [ask] = decide(known, over, AT)
    assert isinstance(ask, Ask)
    assert externals.question(known)
    [canceled] = ends(take(known))
    assert canceled.reason == externals.BY_OTHERS


def test_a_short_term_one_is_over_with_its_last_block() -> None:
    known = state()
    decide(known, SHORT, AT)
    assert not strangers.look(known)
    known.own.indexer_height = 111
    assert strangers.look(known)
    [expired] = ends(take(known, SHORT, height=111))
    assert isinstance(expired, VenueExpired)


def test_one_of_the_chain_that_is_not_listed_is_over_the_second_time() -> None:
    known = state()
    decide(known, SEEN, AT)
    assert ends(take(known)) == []
    assert len(ends(take(known))) == 1


def test_while_a_row_can_not_be_read_none_is_over() -> None:
    known, row = state(), Unreadable(kind="order", key="x", symbol="", reason="?", text="?")
    decide(known, SEEN, AT)
    for _ in range(3):
        assert ends(take(known, unreadable=(row,))) == []


def test_a_restart_finds_it_as_it_is_and_what_has_ended_meanwhile_is_over() -> None:
    before, after = state(), state()
    for report in decide(before, SEEN, AT):
        fold_report(after, report)
    assert not any(isinstance(each, VenueOrderFound) for each in take(after, SEEN))
    take(after)
    assert after.externals["uuid-1"].ended_at is None
    take(after)
    assert after.externals["uuid-1"].ended_at is not None


def test_its_cancel_names_it_and_reaches_as_far_as_it_does() -> None:
    subaccount = Subaccount("dydx1xyz", 0)
    for seen, flags in ((SEEN, OrderFlags.LONG_TERM), (SHORT, OrderFlags.SHORT_TERM)):
        known = state()
        decide(known, seen, AT)
        plan = strangers.cancel_plan(known.externals["uuid-1"], subaccount, 100)
        assert (plan.identity.client_id, plan.identity.flags) == (4_000_000_000, flags)
        is_short = flags is OrderFlags.SHORT_TERM
        assert (plan.good_til_block >= 110) is is_short
        assert (plan.good_til_time == GOOD_TIL) is not is_short


@pytest.mark.parametrize("missing", [{"client_id": None}, {"good_til_block_time": None}, {"order_flags": 7}])
def test_without_what_names_it_it_is_not_cancelled(missing: dict[str, Any]) -> None:
    known = state()
    decide(known, replace(SEEN, **missing), AT)
    with pytest.raises(TranslationError):
        strangers.cancel_plan(known.externals["uuid-1"], Subaccount("dydx1xyz", 0), 100)


def test_the_times_in_force_of_ours() -> None:
    [told] = decide(state(), SHORT, AT)
    assert told.time_in_force is TimeInForce.IOC


def test_what_is_known_under_the_venues_id_is_not_somebody_elses() -> None:
    known = state()
    known.order_by_venue_id["uuid-1"] = "o-1"
    assert not any(isinstance(each, VenueOrderFound) for each in strangers.listed(known, answers(SEEN), AT))


def answers(*orders: OrderSeen) -> Answers:
    return Answers(
        asked_about=frozenset(), height=100, orders=orders, absent=frozenset(), fills=(), fills_from_height=0
    )
