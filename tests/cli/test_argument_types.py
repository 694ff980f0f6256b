"""What the words of a command line may be, and what a wrong one is told."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.client.record import sql_text
from signalbox.errors import ConfigurationError
from signalbox.messages import (
    OrderIntent,
    OrderType,
    PositionAction,
    PositionIntent,
    Side,
    TimeInForce,
    TriggerMethod,
)
from signalbox_cli import argument_types
from signalbox_cli.__main__ import build_parser
from signalbox_cli.order_options import order_intent, order_type
from signalbox_cli.positioning import position_intent
from signalbox_cli.trading import add_commands


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (argument_types.decimal_number, "470.10", Decimal("470.10")),
        (argument_types.decimal_number, "-5", Decimal(-5)),
        (argument_types.count, "1", 1),
        (argument_types.speed, "0.5", 0.5),
        (argument_types.size, "512MB", 512 * 1024**2),
        (argument_types.size, "20GB", 20 * 1024**3),
        (argument_types.symbol, "700", "0700.HK"),
        (argument_types.symbol, "BRK B", "BRK B"),
        (argument_types.subject, "md.quote.>", "md.quote.>"),
        (argument_types.subject, "md.bar.*.0700%2EHK.1m", "md.bar.*.0700%2EHK.1m"),
        (argument_types.time, "2024-03-05T16:00:00+01:00", datetime(2024, 3, 5, 15, tzinfo=UTC)),
    ],
)
def test_good_word_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (argument_types.decimal_number, "ten", "'ten' is not a number"),
        (argument_types.decimal_number, "NaN", "'NaN' is not a finite number"),
        (argument_types.decimal_number, "inf", "'inf' is not a finite number"),
        (argument_types.count, "0", "'0' is not a number from 1 on"),
        (argument_types.count, "-3", "'-3' is not a number from 1 on"),
        (argument_types.count, "²", "'²' is not a number from 1 on"),
        (argument_types.speed, "fast", "'fast' is not a number"),
        (argument_types.speed, "0", "'0' is not a speed: it must be above 0"),
        (argument_types.speed, "nan", "'nan' is not a speed: it must be above 0"),
        (argument_types.subject, "", "'' is not a subject like md.quote.* or order.>"),
        (argument_types.subject, "a b", "'a b' is not a subject like md.quote.* or order.>"),
        (argument_types.subject, "m" * 2001, f"'{'m' * 60}'... has 2001 characters, and is no subject"),
        (argument_types.subject, "md..x", "'md..x' is not a subject like md.quote.* or order.>"),
        (argument_types.subject, "md.>.x", "'md.>.x' is not a subject like md.quote.* or order.>"),
        (argument_types.time, "noon", "'noon' is not a time like 2026-01-31T21:00:00Z"),
        (argument_types.time, "2024-03-05T16:00", "'2024-03-05T16:00' has no time zone: end it with Z or +01:00"),
    ],
)
def test_wrong_word_is_refused_with_what_to_write(read: Callable[[str], object], text: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refusal:
        read(text)
    assert str(refusal.value) == told


@given(st.text())
def test_any_text_is_a_symbol_or_is_refused(text: str) -> None:
    with contextlib.suppress(argparse.ArgumentTypeError):
        assert argument_types.symbol(text)


def terms(**given_: object) -> argparse.Namespace:
    return argparse.Namespace(
        **(
            dict.fromkeys(("limit", "stop", "touch", "on_close", "on_open", "to_limit", "trail", "limit_offset"))
            | given_
        )
    )


@pytest.mark.parametrize(
    ("given_", "kind"),
    [
        ({}, OrderType.MARKET),
        ({"limit": Decimal(1)}, OrderType.LIMIT),
        ({"limit": Decimal(0)}, OrderType.LIMIT),
        ({"stop": Decimal(1)}, OrderType.STOP),
        ({"stop": Decimal(1), "limit": Decimal(2)}, OrderType.STOP_LIMIT),
        ({"touch": Decimal(1)}, OrderType.MARKET_IF_TOUCHED),
        ({"touch": Decimal(1), "limit": Decimal(2)}, OrderType.LIMIT_IF_TOUCHED),
        ({"on_close": True}, OrderType.MARKET_ON_CLOSE),
        ({"on_close": True, "limit": Decimal(1)}, OrderType.LIMIT_ON_CLOSE),
        ({"on_open": True}, OrderType.MARKET_ON_OPEN),
        ({"on_open": True, "limit": Decimal(1)}, OrderType.LIMIT_ON_OPEN),
        ({"to_limit": True}, OrderType.MARKET_TO_LIMIT),
    ],
)
def test_options_make_the_order_type(given_: dict[str, object], kind: OrderType) -> None:
    assert order_type(terms(**given_)) is kind


def test_a_market_to_limit_order_is_given_no_limit() -> None:
    with pytest.raises(ConfigurationError, match="--to-limit gets its limit from its first fill"):
        order_type(terms(to_limit=True, limit=Decimal(1)))


@pytest.mark.parametrize("more", ["--stop 1", "--touch 1", "--on-close", "--to-limit"])
def test_of_what_says_how_it_trades_one_is_let_through(more: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        intent_of(f"intent buy 1 SPY --on-open {more}")
    assert "not allowed with argument --on-open" in capsys.readouterr().err


def intent_of(words: str) -> OrderIntent:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    return order_intent(parser.parse_args(words.split()), datetime(2026, 1, 5, tzinfo=UTC))


def test_options_make_the_intent() -> None:
    intent = intent_of("intent buy 0.01 BTC-USD --limit 95000 --tif ioc --reduce-only")
    assert (intent.venue, intent.symbol, intent.side) == ("dydx", "BTC-USD", Side.BUY)
    assert (intent.order_type, intent.limit_price) == (OrderType.LIMIT, Decimal(95_000))
    assert (intent.time_in_force, intent.reduce_only, intent.post_only) == (TimeInForce.IOC, True, False)
    stopped = intent_of("intent sell 1 SPY --stop 460 --limit 458.5")
    assert (stopped.venue, stopped.order_type) == ("ibkr", OrderType.STOP_LIMIT)
    assert (stopped.stop_price, stopped.limit_price) == (Decimal(460), Decimal("458.5"))
    touched = intent_of("intent sell 1 SPY --touch 490")
    assert (touched.order_type, touched.stop_price) == (OrderType.MARKET_IF_TOUCHED, Decimal(490))
    assert intent_of("intent sell 1 BTC-USD --limit 95000 --post-only").post_only
    plain = intent_of("intent sell 1 SPY")
    assert (plain.all_or_none, plain.display_quantity, plain.not_before) == (False, None, None)
    assert plain.trigger is TriggerMethod.DEFAULT
    worked = intent_of("intent sell 9 SPY --limit 1 --all-or-none --display 3 --not-before 2026-01-05T15:00:00Z")
    assert (worked.all_or_none, worked.display_quantity) == (True, Decimal(3))
    assert worked.not_before == datetime(2026, 1, 5, 15, tzinfo=UTC)
    by_amount = intent_of("intent sell 1 SPY --trail 2.50 --limit-offset 0.1")
    assert (by_amount.order_type, by_amount.trail_percent) == (OrderType.TRAILING_STOP_LIMIT, None)
    assert (by_amount.trail_amount, by_amount.limit_offset) == (Decimal("2.50"), Decimal("0.1"))
    by_percent = intent_of("intent sell 1 SPY --trail 1.5%")
    assert (by_percent.order_type, by_percent.trail_amount) == (OrderType.TRAILING_STOP, None)
    assert (by_percent.trail_percent, by_percent.activation_price) == (Decimal("1.5"), None)
    assert intent_of("intent sell 1 SPY --trail 1.5% --activation 460").activation_price == 460
    with pytest.raises(ConfigurationError, match="say --limit-offset, not --limit"):
        intent_of("intent sell 1 SPY --trail 1.5% --limit 3")
    assert intent_of("intent sell 1 SPY --stop 460 --trigger bid-ask").trigger is TriggerMethod.BID_ASK


def test_quoted_text_comes_back_out_of_the_database() -> None:
    import duckdb

    with duckdb.connect() as database:  # one for all of them: to open it takes a hundred times as long as to ask

        @given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
        def comes_back(text: str) -> None:
            assert database.execute(f"SELECT {sql_text(text)}").fetchall() == [(text,)]

        comes_back()


def wish_of(words: str) -> PositionIntent:
    return position_intent(build_parser(words.split()).parse_args(words.split()), datetime(2026, 1, 5, tzinfo=UTC))


def test_options_make_the_wish_for_a_position() -> None:
    target = wish_of("target SPY -50 --valid-until 2026-01-05T21:00:00Z --strategy trend")
    assert (target.venue, target.symbol, target.action) == ("ibkr", "SPY", PositionAction.TARGET)
    assert (target.quantity, target.share, target.limit_price, target.strategy) == (Decimal(-50), None, None, "trend")
    assert target.valid_until == datetime(2026, 1, 5, 21, tzinfo=UTC)
    half = wish_of("position reduce_long BTC-USD 50% --limit 95000 --tif gtc")
    assert (half.venue, half.action) == ("dydx", PositionAction.REDUCE_LONG)
    assert (half.quantity, half.share, half.limit_price) == (None, Decimal("0.5"), Decimal(95_000))
    assert half.time_in_force is TimeInForce.GTC
    assert wish_of("position OPEN_SHORT SPY 100").quantity == Decimal(100)
    closed = wish_of("position close_short SPY --id mine")
    assert (closed.id, closed.quantity, closed.share) == ("mine", None, None)
