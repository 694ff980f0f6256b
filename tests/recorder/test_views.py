"""What people read: typed, exact, one row a thing; what can not be read is NULL, never an error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from recorder.state import Batch, Place, Stored
from signalbox import messages, subjects
from signalbox.messages import (
    AccountState,
    Bar,
    Book,
    BooksActRefused,
    BooksAdjusted,
    CancelIntent,
    ChangeKind,
    Check,
    CommissionBooked,
    DayLevels,
    Fill,
    FillCorrected,
    FundingBooked,
    FundingRate,
    Instrument,
    InstrumentKind,
    IntentApproved,
    IntentDenied,
    LedgerClaimed,
    Levels,
    LimitsByScope,
    LimitsRefused,
    LimitsSet,
    Liquidity,
    MassCancelIntent,
    Order,
    OrderCreated,
    OrderDenied,
    OrderFilled,
    OrderIntent,
    OrderPartiallyFilled,
    OrderPendingReplace,
    OrderRejected,
    OrderReplaced,
    OrderStatus,
    OrderType,
    Position,
    PositionChange,
    Score,
    Side,
    SplitPosition,
    SubmitOrder,
    TriggerMethod,
    VenueFunding,
)
from signalbox_cli.looking import ACCOUNTS, ORDERS

from .recording import Recording

AT = datetime(2026, 1, 5, 14, 31, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
DESK = {"venue": "ibkr", "account": "DU1"}
EXACT = Decimal("12345678901234567.123456789012345678")
PRICE = Decimal("12345678901234567.123456789012")
INTENT = OrderIntent(
    id="o1", at=AT, venue="ibkr", symbol="SPY", side=Side.BUY, quantity=Decimal(100), order_type=OrderType.MARKET
)


@pytest.fixture
def recording(tmp_path: Path, empty_record: Path) -> Iterator[Recording]:
    made = Recording(shutil.copy(empty_record, tmp_path / "desk.duckdb"))
    yield made
    made.database.close()


STORED_AT = datetime.fromtimestamp(1_700_000_000, UTC)
"""When INTENTS had the intent: a millisecond before the first decision is stored."""


def fill(number: int, quantity: int, price: str, revision: int = 1) -> Fill:
    return Fill(
        execution_id=f"e{number}", revision=revision, order_id="o1", symbol="SPY", side=Side.BUY,
        quantity=Decimal(quantity), price=Decimal(price), at=AT,
    )  # fmt: skip


def put_order(recording: Recording) -> None:
    """An order of 100, filled 40 + 60; the second execution is then corrected to 50, its fee booked twice."""
    order = Order(
        order_id="o1", intent_id="o1", symbol="SPY", side=Side.BUY, quantity=Decimal(100), order_type=OrderType.MARKET,
        **DESK,
    )  # fmt: skip
    event: dict[str, Any] = {"at": AT, "order_id": "o1", **DESK}
    sums = {"cumulative_quantity": Decimal(100), "leaves_quantity": Decimal(0)}
    fee = {"execution_id": "e2", "currency": "USD"}
    for message in (
        OrderCreated(id="o1/1", status=OrderStatus.PENDING_NEW, order=order, **event),
        OrderPartiallyFilled(id="o1/2", status=OrderStatus.PARTIALLY_FILLED, fill=fill(1, 40, "1.1"), **sums, **event),
        OrderFilled(id="o1/3", status=OrderStatus.FILLED, fill=fill(2, 60, "1.2"), **sums, **event),
        FillCorrected(
            id="o1/4",
            status=OrderStatus.FILLED,
            fill=fill(2, 50, "1.2", 2),
            replaced=fill(2, 60, "1.2"),
            cumulative_quantity=Decimal(90),
            leaves_quantity=Decimal(10),
            **event,
        ),
        CommissionBooked(id="o1/5", status=OrderStatus.FILLED, revision=1, commission=Decimal("1.00"), **fee, **event),
        CommissionBooked(id="o1/6", status=OrderStatus.FILLED, revision=2, commission=Decimal("0.85"), **fee, **event),
    ):
        recording.put("TRADE", "order.ibkr.DU1.o1", message)


def test_no_view_shows_money_as_a_binary_float(recording: Recording) -> None:
    indicators = {"close", "supertrend", "ema", "atr", "ema_deviation"}
    doubles = recording.rows(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND data_type IN ('DOUBLE', 'FLOAT')"
    )
    others = {(t, c) for t, c in doubles if t not in ("latencies", "levels")}
    assert others == {("scores", column) for column in indicators}


def test_levels_and_studies_are_read_by_name(recording: Recording) -> None:
    """Levels stand in the stream of the scores, and are none; a score from before there were any has neither."""
    score = Score(
        id="s", at=AT, venue="ibkr", symbol="SPY", timeframe="1m", bar_start=AT, close=1.5,
        supertrend=None, direction=0, ema=1.5, atr=None, trend_score=0, ema_deviation=None, new_high_score=0,
        studies={"rsi": 57.5, "sma": None},
        levels=DayLevels(day="2026-01-05", vwap=1.25),
    )  # fmt: skip
    levels = Levels(
        id="l", at=AT, venue="ibkr", symbol="SPY", timeframe="1m", bar_start=AT,
        levels=DayLevels(day="2026-01-05", high=2.5, opening_range_complete=True, previous_day="2026-01-02", vwap=1.25),
    )  # fmt: skip
    old = messages.encode(score).replace(b',"studies":{"rsi":57.5,"sma":null}', b"").partition(b',"levels"')[0] + b"}"
    recording.put("SCORES", "ind.score.ibkr.SPY.1m", old)
    recording.put("SCORES", "ind.score.ibkr.SPY.1m", score)
    recording.put("SCORES", "ind.levels.ibkr.SPY.1m", levels)
    assert recording.rows("SELECT studies['rsi'], studies['sma'], levels->>'vwap' FROM scores ORDER BY sequence") == [
        (None, None, None),
        (57.5, None, "1.25"),
    ]
    assert recording.rows(
        "SELECT symbol, day, high, low, opening_range_complete, previous_complete, previous_day, vwap FROM levels"
    ) == [("SPY", date(2026, 1, 5), 2.5, None, True, False, date(2026, 1, 2), 1.25)]


def test_every_time_has_a_zone(recording: Recording) -> None:
    assert (
        recording.rows(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND data_type = 'TIMESTAMP'"
        )
        == []
    )


def test_a_price_comes_back_to_the_last_digit_and_a_time_to_the_microsecond(recording: Recording) -> None:
    prices = {
        "open": PRICE,
        "high": PRICE,
        "low": Decimal("0.000000000001"),
        "close": PRICE,
        "volume": Decimal(7),
    }
    bar = Bar(id="b", at=AT, venue="ibkr", symbol="BRK B", timeframe="1m", start=AT, **prices)
    recording.put("BARS", "md.bar.3.ibkr.BRK%20B.1m", bar)
    assert recording.rows("SELECT symbol, open, low, volume, start::VARCHAR FROM bars") == [
        ("BRK B", PRICE, Decimal("0.000000000001"), Decimal(7), "2026-01-05 14:31:00.123456+00")
    ]


def test_an_order_shows_its_last_status_and_what_its_executions_came_to(recording: Recording) -> None:
    put_order(recording)
    assert recording.rows("SELECT order_id, status, quantity, filled_quantity, executions, events FROM orders") == [
        ("o1", "FILLED", Decimal(100), Decimal(90), 2, 6)
    ]
    assert recording.rows("SELECT execution_id, revision, quantity, price FROM fills ORDER BY 1") == [
        ("e1", 1, Decimal(40), Decimal("1.1")),
        ("e2", 2, Decimal(50), Decimal("1.2")),
    ]
    assert recording.rows("SELECT execution_id, commission FROM commissions") == [("e2", Decimal("0.85"))]


def test_orders_can_be_asked_for_as_they_were_at_any_sequence(recording: Recording) -> None:
    put_order(recording)
    recording.put("TRADE", "order.ibkr.DU1.o2", OrderDenied(id="o2/1", at=AT, order_id="o2", status=OrderStatus.DENIED,
                                                            reason="no", **DESK))  # fmt: skip

    def at(place: int) -> list[tuple[Any, ...]]:
        return recording.rows(
            f"SELECT order_id, status, filled_quantity, events FROM orders_at({place}) ORDER BY order_id"
        )

    assert at(0) == []
    assert at(1) == [("o1", "PENDING_NEW", Decimal(0), 1)]
    assert at(2) == [("o1", "PARTIALLY_FILLED", Decimal(100), 2)]
    assert at(4) == [("o1", "FILLED", Decimal(90), 4)]
    assert at(7) == [("o1", "FILLED", Decimal(90), 6), ("o2", "DENIED", Decimal(0), 1)]
    assert recording.rows("SELECT * FROM orders_at(7) EXCEPT SELECT * FROM orders") == []


def test_what_is_left_of_an_earlier_stream_is_before_any_sequence(recording: Recording) -> None:
    put_order(recording)
    denied = OrderDenied(id="o2/1", at=AT, order_id="o2", status=OrderStatus.DENIED, reason="no", **DESK)
    row = Stored(1, "order.ibkr.DU1.o2", 1_700_000_000_000_000_000, "", messages.encode(denied))
    recording.database.write([Batch("TRADE", Place(2, "tuesday", 1), [row])])
    assert recording.rows("SELECT order_id, events FROM orders_at(0)") == [("o1", 6)]
    assert recording.rows("SELECT order_id, events FROM orders_at(1) ORDER BY 1") == [("o1", 6), ("o2", 1)]


def test_limits_that_were_set_are_no_decision_and_no_intent(recording: Recording) -> None:
    made = LimitsSet(
        id="limits/l-1", at=AT, cause="l-1", version=1, limits=LimitsByScope(), by="olga", reason="why", desk_file="f"
    )
    refused = LimitsRefused(id="limits/l-2", at=AT, cause="l-2", version=1, by="olga", reason="why")
    for ruling in (made, refused):
        recording.put("TRADE", subjects.limits_ruled(ruling), ruling)
    assert recording.rows("SELECT count(*) FROM messages WHERE subject LIKE 'decision.limits%'") == [(2,)]
    assert recording.rows("SELECT count(*) FROM decisions") == recording.rows("SELECT count(*) FROM intents") == [(0,)]


def test_a_decision_lists_its_checks(recording: Recording) -> None:
    checks = tuple(
        Check(name=name, passed=True, limit="1", observed="0", source="desk-file") for name in ("quantity", "collar")
    )
    recording.put(
        "TRADE",
        "decision.approved.ibkr.DU1",
        IntentApproved(
            id="decision-1",
            at=AT,
            by="alice",
            intent_sequence=1,
            intent_stored_at=STORED_AT,
            intent=INTENT,
            order_id="o1",
            checks=checks,
        ),
    )
    put_order(recording)
    assert recording.rows('SELECT intent_id, "by", symbol, intent_sequence, intent_stored_at FROM intents') == [
        ("o1", "alice", "SPY", 1, STORED_AT)
    ]
    assert recording.rows('SELECT decision_id, "by" FROM decisions') == [("decision-1", "alice")]
    assert recording.rows("SELECT intent_id, verdict, number, name, passed FROM checks ORDER BY number") == [
        ("o1", "APPROVED", 1, "quantity", True),
        ("o1", "APPROVED", 2, "collar", True),
    ]
    assert recording.rows("SELECT order_id, decision_milliseconds, created_milliseconds FROM latencies") == [
        ("o1", 1.0, 1.0)
    ]


def test_positions_are_the_last_word_on_each_and_their_history_is_kept(recording: Recording) -> None:
    for quantity in (1, 2):
        figures = dict.fromkeys(("average_price", "realized_pnl", "unrealized_pnl", "commission"), Decimal("0.1"))
        position = Position(
            id=f"p{quantity}", at=AT, symbol="SPY", currency="USD", multiplier=Decimal(1), quantity=Decimal(quantity),
            mark_price=None, **figures, **DESK,
        )  # fmt: skip
        recording.put("STATE", "position.ibkr.DU1.SPY", position)
    assert recording.rows("SELECT symbol, quantity, mark_price FROM positions") == [("SPY", Decimal(2), None)]
    assert recording.rows("SELECT count(*) FROM position_history") == [(2,)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"\xff",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b'{"quantity": "1e400", "at": "yesterday", "id": 7}',
        b"{",
    ],
)
def test_what_can_not_be_read_breaks_no_view(recording: Recording, payload: bytes) -> None:
    subjects = {
        "TRADE": ("decision.denied.a.b", "order.a.b.c"),
        "STATE": ("position.a.b.c", "book.a.b", "account.a.b", "md.instrument.a.b", "md.funding.a.b"),
        "TIMERS": ("timer.fired.x",),
        **{name: ("x",) for name in ("BARS", "SCORES", "COMMANDS", "LEDGER", "REPORTS", "KV_CONTROL", "DEAD")},
    }
    for stream, names in subjects.items():
        for name in names:
            recording.put(stream, name, payload)
    views = [name for (name,) in recording.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    assert len(views) > 20
    for view in views:
        recording.rows(f"SELECT COLUMNS(*)::VARCHAR FROM {view}")
    assert recording.rows("SELECT count(*), count(quantity) FROM intents") == [(1, 0)]


PERPETUAL = {"venue": "dydx", "account": "dydx1a-0"}


def test_funding_is_recorded_as_rate_report_payment_and_in_the_books(recording: Recording) -> None:
    funding: dict[str, Any] = {"funding_id": "BTC-USD/h", "symbol": "BTC-USD", "currency": "USD"}
    amount, rate = Decimal("-0.123456"), Decimal("0.0000125")
    rated = FundingRate(id="r", at=AT, venue="dydx", symbol="BTC-USD", rate=rate, oracle_price=Decimal("97123.5"))
    report = VenueFunding(id="v", at=AT, amount=amount, rate=rate, **funding, **PERPETUAL)
    booked = FundingBooked(
        id="f/1", at=AT, order_id="_funding", status=OrderStatus.FILLED, amount=amount, **funding, **PERPETUAL
    )
    book = Book(
        id="b", at=AT, currency="USD", cash=Decimal(1), realized_pnl=Decimal(0), commission=Decimal("-0.01"), fills=1,
        trade_sequence=1, funding=amount, **PERPETUAL,
    )  # fmt: skip
    recording.put("STATE", "md.funding.dydx.BTC-USD", rated)
    recording.put("REPORTS", "report.dydx.dydx1a-0.funding", report)
    recording.put("TRADE", "order.dydx.dydx1a-0._funding", booked)
    recording.put("TRADE", "order.dydx.dydx1a-0._funding", booked)
    recording.put("STATE", "book.dydx.dydx1a-0", book)
    assert recording.rows("SELECT symbol, rate, oracle_price FROM funding_rates") == [
        ("BTC-USD", rate, Decimal("97123.5"))
    ]
    assert recording.rows("SELECT symbol, funding_amount, funding_rate FROM reports") == [("BTC-USD", amount, rate)]
    assert recording.rows("SELECT symbol, amount, currency FROM funding_payments") == [("BTC-USD", amount, "USD")]
    assert recording.rows("SELECT funding, commission FROM books") == [(amount, Decimal("-0.01"))]
    assert recording.rows("SELECT * FROM orders") == []


def test_the_command_line_shows_both_prices_of_an_order_that_has_two(recording: Recording) -> None:
    prices = {
        "a": (OrderType.LIMIT, {"limit_price": Decimal(9)}),
        "b": (OrderType.STOP, {"stop_price": Decimal(8)}),
        "c": (OrderType.STOP_LIMIT, {"limit_price": Decimal(7), "stop_price": Decimal(8)}),
    }
    for name, (kind, terms) in prices.items():
        order = Order(
            order_id=name, intent_id=name, symbol="SPY", side=Side.BUY, quantity=Decimal(1), order_type=kind,
            **PERPETUAL, **terms,
        )  # fmt: skip
        values: dict[str, Any] = {"at": AT, "order_id": name, "status": OrderStatus.PENDING_NEW, **PERPETUAL}
        recording.put("TRADE", f"order.d.a.{name}", OrderCreated(id=name, order=order, **values))
    told = recording.rows(f"SELECT price, stop FROM ({ORDERS.format(where='', orders='orders')}) ORDER BY order_id")
    assert told == [(Decimal(9), None), (Decimal(8), None), (Decimal(7), Decimal(8))]


def test_an_order_that_was_changed_shows_the_terms_that_stand(recording: Recording) -> None:
    values = {"at": AT, "venue": "d", "account": "a", "order_id": "o1"}
    terms = {"order_id": "o1", "intent_id": "o1", "venue": "d", "account": "a", "symbol": "SPY", "side": Side.BUY}
    before = Order(**terms, quantity=Decimal(10), order_type=OrderType.LIMIT, limit_price=Decimal(100))
    after = Order(**terms, quantity=Decimal(12), order_type=OrderType.LIMIT, limit_price=Decimal(99))
    asked = {"order": after, "revision": 1}
    recording.put("TRADE", "order.d.a.o1", OrderCreated(id="1", status=OrderStatus.PENDING_NEW, order=before, **values))
    recording.put(
        "TRADE", "order.d.a.o1", OrderPendingReplace(id="2", status=OrderStatus.PENDING_REPLACE, **asked, **values)
    )
    wanted = "SELECT status, quantity, limit_price FROM orders"
    assert recording.rows(wanted) == [("PENDING_REPLACE", Decimal(10), Decimal(100))]
    replaced = OrderReplaced(id="3", status=OrderStatus.NEW, leaves_quantity=Decimal(12), **asked, **values)
    recording.put("TRADE", "order.d.a.o1", replaced)
    assert recording.rows(wanted) == [("NEW", Decimal(12), Decimal(99))]


def test_liquidity_margins_and_leverage_are_columns(recording: Recording) -> None:
    values: dict[str, Any] = {"at": AT, "order_id": "o1", **PERPETUAL}
    maker = Fill(
        execution_id="e", revision=0, order_id="o1", symbol="BTC-USD", side=Side.BUY, quantity=Decimal("0.0001"),
        price=Decimal(100_000), at=AT, liquidity=Liquidity.MAKER,
    )  # fmt: skip
    order = Order(
        order_id="o1", intent_id="o1", symbol="BTC-USD", side=Side.BUY, quantity=Decimal("0.0001"),
        order_type=OrderType.MARKET, reduce_only=True, post_only=True, all_or_none=True,
        display_quantity=Decimal(1), not_before=AT, trigger=TriggerMethod.MID,
        trail_amount=Decimal(2), trail_percent=Decimal(3), limit_offset=Decimal(4),
        activation_price=Decimal(5), **PERPETUAL,
    )  # fmt: skip
    sums = {"cumulative_quantity": Decimal("0.0001"), "leaves_quantity": Decimal(0)}
    recording.put("TRADE", "order.d.a.o1", OrderCreated(id="1", status=OrderStatus.PENDING_NEW, order=order, **values))
    recording.put("TRADE", "order.d.a.o1", OrderFilled(id="2", status=OrderStatus.FILLED, fill=maker, **sums, **values))
    figures = dict.fromkeys(
        ("cash", "net_liquidation", "available_funds", "buying_power", "initial_margin", "maintenance_margin"),
        Decimal(1),
    )
    account = AccountState(
        id="a", at=AT, currency="USD", leverage=Decimal("2.5"), said_at={"cash": AT - HOUR, "daily_pnl": AT - 2 * HOUR},
        cash_by_currency={"HKD": Decimal(-8), "USD": Decimal(2)}, rates={"HKD": Decimal("0.125")},
        **figures, **PERPETUAL,
    )  # fmt: skip
    instrument = Instrument(
        id="i", at=AT, venue="dydx", symbol="BTC-USD", kind=InstrumentKind.PERPETUAL, currency="USD", exchange="DYDX",
        calendar="24/7", tick_size=Decimal(1), lot_size=Decimal("0.0001"), minimum_quantity=Decimal("0.0001"),
        initial_margin=Decimal("0.02"), maintenance_margin=Decimal("0.012"),
    )  # fmt: skip
    claimed = LedgerClaimed(id="l", at=AT, venue="dydx", order=order, attempt_id="7", good_til_block=1234)
    recording.put("STATE", "account.dydx.a", account)
    recording.put("STATE", "md.instrument.dydx.BTC-USD", instrument)
    recording.put("LEDGER", "ledger.dydx.o1", claimed)
    assert recording.rows("SELECT liquidity FROM fills") == [("MAKER",)]
    assert recording.rows("SELECT order_id, reduce_only, post_only FROM orders") == [("o1", True, True)]
    worked = recording.rows("SELECT all_or_none, display_quantity, not_before, trigger_method FROM orders")
    assert worked == [(True, Decimal(1), AT, "MID")]
    trails = recording.rows("SELECT trail_amount, trail_percent, limit_offset, activation_price FROM orders")
    assert trails == [(Decimal(2), Decimal(3), Decimal(4), Decimal(5))]
    assert recording.rows('SELECT leverage, "at" - said_at FROM accounts') == [(Decimal("2.5"), HOUR)]
    recording.put("STATE", "account.dydx.a", replace(account, id="b", said_at={}))
    assert recording.rows('SELECT "at" - said_at FROM accounts') == [(timedelta(0),)]
    assert recording.rows("SELECT initial_margin, maintenance_margin FROM instruments") == [
        (Decimal("0.02"), Decimal("0.012"))
    ]
    assert recording.rows("SELECT attempt_id, good_til_block FROM submissions") == [("7", 1234)]


ROWS, MEMORY_MEGABYTES = 60_000, 40
"""A query's 512 MB for what a million orders leave, in small."""


@pytest.mark.parametrize("view", ["positions", "books", "accounts"])
def test_what_is_now_is_found_without_holding_what_was(recording: Recording, view: str) -> None:
    history = {"positions": "position_history", "books": "book_history", "accounts": "account_history"}[view]
    recording.rows("SET memory_limit = '1GB'")
    recording.rows(
        f"""INSERT INTO typed_{history} BY NAME
        SELECT 1 AS generation, i AS sequence, 'of.' || i % 9 AS subject, i || repeat('v', 900) AS venue
        FROM range({ROWS}) AS numbers(i)"""
    )
    recording.database.checkpoint()
    recording.rows(f"SET memory_limit = '{MEMORY_MEGABYTES}MB'")
    found = recording.rows(f"SELECT sequence FROM (SELECT * FROM {view} ORDER BY venue DESC) ORDER BY sequence")
    assert [sequence for (sequence,) in found] == list(range(ROWS - 9, ROWS))


def test_what_is_now_is_of_the_newest_generation(recording: Recording) -> None:
    for generation, sequence in ((1, 7), (2, 3), (2, 5), (1, 9)):
        recording.rows(
            f"""INSERT INTO typed_book_history BY NAME
            SELECT {generation} AS generation, {sequence} AS sequence, 'book.ibkr.DU1' AS subject"""
        )
    assert recording.rows("SELECT generation, sequence FROM books") == [(2, 5)]


def test_an_order_without_its_beginning_and_one_that_was_rejected_are_shown(recording: Recording) -> None:
    event: dict[str, Any] = {"at": AT, **DESK}
    recording.put(
        "TRADE", "order.ibkr.DU1.o7", OrderDenied(id="1", order_id="o7", status=OrderStatus.DENIED, reason="r", **event)
    )
    recording.put(
        "TRADE",
        "order.ibkr.DU1.o8",
        OrderRejected(id="2", order_id="o8", status=OrderStatus.REJECTED, reason="no", **event),
    )
    assert recording.rows(
        "SELECT order_id, status, symbol, reason, refused_by, created_at, executions FROM orders ORDER BY 1"
    ) == [
        ("o7", "DENIED", None, "r", None, None, None),
        ("o8", "REJECTED", None, "no", "UNSTATED", None, None),
    ]
    assert recording.rows("SELECT order_id FROM orders WHERE refused_by <> 'VENUE'") == [("o8",)]


def test_cash_in_several_currencies_is_shown_in_all_and_by_currency(recording: Recording) -> None:
    """What `signalbox account` asks: both totals at the venue's rates, and none where a rate is missing."""
    owner = {"venue": "ibkr", "account": "a", "currency": "USD"}
    figures = dict.fromkeys(
        ("net_liquidation", "available_funds", "buying_power", "initial_margin", "maintenance_margin"), Decimal(1)
    )
    account = AccountState(
        id="a", at=AT, cash=Decimal("994959.23"), rates={"HKD": Decimal("0.128")},
        cash_by_currency={"USD": Decimal(1_000_000), "HKD": Decimal("-39375.06")}, **owner, **figures,
    )  # fmt: skip
    book = Book(
        id="b", at=AT, cash=Decimal(1_000_000), other_cash={"HKD": Decimal("-39375.06")}, realized_pnl=Decimal(0),
        commission=Decimal(0), fills=1, trade_sequence=1, **owner,
    )  # fmt: skip
    recording.put("STATE", "account.ibkr.a", account)
    asked = f"SELECT cash, desk_cash, cash_by_currency, desk_cash_by_currency FROM ({ACCOUNTS.format(where='')})"
    assert recording.rows(asked) == [(Decimal("994959.23"), None, "HKD -39375.06, USD 1000000", None)]
    recording.put("STATE", "book.ibkr.a", book)
    both = "HKD -39375.06, USD 1000000"
    assert recording.rows(asked) == [(Decimal("994959.23"), Decimal("994959.99"), both, both)]
    recording.put("STATE", "account.ibkr.a", replace(account, id="c", rates={}))
    assert recording.rows(asked)[0][1] is None
    recording.put("STATE", "book.ibkr.a", replace(book, id="d", other_cash={}))
    assert recording.rows(asked)[0][1] == 1_000_000


def test_what_an_order_was_estimated_to_cost_stands_beside_what_it_did(recording: Recording) -> None:
    estimated = Decimal("5.25")
    values: dict[str, Any] = {"at": AT, "cause": "c", **DESK, "order_id": "o1"}
    terms = Order(
        order_id="o1",
        intent_id="o1",
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(1050),
        order_type=OrderType.MARKET,
        estimated_commission=estimated,
        **DESK,
    )
    recording.put(
        "TRADE", "order.ibkr.DU1.o1", OrderCreated(id="o1/1", status=OrderStatus.PENDING_NEW, order=terms, **values)
    )
    approved = IntentApproved(
        id="d1",
        at=AT,
        cause="o1",
        intent_sequence=1,
        intent=INTENT,
        order_id="o1",
        checks=(),
        estimated_commission=estimated,
    )
    recording.put("TRADE", "decision.approved.ibkr.DU1", approved)
    assert recording.rows("SELECT currency, estimated_commission FROM orders") == [("USD", estimated)]
    assert recording.rows("SELECT estimated_commission FROM decisions") == [(estimated,)]


def test_a_product_of_quantity_price_and_multiplier_is_exact(recording: Recording) -> None:
    put_order(recording)
    assert recording.rows("SELECT quantity * price FROM fills") == [(Decimal("44.0"),), (Decimal("60.0"),)]
    assert recording.rows("SELECT sum(quantity * price) FROM fills") == [(Decimal("104.0"),)]
    quantity, price = Decimal("98765.123456789012"), Decimal("12345.123456789012")
    held = Position(
        id="p", at=AT, symbol="SPY", currency="USD", multiplier=Decimal(100), quantity=quantity, mark_price=price,
        average_price=Decimal("434.364079601990049751"), realized_pnl=EXACT, unrealized_pnl=EXACT, commission=EXACT,
        **DESK,
    )  # fmt: skip
    recording.put("STATE", "position.ibkr.DU1.SPY", replace(held, multiplier=Decimal("0.5")))
    with localcontext(prec=50):
        value = quantity * price / 2
    assert recording.rows("SELECT quantity * mark_price * multiplier, average_price, realized_pnl FROM positions") == [
        (value, Decimal("434.364079601990"), EXACT)
    ]


def test_what_has_more_decimals_than_its_column_is_not_shown_as_another_number(recording: Recording) -> None:
    recording.put("BARS", "md.bar.3.ibkr.SPY.1m", Bar(
        id="b", at=AT, venue="ibkr", symbol="SPY", timeframe="1m", start=AT, open=Decimal("0.0000000000001"),
        high=Decimal("0.000000000001"), low=Decimal(1), close=Decimal(2), volume=Decimal(7)))  # fmt: skip
    assert recording.rows("SELECT open, high FROM bars") == [(None, Decimal("0.000000000001"))]


def test_executions_come_in_the_order_in_which_they_were_stored(recording: Recording) -> None:
    event: dict[str, Any] = {"at": AT, "order_id": "o1", "status": OrderStatus.PARTIALLY_FILLED, **DESK}
    sums = {"cumulative_quantity": Decimal(1), "leaves_quantity": Decimal(0)}
    rows = []
    for number in range(1, 301):
        name = number * 7919 % 1000
        executed = OrderPartiallyFilled(id=f"o1/{number}", fill=fill(name, 1, "1"), **sums, **event)
        fee = CommissionBooked(
            id=f"f/{number}", execution_id=f"e{name}", revision=1, commission=Decimal(1), currency="USD", **event
        )
        rows += [(number * 2 - 1, executed), (number * 2, fee)]
    stored = [Stored(sequence, "order.ibkr.DU1.o1", sequence, "", messages.encode(each)) for sequence, each in rows]
    recording.database.write([Batch("TRADE", Place(1, "monday", 600), stored)])
    for view, first in (("fills", 1), ("commissions", 2)):
        found = [sequence for (sequence,) in recording.rows(f"SELECT sequence FROM {view}")]
        assert found == list(range(first, 601, 2))


def denied_order(recording: Recording, name: str, number: int, limit: str) -> None:
    """The decision that denies the intent `name`, and what the OMS says of it."""
    intent = replace(INTENT, id=name, order_type=OrderType.LIMIT, limit_price=Decimal(limit))
    decision = IntentDenied(
        id=f"decision-{number}", at=AT, cause=name, intent_sequence=number, intent=intent, checks=(), reason="no"
    )
    recording.put("TRADE", "decision.denied.ibkr.DU1", decision)
    event = {"order_id": name, "status": OrderStatus.DENIED, "reason": "no", "cause": decision.id, "at": AT, **DESK}
    recording.put("TRADE", f"order.ibkr.DU1.{name}", OrderDenied(id=f"{name}/1", **event))


def test_a_denied_order_has_the_terms_of_the_intent_that_was_denied(recording: Recording) -> None:
    denied_order(recording, "o5", 5, "470.1")
    denied_order(recording, "o6", 6, "1.5")
    put_order(recording)
    rows = recording.rows(
        "SELECT order_id, status, symbol, side, quantity, order_type, limit_price FROM orders ORDER BY 1"
    )
    assert rows == [
        ("o1", "FILLED", "SPY", "BUY", Decimal(100), "MARKET", None),
        ("o5", "DENIED", "SPY", "BUY", Decimal(100), "LIMIT", Decimal("470.1")),
        ("o6", "DENIED", "SPY", "BUY", Decimal(100), "LIMIT", Decimal("1.5")),
    ]


def test_a_cancel_is_no_second_way_of_its_order(recording: Recording) -> None:
    approved = IntentApproved(id="d1", at=AT, cause="o1", intent_sequence=1, intent=INTENT, order_id="o1", checks=())
    recording.put("TRADE", "decision.approved.ibkr.DU1", approved)
    put_order(recording)
    cancel = CancelIntent(id="c1", at=AT, venue="ibkr", order_id="o1")
    of_many = MassCancelIntent(id="m1", at=AT)
    decisions = [
        replace(approved, id="d2", cause="c1", intent=cancel, intent_sequence=2),
        replace(approved, id="d3", cause="m1", intent=of_many, order_id="", intent_sequence=3),
    ]
    for number, each in enumerate(decisions, 1):  # of a stream that was made anew meanwhile: another generation
        row = Stored(number, "decision.approved.ibkr.DU1", 1_800_000_000_000_000_000, "", messages.encode(each))
        recording.database.write([Batch("TRADE", Place(2, "tuesday", number), [row])])
    order = Order(
        order_id="o1", intent_id="o1", symbol="SPY", side=Side.BUY, quantity=Decimal(100), order_type=OrderType.MARKET,
        **DESK,
    )  # fmt: skip
    command = SubmitOrder(id="k1", at=AT, order=order, deadline=AT)
    recording.put("COMMANDS", "command.ibkr.o1.0", command)
    found = recording.rows("SELECT order_id, created_milliseconds, command_milliseconds FROM latencies")
    assert found == [("o1", 1.0, 0.0)]


def test_acts_on_the_books_say_who_why_and_what_came_of_them(recording: Recording) -> None:
    act = SplitPosition(
        id="a1", at=AT, reason="4 for 1", by="anna", symbol="SPY", numerator=Decimal(4), denominator=Decimal(1),
        effective_at=AT, **DESK,
    )  # fmt: skip
    change = PositionChange(
        symbol="SPY", currency="USD", multiplier=Decimal(1), kind=ChangeKind.SPLIT, at=AT, moved=Decimal("37.5"),
        numerator=Decimal(4),
    )  # fmt: skip
    values: dict[str, Any] = {"at": AT, "cause": "a1", "order_id": "_acts", "status": OrderStatus.FILLED, **DESK}
    cash = {"USD": Decimal("-1.25")}
    recording.put(
        "TRADE", "order.ibkr.DU1._acts", BooksAdjusted(id="e1", act=act, changes=(change,), cash=cash, **values)
    )
    recording.put("TRADE", "order.ibkr.DU1._acts", BooksActRefused(id="e2", act=act, reason="twice", **values))
    rows = recording.rows('SELECT act_id, type, outcome, symbol, "by", reason, refused, moved, cash FROM books_acts')
    told = ("a1", "SplitPosition")
    assert rows == [
        (*told, "BOOKED", "SPY", "anna", "4 for 1", None, Decimal("37.5"), cash),
        (*told, "REFUSED", "SPY", "anna", "4 for 1", "twice", None, None),
    ]
    assert recording.rows("SELECT count(*) FROM orders") == [(0,)]


def test_only_the_switch_is_a_trading_state(recording: Recording) -> None:
    act = SplitPosition(
        id="a1", at=AT, reason="r", by="anna", symbol="SPY", numerator=Decimal(4), denominator=Decimal(1),
        effective_at=AT, **DESK,
    )  # fmt: skip
    recording.put("KV_CONTROL", "$KV.CONTROL.books.ibkr.DU1.a1.anna", act)
    assert recording.rows("SELECT * FROM trading_states") == []
