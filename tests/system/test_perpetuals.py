"""Trading dydx from the command line: the symbol says the venue, and what is special there shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.running_desk import RunningDesk

ACCOUNT = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"


def bid(desk: RunningDesk, symbol: str) -> Decimal:
    [quote] = desk.lines("watch", f"md.quote.dydx.{symbol}", "--count", "1")
    return Decimal(quote["message"]["bid"])


def far_below(desk: RunningDesk) -> str:
    return str(int(bid(desk, "BTC-USD") * Decimal("0.96")))


def approved_id(desk: RunningDesk, *words: str) -> str:
    [decision] = desk.lines("intent", *words)
    assert decision["type"] == "IntentApproved", decision
    assert decision["intent"]["venue"] == "dydx"
    return str(decision["order_id"])


def status_of(desk: RunningDesk, order_id: str) -> str | None:
    rows = desk.query(f"SELECT status FROM orders WHERE order_id = '{order_id}'")
    return str(rows[0]["status"]) if rows else None


def test_market_order_is_filled_as_taker_for_a_fee(desk: RunningDesk) -> None:
    decision, *events = desk.lines("intent", "buy", "0.01", "BTC-USD", "--follow")
    assert decision["intent"]["account"] == ACCOUNT
    [fill] = [event["fill"] for event in events if event["type"] == "OrderFilled"]
    assert (fill["quantity"], fill["liquidity"]) == ("0.01", "TAKER")
    paid = f"SELECT commission FROM commissions WHERE order_id = '{decision['order_id']}'"
    desk.until(lambda: desk.query(paid))
    [row] = desk.query(paid)
    assert Decimal(row["commission"]) == Decimal(fill["price"]) * Decimal("0.01") * Decimal("0.0005")
    desk.until(lambda: [row for row in desk.lines("positions", "--venue", "dydx") if row["symbol"] == "BTC-USD"])


@pytest.mark.parametrize("kind", ["day", "good till cancelled", "stop"])
def test_order_rests_and_is_canceled_by_its_id_alone(desk: RunningDesk, kind: str) -> None:
    price = far_below(desk)
    words = {
        "day": ["buy", "0.02", "BTC-USD", "--limit", price],
        "good till cancelled": ["buy", "0.02", "BTC-USD", "--limit", price, "--tif", "GTC"],
        "stop": ["sell", "0.02", "BTC-USD", "--stop", price],
    }[kind]
    order_id = approved_id(desk, *words)
    desk.until(lambda: status_of(desk, order_id) == "NEW")
    assert order_id in desk.run("orders", "--working", "--venue", "dydx").stdout
    assert order_id not in desk.run("orders", "--working", "--venue", "ibkr").stdout
    assert desk.run("cancel", order_id).returncode == 0
    desk.until(lambda: status_of(desk, order_id) == "CANCELED", 60.0)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (["buy", "0.00001", "BTC-USD"], "lot size"),
        (["buy", "100", "BTC-USD"], "may be worth"),
        (["buy", "0.01", "DOGE-USD"], "is not among the desk file's instruments"),
        (["buy", "0.01", "BTC-USD", "--limit", "70000.5"], "tick size"),
        (["buy", "0.01", "BTC-USD", "--on-close"], "has no close and no opening to trade at"),
        (["sell", "9", "BTC-USD", "--reduce-only"], "reduce_only"),
        (["buy", "0.01", "BTC-USD", "--venue", "ibkr"], "at 'ibkr' is not among"),
    ],
)
def test_denied_intent_says_why(desk: RunningDesk, terms: list[str], reason: str) -> None:
    done = desk.run("intent", *terms)
    assert (done.returncode, done.stderr) == (3, ""), done
    assert reason.lower() in done.stdout.splitlines()[0].lower()


def test_account_has_margin_and_leverage(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "0.02", "ETH-USD", "--follow").returncode == 0

    def is_leveraged() -> bool:
        [row] = desk.lines("account", "--venue", "dydx")
        return row["leverage"] is not None and Decimal(str(row["initial_margin"])) > 0

    desk.until(is_leveraged)
    [row] = desk.lines("account", "--venue", "dydx")
    assert (row["account"], row["currency"]) == (ACCOUNT, "USD")


def test_instruments_and_funding_rates_are_recorded(desk: RunningDesk) -> None:
    rows = desk.query("SELECT symbol, initial_margin, calendar FROM instruments WHERE venue = 'dydx' ORDER BY symbol")
    assert [row["symbol"] for row in rows] == ["BTC-USD", "ETH-USD"]
    assert all(Decimal(row["initial_margin"]) > 0 and row["calendar"] == "24/7" for row in rows)
    desk.until(lambda: desk.query("SELECT rate FROM funding_rates WHERE symbol = 'BTC-USD'"))


def test_perpetuals_have_bars_and_scores(desk: RunningDesk) -> None:
    desk.until(lambda: {row["timeframe"] for row in desk.lines("scores", "--symbol", "BTC-USD")} == {"1m", "5m"}, 60.0)


def test_the_key_is_in_its_file_alone(desk: RunningDesk) -> None:
    file = desk.folder / "credentials" / "dydx-mnemonic"
    assert file.stat().st_mode & 0o777 == 0o600
    words = file.read_bytes().strip()
    assert not [path for path in (desk.folder / "logs").iterdir() if words in path.read_bytes()]
    assert words.decode() not in desk.http("gateway-dydx", "/metrics")[1]
