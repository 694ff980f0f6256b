"""Checks of the market: is it open for this kind of order, and is there a price to trust?

Each is a pure function that returns a `Check`. All fail closed: hours or prices that are not known deny.

Sessions: a MARKET order needs regular hours (no break). A MARKET_ON_CLOSE order needs a session whose close is more
than 15 minutes away. A LIMIT or STOP order for the DAY needs a session that still runs: up to its close, or with
`outside_regular_hours` to the end of late trading. GTC and GTD orders may be left to rest at any hour, as far as a
fresh price can be had to hold them against.
"""

from __future__ import annotations

from datetime import timedelta

from signalbox.errors import CalendarError
from signalbox.messages import Check, MarketDataType, OrderType, Side, TimeInForce
from signalbox.sessions import Session, moc_cutoff, session_at

from risk.facts import AHEAD_MAX, CLOCK, OrderFacts
from risk.prices import usable_price
from risk.state import ONE
from risk.wording import UNKNOWN, hour, local_time, moment, plain, seconds


def _session(facts: OrderFacts) -> tuple[Session | None, str, str]:
    """The session under way, its calendar, and why it can not be told ("" = it can)."""
    if facts.instrument is None:
        return None, "", f"the trading hours of {facts.intent.symbol} are not known"
    calendar = facts.instrument.message.calendar
    try:
        return session_at(calendar, facts.now), calendar, ""
    except CalendarError as error:
        return None, calendar, str(error)


def session(facts: OrderFacts) -> Check:
    """See the top of this file for what may be sent when."""
    intent = facts.intent
    found, calendar, reason = _session(facts)
    rests = intent.time_in_force is not TimeInForce.DAY and intent.order_type in (OrderType.LIMIT, OrderType.STOP)
    if not reason and not rests:
        reason = _closed(facts, found)
    hours = "none"
    if found is not None:
        hours = f"{hour(found.open)}-{hour(found.close)} UTC of {hour(found.pre_open)}-{hour(found.post_close)}"
    return Check(
        name="session",
        passed=not reason,
        limit="any hour" if rests else f"{calendar} session: {hours}",
        observed=moment(facts.now),
        source=CLOCK,
        reason=reason,
    )


def _closed(facts: OrderFacts, found: Session | None) -> str:
    intent, now = facts.intent, facts.now
    if found is None:
        return f"{intent.symbol} has no trading session at {moment(now)}"
    if intent.order_type is OrderType.MARKET:
        if found.is_regular(now):
            return ""
        return (
            f"a MARKET order needs regular trading hours, {hour(found.open)} to {hour(found.close)} UTC without breaks"
        )
    end = found.post_close if intent.outside_regular_hours else found.close
    if now < end:
        return ""
    return f"the session of {intent.symbol} ended at {moment(end)}: a DAY order could not work any more"


def close_cutoff(facts: OrderFacts) -> Check:
    """Exchanges stop taking market-on-close orders before the close; the desk stops 15 minutes before."""
    if facts.intent.order_type is not OrderType.MARKET_ON_CLOSE:
        return Check(name="close_cutoff", passed=True, limit="none", observed=moment(facts.now), source=CLOCK)
    found, calendar, reason = _session(facts)
    limit = UNKNOWN
    if not reason and (found is None or (found.open == found.pre_open and found.close == found.post_close)):
        reason = f"{facts.intent.symbol} has no close to trade at"
    elif found is not None:
        cutoff = moc_cutoff(found)
        limit = f"before {moment(cutoff)}"
        if facts.now >= cutoff:
            times = [local_time(calendar, found, at) for at in (cutoff, found.close, facts.now)]
            reason = (
                f"market-on-close orders are refused from {times[0]}, 15 minutes before the close at {times[1]}: "
                f"it is {times[2]}"
            )
    return Check(
        name="close_cutoff", passed=not reason, limit=limit, observed=moment(facts.now), source=CLOCK, reason=reason
    )


# ---------------------------------------------------------------------------------------------------------- prices


def price_present(facts: OrderFacts) -> Check:
    ok = facts.market_price is not None
    reason = "" if ok else f"there is no price of {facts.intent.symbol} to hold the order against"
    return Check(
        name="price_present",
        passed=ok,
        limit="a price",
        observed=plain(facts.market_price),
        source=_quote_source(facts),
        reason=reason,
    )


def price_age(facts: OrderFacts) -> Check:
    limit = facts.limits.price_age_seconds_max
    age = facts.now - facts.quote.message.at if facts.quote is not None else None
    reason = ""
    if age is None:
        reason = f"there is no quote of {facts.intent.symbol}"
    elif age > timedelta(seconds=limit):
        reason = f"the price of {facts.intent.symbol} is {seconds(age)} s old; at most {limit} s are trusted"
    elif -age > AHEAD_MAX:
        reason = f"the price of {facts.intent.symbol} is dated {seconds(-age)} s ahead of the desk clock"
    return Check(
        name="price_age",
        passed=not reason,
        limit=f"{limit} s",
        observed=f"{seconds(age)} s" if age is not None else UNKNOWN,
        source=_quote_source(facts),
        reason=reason,
    )


def market_data_type(facts: OrderFacts) -> Check:
    """Delayed or frozen prices serve to reduce, and for LIMIT orders where the desk file asks for such data."""
    found = facts.quote.message.market_data_type if facts.quote is not None else None
    venue = facts.state.desk.venues.get(facts.intent.venue)
    asked_for = venue.market_data_type if venue is not None else MarketDataType.LIVE
    bounded = facts.intent.order_type is OrderType.LIMIT and found == asked_for
    ok = found is MarketDataType.LIVE or (found is not None and (bounded or facts.worst.reduces is True))
    reason = ""
    if found is None:
        reason = f"there is no quote of {facts.intent.symbol}"
    elif not ok:
        reason = f"the prices of {facts.intent.symbol} are {found}: they are not good enough to open a position with"
    return Check(
        name="market_data_type",
        passed=ok,
        limit=asked_for if bounded else MarketDataType.LIVE,
        observed=found or UNKNOWN,
        source=_quote_source(facts),
        reason=reason,
    )


def price_collar(facts: OrderFacts) -> Check:
    """A limit may not reach further through the market than the collar; a stop must lie beyond what triggers it.

    The other side needs no bound: a limit far from the market rests and does no harm.
    """
    intent, fraction = facts.intent, facts.limits.price_collar_fraction
    market = facts.trigger_price if intent.order_type is OrderType.STOP else facts.market_price
    price = intent.limit_price if intent.limit_price is not None else intent.stop_price
    if price is None:
        return Check(name="price_collar", passed=True, limit="none", observed="no price", source=_quote_source(facts))
    buys = intent.side is Side.BUY
    reason, limit = "", UNKNOWN
    if market is None:
        reason = f"there is no price of {intent.symbol} to hold {plain(price)} against"
    elif intent.order_type is OrderType.STOP:
        limit = f"{'above' if buys else 'below'} {plain(market)}"
        if (price <= market) if buys else (price >= market):
            reason = f"the stop {plain(price)} would be triggered at once: the market is at {plain(market)}"
    else:
        bound = market * (ONE + fraction if buys else ONE - fraction)
        limit = f"{'at most' if buys else 'at least'} {plain(bound)}"
        if (price > bound) if buys else (price < bound):
            reason = (
                f"the limit {plain(price)} is more than {fraction:.2%} through the market of {plain(market)}: "
                f"{limit} is let through"
            )
    return Check(
        name="price_collar",
        passed=not reason,
        limit=limit,
        observed=plain(price),
        source=_quote_source(facts),
        reason=reason,
    )


def oracle_distance(facts: OrderFacts) -> Check:
    """Where a venue has an oracle price, what an order would trade at may be worse than it by the collar at most.

    A book that somebody has emptied, or a feed that has gone wrong, looks like a price; the oracle is a second witness.
    A limit is a bound by itself and stands for the market here.
    """
    intent, fraction, quote = facts.intent, facts.limits.price_collar_fraction, facts.quote
    oracle = usable_price(quote.message.oracle_price) if quote is not None else None
    price = intent.limit_price if intent.limit_price is not None else facts.market_price
    if oracle is None or price is None or intent.order_type is OrderType.STOP:
        return Check(name="oracle_distance", passed=True, limit="none", observed="none", source=_quote_source(facts))
    buys = intent.side is Side.BUY
    bound = oracle * (ONE + fraction if buys else ONE - fraction)
    ok = price <= bound if buys else price >= bound
    limit = f"{'at most' if buys else 'at least'} {plain(bound)}"
    what = "the limit" if intent.limit_price is not None else "the market"
    reason = (
        "" if ok else f"{what} {plain(price)} is more than {fraction:.2%} worse than the oracle price {plain(oracle)}"
    )
    return Check(
        name="oracle_distance",
        passed=ok,
        limit=limit,
        observed=plain(price),
        source=_quote_source(facts),
        reason=reason,
    )


def _quote_source(facts: OrderFacts) -> str:
    return facts.quote.source if facts.quote is not None else "quote"


ORDER_CHECKS = (
    session,
    close_cutoff,
    price_present,
    price_age,
    market_data_type,
    price_collar,
    oracle_distance,
)
