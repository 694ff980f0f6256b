"""Given an order, when a venue reports, then these events; and each report counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from oms.checkpoint import StateLoader, capture
from oms.outcome import NoteKind
from signalbox.errors import IllegalTransitionError
from signalbox.messages import (
    CommissionBooked,
    FillCorrected,
    FundingBooked,
    Liquidity,
    OrderCreated,
    OrderFilled,
    OrderPartiallyFilled,
    OrderStatus,
    RefusedBy,
    Side,
    TriggerMethod,
    VenueCanceled,
    VenueCancelRejected,
    VenueExpired,
    VenueFill,
    VenueRejected,
    VenueTriggered,
    VenueUnknown,
)

DU1 = ("ibkr", "DU1")


def status_after(make: Any, *reports: Any) -> OrderStatus:
    desk = make.desk().run(make.approved(), *reports)
    status: OrderStatus = desk.state.orders["o-1"].status
    assert desk.restart().state.orders == desk.state.orders
    return status


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (VenueTriggered, {}, OrderStatus.TRIGGERED),
        (VenueCanceled, {"reason": "by request"}, OrderStatus.CANCELED),
        (VenueRejected, {"code": "201", "reason": "margin"}, OrderStatus.REJECTED),
        (VenueExpired, {"reason": "end of day"}, OrderStatus.EXPIRED),
        (VenueUnknown, {"reason": "no answer"}, OrderStatus.UNKNOWN),
    ],
)
def test_a_report_becomes_the_event_of_its_kind_once(
    make: Any, kind: type[Any], fields: dict[str, str], status: OrderStatus
) -> None:
    desk = make.desk().run(make.approved(), make.accepted())
    [event] = desk.take(make.report(kind, **fields)).events
    assert event.status is status
    assert desk.take(make.report(kind, **fields)).notes == (NoteKind.REPEATED_REPORT,)
    assert desk.take(make.with_id(make.report(kind, **fields), "another id")).events == ()


@pytest.mark.parametrize("refused_by", list(RefusedBy))
def test_who_refused_an_order_is_passed_on(make: Any, refused_by: RefusedBy) -> None:
    desk = make.desk().run(make.approved())
    [event] = desk.take(make.report(VenueRejected, code="", reason="too late", refused_by=refused_by)).events
    assert event.refused_by is refused_by


@pytest.mark.parametrize("refused_by", list(RefusedBy))
def test_who_refused_a_cancel_is_passed_on(make: Any, refused_by: RefusedBy) -> None:
    desk = make.desk().run(make.approved(), make.accepted(), make.cancel())
    [event] = desk.take(make.report(VenueCancelRejected, code="", reason="too late", refused_by=refused_by)).events
    assert event.refused_by is refused_by


def test_an_acceptance_brings_the_venues_id_also_after_the_first_fill(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("40"), make.accepted(venue_order_id="777"))
    order = desk.state.orders["o-1"]
    assert (order.status, order.venue_order_id) == (OrderStatus.PARTIALLY_FILLED, "777")


def test_a_trigger_is_announced_while_a_cancel_is_pending(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted(), make.cancel())
    [event] = desk.take(make.report(VenueTriggered)).events
    assert event.status is OrderStatus.PENDING_CANCEL


def test_a_report_on_an_order_that_is_not_ours_is_noted(make: Any) -> None:
    assert make.desk().take(make.accepted("somebody")).notes == (NoteKind.FOREIGN_REPORT,)


def test_a_report_on_a_denied_order_is_illegal_and_changes_nothing(make: Any) -> None:
    desk = make.desk().run(make.denied())
    with pytest.raises(IllegalTransitionError, match="OrderAccepted is not possible in status DENIED"):
        desk.take(make.accepted())
    assert len(desk.log) == 1


# ------------------------------------------------------------------------------------------------------------- fills


def test_fills_add_up_to_a_filled_order(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.accepted())
    [first] = desk.take(make.fill("40", execution_id="e1")).events
    [second] = desk.take(make.fill("60", execution_id="e2", seconds=3)).events
    assert isinstance(first, OrderPartiallyFilled)
    assert (first.cumulative_quantity, first.leaves_quantity) == (Decimal(40), Decimal(60))
    assert first.status is OrderStatus.PARTIALLY_FILLED
    assert isinstance(second, OrderFilled)
    assert (second.cumulative_quantity, second.leaves_quantity) == (Decimal(100), Decimal(0))
    assert second.status is OrderStatus.FILLED
    assert desk.state.accounts[DU1].symbols["AAPL"].holding.quantity == 100


def test_the_same_execution_again_is_no_event(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill())
    again = desk.restart().take(make.fill())
    assert (again.events, again.notes) == ((), (NoteKind.DUPLICATE_FILL,))


def test_a_fill_after_cancel_is_booked(make: Any) -> None:
    canceled = make.report(VenueCanceled, reason="by request")
    assert status_after(make, canceled, make.fill("40")) is OrderStatus.CANCELED
    assert status_after(make, canceled, make.fill("100")) is OrderStatus.FILLED
    desk = make.desk().run(make.approved(), canceled, make.fill("40"))
    assert desk.state.accounts[DU1].symbols["AAPL"].holding.quantity == 40


def test_a_fill_after_a_reject_wakes_the_order(make: Any) -> None:
    rejected = make.report(VenueRejected, code="", reason="it never reached the venue")
    assert status_after(make, rejected, make.fill("40")) is OrderStatus.PARTIALLY_FILLED
    assert status_after(make, rejected, make.fill("100")) is OrderStatus.FILLED


def test_an_acceptance_after_a_reject_is_a_contradiction(make: Any) -> None:
    rejected = make.report(VenueRejected, code="201", reason="margin")
    assert status_after(make, rejected, make.accepted()) is OrderStatus.UNKNOWN


def test_a_cancel_that_crosses_the_last_fill_leaves_the_order_filled(make: Any) -> None:
    assert status_after(make, make.fill("100"), make.report(VenueCanceled, reason="x")) is OrderStatus.FILLED


def test_a_fill_while_pending_cancel_keeps_the_cancel_open(make: Any) -> None:
    assert status_after(make, make.accepted(), make.cancel(), make.fill("40")) is OrderStatus.PENDING_CANCEL


def test_an_unknown_order_comes_back_with_a_fill(make: Any) -> None:
    unknown = make.report(VenueUnknown, reason="no answer")
    assert status_after(make, unknown, make.fill("40")) is OrderStatus.PARTIALLY_FILLED


def test_an_overfill_is_booked_and_noted(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("100"))
    outcome = desk.take(make.fill("1", execution_id="e2"))
    assert outcome.notes == (NoteKind.OVERFILL,)
    assert outcome.events[0].leaves_quantity == 0
    assert desk.state.accounts[DU1].symbols["AAPL"].holding.quantity == 101


# ------------------------------------------------------------------------------------------------------- corrections


def test_a_higher_revision_replaces_the_fill_and_a_lower_one_is_ignored(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("40", "10"), make.fill("10", "12", execution_id="e2", seconds=5))
    [event] = desk.take(make.fill("30", "11", revision=2)).events
    assert isinstance(event, FillCorrected)
    assert (event.replaced.quantity, event.fill.quantity) == (Decimal(40), Decimal(30))
    assert event.cumulative_quantity == 40
    holding = desk.state.accounts[DU1].symbols["AAPL"].holding
    assert (holding.quantity, holding.average_price()) == (40, Decimal("11.25"))
    assert desk.state.accounts[DU1].cash["USD"] == -(30 * 11 + 10 * 12)
    assert desk.take(make.fill("40", "10", revision=1)).notes == (NoteKind.DUPLICATE_FILL,)


def test_a_corrected_fill_keeps_its_place_among_those_of_the_same_time(make: Any) -> None:
    """IBKR's executions have times of whole seconds: what was bought first was sold first, whenever it is corrected."""
    desk = make.desk().run(
        make.approved(),
        make.fill("10", "100", execution_id="e1"),
        make.approved("o-2", side=Side.SELL),
        make.fill("10", "110", execution_id="e2", order_id="o-2", side=Side.SELL),
        make.fill("10", "120", execution_id="e3"),
    )
    desk.take(make.fill("10", "95.5", execution_id="e1", revision=2))
    for book in (desk.state.accounts[DU1], desk.restart().state.accounts[DU1]):
        held = book.symbols["AAPL"]
        assert held.execution_ids == ["e1", "e2", "e3"]
        assert held.holding.realized_pnl(Decimal(1)) == 145
        assert (held.holding.quantity, held.holding.average_price()) == (10, 120)


def test_a_fill_that_comes_late_stands_behind_those_of_the_same_time_and_before_later_ones(make: Any) -> None:
    desk = make.desk().run(
        make.approved(),
        make.fill("10", "100", execution_id="e1"),
        make.fill("10", "120", execution_id="e2", seconds=5),
        make.fill("10", "110", execution_id="e3"),
    )
    assert desk.state.accounts[DU1].symbols["AAPL"].execution_ids == ["e1", "e3", "e2"]


def test_a_bust_takes_a_fill_out_of_the_books(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("40"), make.fill("0", "0", revision=2))
    book = desk.state.accounts[DU1]
    assert (book.symbols["AAPL"].holding.quantity, book.cash["USD"]) == (0, 0)


def test_a_correction_that_completes_the_order_fills_it(make: Any) -> None:
    assert status_after(make, make.fill("40"), make.fill("100", revision=2)) is OrderStatus.FILLED


# ------------------------------------------------------------------------------------------------------ other orders


@pytest.mark.parametrize("order_id", ["", "another-program"])
def test_a_fill_of_an_order_placed_elsewhere_is_booked_under_an_external_order(make: Any, order_id: str) -> None:
    desk = make.desk()
    report = make.fill("5", order_id=order_id, venue_order_id="777", symbol="0700.HK")
    created, filled = desk.take(report).events
    assert isinstance(created, OrderCreated)
    assert isinstance(filled, OrderFilled)
    assert (created.order_id, created.order.currency) == ("external-777", "HKD")
    assert (created.id, filled.id) == ("ibkr/DU1/external-777/1", "ibkr/DU1/external-777/2")
    assert filled.fill.order_id == "external-777"
    [more] = desk.take(
        make.fill("7", order_id=order_id, venue_order_id="777", execution_id="e2", symbol="0700.HK")
    ).events
    assert (more.cumulative_quantity, more.leaves_quantity, more.status) == (12, 0, OrderStatus.FILLED)
    assert desk.state.accounts[DU1].symbols["0700.HK"].holding.quantity == 12


def test_a_call_bought_by_hand_at_5_costs_500_and_the_share_beside_it_what_it_costs(make: Any) -> None:
    """A buy-write: both legs bear the number of the one order."""
    call = replace(
        make.fill("1", "5", order_id="", venue_order_id="777", symbol="CALL:USD:7"),
        currency="USD",
        multiplier=Decimal(100),
    )
    share = replace(
        make.fill("100", "31", order_id="", venue_order_id="777", execution_id="e2", symbol="SHOP:CAD:9"),
        currency="CAD",
        multiplier=Decimal(1),
    )
    desk = make.desk().run(make.snapshot(), call, share, share)
    book = desk.state.accounts[DU1]
    assert (book.cash["USD"], book.cash["CAD"]) == (100_000 - 500, -3_100)
    assert book.symbols["CALL:USD:7"].multiplier == 100
    assert (book.symbols["SHOP:CAD:9"].multiplier, book.symbols["SHOP:CAD:9"].currency) == (1, "CAD")
    assert book.symbols["SHOP:CAD:9"].holding.quantity == 100


def test_a_fee_that_is_told_again_replaces_the_one_before_and_an_older_one_does_not(make: Any) -> None:
    first = make.commission("1")
    later = replace(first, id=f"{first.id}.1", commission=Decimal("1.05"), correction=1)
    desk = make.desk().run(
        make.snapshot(), make.approved(), make.accepted(), make.fill("100"), first, later, first, later
    )
    assert desk.state.accounts[DU1].commission == {"USD": Decimal("1.05")}
    assert desk.state.accounts[DU1].cash["USD"] == 100_000 - 1_000 - Decimal("1.05")


def test_a_fill_that_bears_the_id_of_a_denied_order_is_somebody_elses(make: Any) -> None:
    desk = make.desk().run(make.denied(), make.fill("5", venue_order_id="777"))
    assert desk.state.orders["o-1"].status is OrderStatus.DENIED
    assert desk.state.orders["ibkr/DU1/external-777"].filled_quantity == 5


@pytest.mark.parametrize("place", [{"account": "DU2"}, {"venue": "dydx"}], ids=lambda place: next(iter(place)))
def test_a_fill_that_bears_the_id_of_another_accounts_order_is_not_that_orders(make: Any, place: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("5", **place), make.fill("5", **place))
    assert desk.state.orders["o-1"].filled_quantity == 0
    elsewhere = {"venue": "ibkr", "account": "DU1"} | place
    assert desk.state.accounts[elsewhere["venue"], elsewhere["account"]].symbols["AAPL"].holding.quantity == 5


def test_nothing_is_left_of_a_filled_order_however_its_quantity_was_written(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill("100.000"))
    [filled] = [event for event in desk.log if isinstance(event, OrderFilled)]
    assert str(filled.leaves_quantity) == "0"


def test_a_fill_of_an_unheard_of_instrument_is_booked_all_the_same(make: Any) -> None:
    desk = make.desk().run(make.snapshot())
    outcome = desk.take(make.fill("5", order_id="", symbol="ZZZ"))
    assert NoteKind.UNKNOWN_INSTRUMENT in outcome.notes
    assert desk.state.accounts[DU1].symbols["ZZZ"].holding.quantity == 5


def test_venue_order_ids_of_two_accounts_do_not_meet(make: Any) -> None:
    desk = make.desk().run(
        make.fill(order_id="", account="DU1", side=Side.BUY), make.fill(order_id="", account="DU2", side=Side.SELL)
    )
    quantities = [desk.state.accounts["ibkr", account].symbols["AAPL"].holding.quantity for account in ("DU1", "DU2")]
    assert quantities == [40, -40]


# -------------------------------------------------------------------------------------------------------------- fees


def test_a_fee_is_booked_once_before_or_after_its_fill(make: Any) -> None:
    for reports in (
        (make.fill(), make.commission("1.25"), make.commission("1.25")),
        (make.commission("1.25"), make.fill(), make.commission("1.25")),
        (make.commission("1.25", order_id="o-1"), make.commission("1.25"), make.fill()),
    ):
        desk = make.desk().run(make.approved(), *reports)
        book = desk.state.accounts[DU1]
        assert book.symbols["AAPL"].commission == Decimal("1.25")
        assert book.cash["USD"] == Decimal("-401.25")


def test_a_fee_before_its_fill_counts_only_when_the_fill_is_there(make: Any) -> None:
    desk = make.desk()
    [event] = desk.take(make.commission("1.25")).events
    assert isinstance(event, CommissionBooked)
    assert (event.order_id, event.status) == ("_unattributed", OrderStatus.FILLED)
    assert desk.state.accounts[DU1].cash == {}
    assert not desk.state.working


def test_a_fee_of_a_booked_execution_goes_to_its_order(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill())
    [event] = desk.take(make.commission()).events
    assert (event.order_id, event.status) == ("o-1", OrderStatus.PARTIALLY_FILLED)


def test_a_revised_fee_replaces_the_earlier_one_and_not_the_other_way(make: Any) -> None:
    for fees in ((("1", 1), ("3", 2)), (("3", 2), ("1", 1))):
        reports = [make.commission(amount, revision=revision) for amount, revision in fees]
        desk = make.desk().run(make.approved(), make.fill(), *reports)
        assert desk.state.accounts[DU1].commission == {"USD": 3}


def test_a_fee_in_another_currency_is_cash_of_that_currency(make: Any) -> None:
    desk = make.desk().run(make.approved(), make.fill(), make.commission("10", currency="HKD"))
    book = desk.state.accounts[DU1]
    assert (book.cash, book.symbols["AAPL"].commission) == ({"USD": -400, "HKD": -10}, 0)


def test_a_rebate_is_a_commission_below_zero_and_adds_to_cash(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(0)), make.approved(), make.fill("1", "10"))
    desk.take(make.commission("-0.11"))
    book = desk.state.accounts[DU1]
    assert (book.commission, book.cash["USD"]) == ({"USD": Decimal("-0.11")}, Decimal("-9.89"))
    assert book.symbols["AAPL"].commission == Decimal("-0.11")


def test_funding_is_booked_once_by_its_id_under_the_accounts_reserved_order(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000)), make.approved(), make.fill("1", "10"))
    [event] = desk.take(make.funding("-0.25")).events
    assert isinstance(event, FundingBooked)
    assert (event.order_id, event.id, event.status) == ("_funding", "ibkr/DU1/_funding/1", OrderStatus.FILLED)
    again = make.with_id(make.funding("-0.25"), "another report")
    assert desk.take(again).notes == (NoteKind.DUPLICATE_FUNDING,)
    book = desk.state.accounts[DU1]
    assert book.cash["USD"] == Decimal("989.75")
    assert (book.funding, book.symbols["AAPL"].funding) == ({"USD": Decimal("-0.25")}, Decimal("-0.25"))
    assert "_funding" not in desk.state.orders
    assert not book.commission
    assert desk.restart().state.accounts == desk.state.accounts


def test_funding_before_the_first_fill_of_its_symbol_is_in_the_position_later(make: Any) -> None:
    desk = make.desk().run(make.snapshot(), make.approved(), make.funding("0.5"))
    assert not desk.state.accounts[DU1].symbols
    desk.take(make.fill("1", "10"))
    assert desk.state.accounts[DU1].symbols["AAPL"].funding == Decimal("0.5")


def test_funding_that_the_baseline_contains_is_not_booked(make: Any) -> None:
    payment = make.funding()
    snapshot = make.snapshot(cash=Decimal(1000), funding_ids=(payment.funding_id,))
    for reports in ((payment, snapshot), (snapshot, payment)):
        desk = make.desk().run(*reports)
        assert desk.state.accounts[DU1].cash == {"USD": 1000}
        assert desk.take(payment).notes == (NoteKind.ADOPTED_FUNDING,)


def test_funding_in_the_baselines_cash_is_not_booked_when_it_is_listed_later(make: Any) -> None:
    """The venue pays at once and lists what it paid a minute later: the account was adopted in that minute."""
    payment = make.funding(hour=16)
    snapshot = make.snapshot(cash=Decimal(1000), funding_until=payment.at + timedelta(seconds=5))
    for reports in ((payment, snapshot), (snapshot, payment)):
        desk = make.desk().run(*reports)
        assert desk.state.accounts[DU1].cash == {"USD": 1000}
        assert desk.take(payment).notes == (NoteKind.ADOPTED_FUNDING,)
        assert desk.take(make.funding("-1", hour=17)).events


def test_funding_that_the_baseline_contains_is_known_after_a_checkpoint(make: Any) -> None:
    payment = make.funding(hour=16)
    desk = make.desk().run(make.snapshot(cash=Decimal(1000), funding_until=payment.at))
    loaded = StateLoader(desk.state.keep)
    for frame in capture(desk.state)[1]:
        loaded.take(frame)
    assert loaded.state.accounts[DU1].adopted_funding_until == payment.at


def test_the_liquidity_of_a_fill_and_the_flags_of_an_order_are_carried_on(make: Any) -> None:
    begins = datetime(2024, 1, 3, tzinfo=UTC)
    more = {"all_or_none": True, "display_quantity": Decimal(1), "not_before": begins, "trigger": TriggerMethod.MID}
    more |= {"trail_amount": Decimal(2), "trail_percent": Decimal(3), "limit_offset": Decimal(4)}
    desk = make.desk().run(make.approved(reduce_only=True, post_only=True, **more))
    assert {name: getattr(desk.state.orders["o-1"].order, name) for name in more} == more
    assert desk.state.orders["o-1"].order.reduce_only
    assert desk.state.orders["o-1"].order.post_only
    report = make.fill("1", "10")
    [event] = desk.take(replace(report, fill=replace(report.fill, liquidity=Liquidity.MAKER))).events
    assert event.fill.liquidity is Liquidity.MAKER


# ---------------------------------------------------------------------------------------------------- currency pairs


def exchanged(make: Any, quantity: str, price: str = "1.08", **fields: Any) -> VenueFill:
    """A conversion that somebody made by hand: euros for dollars."""
    fill = make.fill(quantity, price, order_id="", symbol="EUR.USD:USD:12087792", **fields)
    return replace(fill, currency="USD", multiplier=Decimal(1), base_currency="EUR")


def test_an_exchange_of_currencies_moves_the_cash_of_both(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000), other_cash={"EUR": Decimal(5)}))
    desk.take(exchanged(make, "100"))
    assert desk.state.accounts[DU1].cash == {"USD": Decimal("892.00"), "EUR": Decimal(105)}
    desk.take(exchanged(make, "90", revision=2))  # corrected
    assert desk.state.accounts[DU1].cash == {"USD": Decimal("902.80"), "EUR": Decimal(95)}
    desk.take(exchanged(make, "90", execution_id="e2", side=Side.SELL, price="1.1"))
    assert desk.state.accounts[DU1].cash == {"USD": Decimal("1001.80"), "EUR": Decimal(5)}
    same = make.snapshot(9, cash=Decimal("1001.80"), other_cash={"EUR": Decimal(5)}, execution_ids=("e1", "e2"))
    assert desk.take(same).drift == ()


def test_what_the_account_was_taken_over_with_is_not_exchanged_again(make: Any) -> None:
    held = {"cash": Decimal(892), "other_cash": {"EUR": Decimal(105)}, "execution_ids": ("e1",)}
    desk = make.desk().run(make.snapshot(**held))
    desk.take(exchanged(make, "100"))
    assert desk.state.accounts[DU1].cash == {"USD": Decimal(892), "EUR": Decimal(105)}


def test_an_order_of_the_desks_own_exchanges_what_its_instrument_says(make: Any) -> None:
    desk = make.desk().run(make.snapshot(cash=Decimal(1000), other_cash={}))
    pair = desk.state.instruments["ibkr", "AAPL"]
    desk.state.instruments["ibkr", "AAPL"] = replace(pair, base_currency="EUR")
    desk.run(make.approved(), make.accepted(), make.fill("40", "10"))
    assert desk.state.accounts[DU1].cash == {"USD": Decimal(600), "EUR": Decimal(40)}
