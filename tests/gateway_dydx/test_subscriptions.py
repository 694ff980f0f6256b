"""What the indexer answers to subscriptions, as the service behind its websocket words it."""

from __future__ import annotations

import pytest
from gateway_dydx.subscriptions import ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX, Subscriptions

BOOK, TRADES, MARKETS = ("v4_orderbook", "BTC-USD"), ("v4_trades", "BTC-USD"), ("v4_markets", "v4_markets")


def asked(*keys: tuple[str, str]) -> Subscriptions:
    """Subscriptions that were asked for at second 0; markets are needed."""
    made = Subscriptions()
    for key in keys:
        made.want(key, {"channel": key[0], "id": key[1]}, needed=key is MARKETS)
        made.ask(key, 0.0)
    return made


def test_what_is_needed_makes_it_whole() -> None:
    made = asked(MARKETS, BOOK)
    assert not made.is_whole
    made.confirm(MARKETS)
    assert made.is_whole
    assert not made.is_confirmed(*BOOK)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Internal error, could not fetch data for subscription: v4_orderbook.", "channel": BOOK[0]}
        | {"id": BOOK[1]},
        {"message": "Invalid subscription id for channel: (v4_orderbook-BTC-USD)"},
    ],
    ids=["by fields", "by its text"],
)
def test_an_error_refuses_the_subscription_that_it_names(error: dict[str, str]) -> None:
    made = asked(BOOK, TRADES)
    assert made.take_error(error, 0.0) == BOOK
    assert made.why_refused(*BOOK) == error["message"]
    assert made.why_refused(*TRADES) == ""
    assert made.due(ASK_AGAIN_SECONDS - 0.1) == []
    assert made.due(ASK_AGAIN_SECONDS) == [BOOK]
    made.ask(BOOK, ASK_AGAIN_SECONDS)
    made.confirm(BOOK)
    assert made.why_refused(*BOOK) == ""


def test_a_limit_names_no_id_and_is_told_of_the_one_without_an_answer() -> None:
    made = asked(BOOK, TRADES)
    text = "Per-connection subscription limit reached for v4_orderbook (limit=32)."
    assert made.take_error({"message": text}, 0.0) is None
    made.confirm(TRADES)
    assert made.late(10.1, 10.0) == [BOOK]
    assert made.why_late(BOOK) == text
    assert made.why_late(TRADES) == "no answer to the subscription of v4_trades BTC-USD"


def test_an_error_after_the_first_contents_takes_nothing_away() -> None:
    made = asked(BOOK)
    made.confirm(BOOK)
    twice = {"message": "Invalid subscribe message: already subscribed (v4_orderbook-BTC-USD)"}
    assert made.take_error(twice, 0.0) is None
    assert made.is_confirmed(*BOOK)


def test_a_refused_one_is_asked_for_later_each_time() -> None:
    made, now, waits = asked(BOOK), 0.0, []
    for _ in range(8):
        made.refuse(BOOK, "no", now)
        wait = next(seconds for seconds in (2, 4, 8, 16, 32, 60) if made.due(now + seconds))
        waits.append(wait)
        now += wait
        made.ask(BOOK, now)
    assert waits == [2, 4, 8, 16, 32, 60, 60, ASK_AGAIN_SECONDS_MAX]


def test_another_connection_begins_with_nothing_confirmed_and_nothing_refused() -> None:
    made = asked(BOOK, TRADES)
    made.confirm(BOOK)
    made.refuse(TRADES, "no", 0.0)
    made.begin()
    assert not made.is_confirmed(*BOOK)
    assert made.why_refused(*TRADES) == ""
    assert made.due(1e9) == made.late(1e9, 1.0) == []
    assert list(made) == [BOOK, TRADES]


@pytest.mark.parametrize("text", ["", "nonsense", "Invalid channel: v4_nothing", "(v4_x-)", "\u2028" * 1000])
def test_an_error_that_names_nothing_of_ours_refuses_nothing(text: str) -> None:
    made = asked(BOOK)
    assert made.take_error({"message": text, "channel": None, "id": 7}, 0.0) is None
    assert made.why_refused(*BOOK) == ""
