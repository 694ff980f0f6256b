"""What the demo does at each venue: orders as a user would send them, each with the outcome that it must have.

Owns the intents and what is expected of them. It acts only through `Trader`, with a user's and the operator's
credentials; how fast time runs meanwhile is `demo`'s.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from signalbox.bus import Bus
from signalbox.messages import (
    Decision,
    IntentApproved,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TimeInForce,
    TradingMode,
)

from signalbox_cli.demo_trader import DemoFailedError, Story, Trader
from signalbox_cli.trading import set_trading_state

CENT, DOLLAR = Decimal("0.01"), Decimal(1)
PERPETUAL_LOT = Decimal("0.0001")
HALT_ATTEMPTS_MAX = 50

SHARES_REST, PERPETUAL_RESTS = "demo-rests", "demo-perpetual-rests"
"""The orders that stand until the end of the day."""


# ------------------------------------------------------------------------------------------------------------- shares


async def tell_shares(trader: Trader, operator: Bus, story: Story) -> None:
    """A stock at ibkr: market, limits, a part, a stop, refusals, a halt."""
    approved(await trader.send("demo-market", quantity=Decimal(100)))
    await trader.status("demo-market", OrderStatus.FILLED)
    story.say("demo-market: BUY 100 at market: approved, FILLED")
    far = below(await trader.quote(), "0.97", CENT)
    approved(await trader.send("demo-limit", quantity=Decimal(100), limit_price=far))
    await _stands_then_canceled(trader, "demo-limit")
    story.say(f"demo-limit: BUY 100 at {far} limit: approved, NEW, then CANCELED on request")
    await _fill_in_part(trader, story)
    stop = {"side": Side.SELL, "order_type": OrderType.STOP, "stop_price": far}
    approved(await trader.send("demo-stop", quantity=Decimal(50), **stop))
    await _stands_then_canceled(trader, "demo-stop")
    story.say(f"demo-stop: SELL 50 stop at {far}: approved, NEW, then CANCELED on request")

    story.say(_denied("demo-large: BUY 50000", await trader.send("demo-large", quantity=Decimal(50_000))))
    malformed = b'{"type":"OrderIntent","id":"demo-malformed","quantity":"ten"'
    story.say(_denied("a malformed message", await trader.send_bytes(malformed)))
    unknown = await trader.send("demo-nosuch", symbol="NOSUCH", quantity=Decimal(100))
    story.say(_denied("demo-nosuch: BUY 100 NOSUCH", unknown))
    story.say(_denied("demo-market once more", await trader.send("demo-market", quantity=Decimal(100))))
    await tell_halt(trader, operator, story, Decimal(1), CENT)

    approved(await trader.send("demo-sell", side=Side.SELL, quantity=Decimal(40)))
    await trader.status("demo-sell", OrderStatus.FILLED)
    story.say("demo-sell: SELL 40 at market: approved, FILLED")
    approved(await trader.send(SHARES_REST, quantity=Decimal(100), limit_price=far))
    await trader.status(SHARES_REST, OrderStatus.NEW)
    story.say(f"{SHARES_REST}: BUY 100 at {far} limit: approved, NEW; it will rest until the close")


# --------------------------------------------------------------------------------------------------------- perpetuals


async def tell_perpetual(trader: Trader, story: Story) -> None:
    """A perpetual at dydx: taking, quoting, a part, a stop, a good-till-cancelled order, reduce-only, refusals."""
    name = trader.symbol
    approved(await trader.send("demo-perpetual", quantity=Decimal("0.05")))
    await trader.status("demo-perpetual", OrderStatus.FILLED)
    taken = trader.watch.fills("demo-perpetual")[0].fill
    story.say(f"demo-perpetual: BUY 0.05 {name} at market: approved, FILLED at {taken.price}, as {taken.liquidity}")
    far = below(await trader.quote(), "0.97", DOLLAR)
    approved(await trader.send("demo-quote", quantity=Decimal("0.02"), limit_price=far))
    await _stands_then_canceled(trader, "demo-quote")
    story.say(f"demo-quote: BUY 0.02 {name} at {far} limit, short-term: approved, NEW, then CANCELED on request")
    approved(await trader.send("demo-perpetual-part", quantity=Decimal(8)))
    await trader.status("demo-perpetual-part", OrderStatus.CANCELED)
    filled = trader.watch.filled("demo-perpetual-part")
    if not filled:
        raise DemoFailedError("order demo-perpetual-part should have filled in part, but nothing was filled")
    story.say(f"demo-perpetual-part: BUY 8 {name} at market: approved, {filled} filled, the rest CANCELED at once")
    stop = {"side": Side.SELL, "order_type": OrderType.STOP, "stop_price": far, "time_in_force": TimeInForce.GTC}
    approved(await trader.send("demo-perpetual-stop", quantity=Decimal("0.02"), **stop))
    await _stands_then_canceled(trader, "demo-perpetual-stop")
    story.say(f"demo-perpetual-stop: SELL 0.02 {name} stop at {far}, on the chain: approved, NEW, then CANCELED")

    reducing = {"side": Side.SELL, "reduce_only": True}
    too_much = await trader.send("demo-turn", quantity=Decimal(9), **reducing)
    story.say(_denied(f"demo-turn: SELL 9 {name} reduce-only", too_much))
    crumb = await trader.send("demo-crumb", quantity=PERPETUAL_LOT / 10, limit_price=far)
    story.say(_denied(f"demo-crumb: BUY {PERPETUAL_LOT / 10} {name}", crumb))
    at_close = await trader.send("demo-close", quantity=Decimal("0.02"), order_type=OrderType.MARKET_ON_CLOSE)
    story.say(_denied(f"demo-close: BUY 0.02 {name} at the close", at_close))
    approved(await trader.send("demo-reduce", quantity=Decimal("0.02"), **reducing))
    await trader.status("demo-reduce", OrderStatus.FILLED)
    story.say(f"demo-reduce: SELL 0.02 {name} at market, reduce-only: approved, FILLED")
    resting = {"limit_price": far, "time_in_force": TimeInForce.GTC}
    approved(await trader.send(PERPETUAL_RESTS, quantity=Decimal("0.02"), **resting))
    await trader.status(PERPETUAL_RESTS, OrderStatus.NEW)
    story.say(f"{PERPETUAL_RESTS}: BUY 0.02 {name} at {far} limit, GTC, on the chain: approved, NEW; it rests for now")


async def end_perpetual(trader: Trader, story: Story) -> None:
    """The day is over: funding was paid for each hour, and what rests is cancelled."""
    approved(await trader.cancel(PERPETUAL_RESTS))
    await trader.status(PERPETUAL_RESTS, OrderStatus.CANCELED)
    story.say(f"{PERPETUAL_RESTS}: CANCELED on request at the end of the day")
    paid = sum((event.amount for event in trader.watch.funding), Decimal(0))
    hours = len(trader.watch.funding)
    if not hours:
        raise DemoFailedError("no funding was paid, though a perpetual was held over the hour")
    story.say(f"funding of {hours} hours: {paid.normalize():f} USD ({'received' if paid > 0 else 'paid'})")


# ------------------------------------------------------------------------------------------------------------ of both


async def tell_halt(trader: Trader, operator: Bus, story: Story, quantity: Decimal, step: Decimal) -> None:
    """Halt, be denied, resume. Risk sees a new trading state within 2 s: ask until it has."""
    now = trader.watch.clock.now
    await set_trading_state(operator, TradingMode.HALTED, "the demo's halt", "operator", at=now())
    decision = await _until_verdict(trader, "demo-halted", quantity, step, approved=False)
    story.say(_denied(f"demo-halted: BUY {quantity} while the desk is halted", decision))
    await set_trading_state(operator, TradingMode.ACTIVE, "the demo goes on", "operator", at=now())
    await _until_verdict(trader, "demo-resumed", quantity, step, approved=True)
    story.say("demo-resumed: a limit order far away after `resume`: approved, then canceled")


def below(quote: Quote, part: str, step: Decimal) -> Decimal:
    """A price so much below the bid, on the tick."""
    assert quote.bid is not None
    return (quote.bid * Decimal(part)).quantize(step, ROUND_DOWN)


async def _stands_then_canceled(trader: Trader, order_id: str) -> None:
    await trader.status(order_id, OrderStatus.NEW)
    approved(await trader.cancel(order_id))
    await trader.status(order_id, OrderStatus.CANCELED)


async def _fill_in_part(trader: Trader, story: Story) -> None:
    """Ask for more than the quote has, at the ask: the first fill is a part; then cancel what is left."""
    order_id = "demo-part"
    quote = await trader.quote()
    assert quote.ask is not None
    assert quote.ask_size is not None
    affordable = (Decimal(900_000) / quote.ask).quantize(Decimal(100), ROUND_DOWN)
    quantity = min(quote.ask_size * 4, affordable, Decimal(5000))
    approved(await trader.send(order_id, limit_price=quote.ask, quantity=quantity))
    status = await trader.status(order_id, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
    if status is not OrderStatus.PARTIALLY_FILLED:
        raise DemoFailedError(f"order {order_id} should have filled in part, but is {status}")
    approved(await trader.cancel(order_id))
    end = await trader.status(order_id, OrderStatus.CANCELED, OrderStatus.FILLED)
    filled = trader.watch.filled(order_id)
    story.say(
        f"{order_id}: BUY {quantity} at {quote.ask} limit: approved, PARTIALLY_FILLED, then {end}: {filled} filled"
    )


async def _until_verdict(trader: Trader, name: str, quantity: Decimal, step: Decimal, *, approved: bool) -> Decision:
    """Send limit orders far from the market until one is approved (or denied); the others are canceled."""
    far = below(await trader.quote(), "0.96", step)
    for attempt in range(1, HALT_ATTEMPTS_MAX + 1):
        suffix = "" if attempt == 1 else f"-{attempt}"
        decision = await trader.send(name + suffix, limit_price=far, quantity=quantity)
        if isinstance(decision, IntentApproved):
            await _stands_then_canceled(trader, decision.order_id)
        if isinstance(decision, IntentApproved) is approved:
            return decision
    raise DemoFailedError(f"{name}: the trading state is not in force")


def approved(decision: Decision) -> None:
    """Go on if it was."""
    if not isinstance(decision, IntentApproved):
        name = decision.intent.id if decision.intent else f"TRADE:{decision.intent_sequence}"
        raise DemoFailedError(f"{name} should have been approved, but: {decision.reason}")


def _denied(what: str, decision: Decision) -> str:
    if isinstance(decision, IntentApproved):
        raise DemoFailedError(f"{what} should have been denied, but was approved")
    return f"{what}: denied: {decision.reason}"
