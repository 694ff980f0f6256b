"""Venue words to the desk's and back."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_ibkr import figures, translate
from gateway_ibkr.facts import ContractFound, ExecutionSeen, PnlSeen, PositionSeen, VenueContract
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol
from signalbox.messages import Contingency, ListPart, Order, OrderType, Side, TimeInForce, TriggerMethod

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
SPY = VenueContract(con_id=756733, symbol="SPY", security_type="STK", exchange="SMART", currency="USD")


def order(**terms: object) -> Order:
    values: dict[str, object] = {
        "order_id": "a-1",
        "intent_id": "a-1",
        "venue": "ibkr",
        "account": "DU1",
        "symbol": "SPY",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.MARKET,
    }
    return Order(**(values | terms))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("contingency", "group"),
    [(Contingency.OCO, ("b.3", 1)), (Contingency.OUO, ("b.3", 2)), (None, ("", 0))],
)
def test_orders_that_depend_on_each_other_are_a_group_with_block(
    contingency: Contingency | None, group: object
) -> None:
    part = ListPart(list_id="b", leg="stop", group=3, quantity=Decimal(10), contingency=contingency)
    terms = translate.order_terms(order(part=part))
    assert (terms.group, terms.group_type) == group


@pytest.mark.parametrize(
    ("number", "attached_to", "group"), [(2, "b.entry", ("b.2", 2)), (1, "b.entry", ("", 0)), (2, "", ("", 0))]
)
def test_a_child_that_is_alone_is_no_group_with_the_others_of_its_parent(
    number: int, attached_to: str, group: object
) -> None:
    """TWS makes one of all children of a parent that say none: of those there is one at most, the first."""
    part = ListPart(list_id="b", leg="stop", group=number, quantity=Decimal(10), attached_to=attached_to)
    terms = translate.order_terms(order(part=part))
    assert (terms.group, terms.group_type) == group


@given(st.decimals(min_value="0.0001", max_value=1_000_000, places=4))
def test_a_price_survives_the_venues_floats(price: Decimal) -> None:
    assert translate.decimal_of(translate.float_of(price)) == price


def test_noise_beyond_ten_digits_is_rounded_away() -> None:
    assert translate.decimal_of(0.1 + 0.2) == Decimal("0.3")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7976931348623157e308, 1e15])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(translate.TranslationError):
        translate.decimal_of(value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_price_is_above_zero(value: float) -> None:
    with pytest.raises(translate.TranslationError):
        translate.price_of(value)


def test_a_quantity_with_more_digits_than_a_float_is_refused() -> None:
    with pytest.raises(translate.TranslationError):
        translate.float_of(Decimal("1.00000000000000000001"))


def test_whole_numbers_have_no_exponent() -> None:
    assert str(translate.decimal_of(100000.0)) == "100000"


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("20240305 10:00:00 US/Eastern", 15),
        ("20240305 10:00:00 America/New_York", 15),
        ("20240305-15:00:00", 15),
        ("20240305  15:00:00", 15),
        ("20240305 15:00:00 UTC", 15),
        ("20240306 00:00:00 JST", 15),
        ("1709650800", 15),
    ],
)
def test_every_form_of_a_venue_time_is_read_as_utc(text: str, hour: int) -> None:
    assert translate.time_of(text) == datetime(2024, 3, 5, hour, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "20240305 10:00:00 Mars/Olympus", "20241305 10:00:00", "20240305"])
def test_a_time_that_can_not_be_read_is_none(text: str) -> None:
    assert translate.time_of(text) is None


def test_a_written_time_is_read_back() -> None:
    assert translate.time_of(translate.venue_time(AT)) == AT


def test_hong_kong_stocks_are_numbers_at_sehk() -> None:
    request = translate.contract_request(parse_symbol("0700.HK"))
    assert (request.symbol, request.exchange, request.currency) == ("700", "SEHK", "HKD")
    assert translate.canonical_symbol(request) == "0700.HK"


def test_the_desk_file_settles_exchange_and_currency() -> None:
    request = translate.contract_request(parse_symbol("TWIN"), "NYSE", "USD")
    assert (request.exchange, request.currency) == ("NYSE", "USD")


def test_perpetuals_are_not_traded_here() -> None:
    with pytest.raises(SymbolError):
        translate.contract_request(parse_symbol("BTC-USD"))


def test_a_contract_repeated_for_each_exchange_is_one() -> None:
    found = ContractFound(contract=SPY, min_tick=0.01, min_size=1.0, size_increment=1.0)
    assert translate.matching(SPY, (found, found)) == (found,)


def test_fractions_of_shares_are_not_offered() -> None:
    found = ContractFound(contract=SPY, min_tick=0.01, min_size=0.0001, size_increment=0.0001, long_name="S&P")
    made = translate.instrument(found, parse_symbol("SPY"), AT)
    assert (made.lot_size, made.minimum_quantity, made.tick_size) == (Decimal(1), Decimal(1), Decimal("0.01"))


def test_an_order_carries_its_id_as_reference() -> None:
    terms = translate.order_terms(
        order(order_type=OrderType.LIMIT, limit_price=Decimal("433.51"), time_in_force=TimeInForce.GTC)
    )
    assert (terms.reference, terms.order_type, terms.limit_price, terms.time_in_force) == ("a-1", "LMT", 433.51, "GTC")
    assert type(terms.action) is str


@pytest.mark.parametrize(
    ("order_type", "word"), [(OrderType.STOP_LIMIT, "STP LMT"), (OrderType.LIMIT_IF_TOUCHED, "LIT")]
)
def test_what_is_a_limit_order_once_triggered_has_both_prices(order_type: OrderType, word: str) -> None:
    prices = {"limit_price": Decimal("389.5"), "stop_price": Decimal(390)}
    terms = translate.order_terms(order(order_type=order_type, **prices))
    assert (terms.order_type, terms.limit_price, terms.stop_price) == (word, 389.5, 390.0)


def test_an_order_to_be_touched_has_its_trigger_where_a_stop_has_it() -> None:
    terms = translate.order_terms(order(order_type=OrderType.MARKET_IF_TOUCHED, stop_price=Decimal(390)))
    assert (terms.order_type, terms.limit_price, terms.stop_price) == ("MIT", None, 390.0)


@pytest.mark.parametrize(
    ("order_type", "limit", "words"),
    [
        (OrderType.MARKET_ON_CLOSE, None, ("MOC", "DAY")),
        (OrderType.LIMIT_ON_CLOSE, 400, ("LOC", "DAY")),
        (OrderType.MARKET_ON_OPEN, None, ("MKT", "OPG")),
        (OrderType.LIMIT_ON_OPEN, 400, ("LMT", "OPG")),
        (OrderType.MARKET_TO_LIMIT, None, ("MTL", "DAY")),
    ],
)
def test_an_order_for_an_auction_or_to_limit_has_the_venues_words(
    order_type: OrderType, limit: int | None, words: tuple[str, str]
) -> None:
    terms = translate.order_terms(order(order_type=order_type, limit_price=limit and Decimal(limit)))
    assert ((terms.order_type, terms.time_in_force), terms.limit_price) == (words, limit)


def test_a_trailing_stop_has_the_venues_words() -> None:
    trail = translate.order_terms(order(order_type=OrderType.TRAILING_STOP, trail_amount=Decimal("2.5")))
    assert (trail.order_type, trail.stop_price, trail.trailing_percent, trail.limit_offset) == (
        "TRAIL",
        2.5,
        None,
        None,
    )
    terms = {"trail_percent": Decimal("1.5"), "limit_offset": Decimal("0.1")}
    limit = translate.order_terms(order(order_type=OrderType.TRAILING_STOP_LIMIT, **terms))
    assert (limit.order_type, limit.stop_price, limit.trailing_percent) == ("TRAIL LIMIT", None, 1.5)
    assert (limit.limit_offset, limit.limit_price) == (0.1, None)


def test_how_an_order_is_to_be_worked_has_the_venues_words() -> None:
    plain = translate.order_terms(order())
    assert (plain.all_or_none, plain.display_size, plain.good_after, plain.trigger_method) == (False, 0, "", 0)
    limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(400)}
    assert translate.order_terms(order(**limit, all_or_none=True)).all_or_none
    assert translate.order_terms(order(**limit, display_quantity=Decimal(5))).display_size == 5
    begins = datetime(2024, 3, 5, 15, tzinfo=UTC)
    assert translate.order_terms(order(**limit, not_before=begins)).good_after == translate.venue_time(begins)
    stop = {"order_type": OrderType.STOP, "stop_price": Decimal(390)}
    methods = (TriggerMethod.LAST, TriggerMethod.BID_ASK, TriggerMethod.MID)
    assert [translate.order_terms(order(**stop, trigger=each)).trigger_method for each in methods] == [2, 4, 8]


@pytest.mark.parametrize("validity", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_takes_at_once_is_so_by_its_time_in_force(validity: TimeInForce) -> None:
    terms = translate.order_terms(order(order_type=OrderType.LIMIT, limit_price=Decimal(1), time_in_force=validity))
    assert (terms.order_type, terms.time_in_force, terms.good_till) == ("LMT", validity.value, "")


@pytest.mark.parametrize(
    "terms",
    [
        {"order_type": OrderType.LIMIT},
        {"order_type": OrderType.STOP},
        {"time_in_force": TimeInForce.GTD},
        {"order_type": OrderType.STOP, "stop_price": Decimal(390), "trigger": TriggerMethod.ORACLE},
        {"order_type": OrderType.LIMIT, "limit_price": Decimal(390), "display_quantity": Decimal("1.5")},
        {"quantity": Decimal("0.1234567890123456789")},
    ],
)
def test_an_order_that_can_not_be_expressed_is_refused(terms: dict[str, object]) -> None:
    with pytest.raises(translate.TranslationError):
        translate.order_terms(order(**terms))


@pytest.mark.parametrize(
    ("execution_id", "key"),
    [
        ("0000e0d5.6553f1b9.01.01", ("0000e0d5.6553f1b9.01", 1)),
        ("0000e0d5.6553f1b9.01.02", ("0000e0d5.6553f1b9.01", 2)),
        ("plain", ("plain", 1)),
        ("with.word", ("with.word", 1)),
    ],
)
def test_an_execution_id_is_a_base_and_a_revision(execution_id: str, key: tuple[str, int]) -> None:
    assert translate.execution_key(execution_id) == key


def test_a_bust_is_a_fill_of_nothing() -> None:
    seen = ExecutionSeen(
        execution_id="a.01.02",
        order_number=1,
        client_id=11,
        perm_id=7,
        account="DU1",
        reference="a-1",
        contract=SPY,
        side="SLD",
        shares=0.0,
        price=0.0,
        at=AT,
    )
    fill = translate.fill_of(seen, "a-1", "SPY")
    assert (fill.revision, fill.quantity, fill.side) == (2, Decimal(0), Side.SELL)


def test_average_cost_is_divided_by_the_multiplier() -> None:
    contract = VenueContract(
        con_id=5,
        symbol="AAPL",
        security_type="OPT",
        currency="USD",
        multiplier="100",
        local_symbol="AAPL  240119C00190000",
    )
    held = translate.position_of(PositionSeen(account="DU1", contract=contract, quantity=-2.0, average_cost=350.0), {})
    assert (held.symbol, held.quantity, held.average_price) == ("AAPL 240119C00190000:USD:5", -2, Decimal("3.5"))
    listed = translate.position_of(
        PositionSeen(account="DU1", contract=contract, quantity=-2.0, average_cost=350.0), {5: "AAPL 240119C00190000"}
    )
    assert listed.symbol == "AAPL 240119C00190000"


FIGURES = {
    ("NetLiquidation", "USD"): "1000.5",
    ("TotalCashValue", "USD"): "900",
    ("AvailableFunds", "USD"): "800",
    ("BuyingPower", "USD"): "3200",
    ("InitMarginReq", "USD"): "100",
    ("MaintMarginReq", "USD"): "50",
}
SAID = [*FIGURES, figures.PNL]


def test_the_account_is_stated_in_its_base_currency() -> None:
    values = FIGURES | {("TotalCashValue", "HKD"): "5"}
    state = figures.account_state(
        "DU1", values, PnlSeen(request_id=1, daily=1.5, unrealized=1.8e308, realized=0.0), AT, dict.fromkeys(SAID, AT)
    )
    assert (state.currency, state.cash, state.daily_pnl) == ("USD", Decimal(900), Decimal("1.5"))
    assert state.unrealized_pnl is None  # the venue's word for "not yet"


LEDGER = {
    ("CashBalance", "USD"): "1000",
    ("CashBalance", "HKD"): "-39375.06",
    ("CashBalance", "BASE"): "-4040.01",
    ("CashBalance", "EUR"): "not yet",
    ("ExchangeRate", "USD"): "1.0000000",
    ("ExchangeRate", "HKD"): "0.1280000",
    ("ExchangeRate", "EUR"): "0",
    ("ExchangeRate", "BASE"): "1.0000000",
}


def test_cash_is_stated_by_currency_and_in_all_at_the_venues_rates() -> None:
    said_at = dict.fromkeys([*SAID, *LEDGER], AT) | {("ExchangeRate", "HKD"): AT - timedelta(hours=1)}
    state = figures.account_state("DU1", FIGURES | LEDGER, None, AT, said_at)
    assert state.cash == 900
    assert state.cash_by_currency == {"USD": Decimal(1000), "HKD": Decimal("-39375.06")}
    assert state.rates == {"HKD": Decimal("0.1280000")}
    assert state.said_at["rates"] == AT - timedelta(hours=1)


def test_a_venue_that_says_the_total_alone_says_no_currencies_and_no_age_of_rates() -> None:
    state = figures.account_state("DU1", FIGURES, None, AT, dict.fromkeys(SAID, AT))
    assert (state.cash_by_currency, state.rates) == ({}, {})
    assert "rates" not in state.said_at


@pytest.mark.parametrize("missing", list(FIGURES))
def test_an_account_without_a_figure_is_no_account(missing: tuple[str, str]) -> None:
    values = {key: value for key, value in FIGURES.items() if key != missing}
    with pytest.raises(translate.TranslationError):
        figures.account_state("DU1", values, None, AT, dict.fromkeys(SAID, AT))


def test_history_is_asked_in_seconds_within_a_day_and_in_trading_days_beyond() -> None:
    assert translate.history_duration(AT, AT + timedelta(minutes=3), 1) == "180 S"
    assert translate.history_duration(AT, AT + timedelta(seconds=5), 1) == "60 S"
    assert translate.history_duration(AT, AT + timedelta(days=3), 2) == "2 D"
