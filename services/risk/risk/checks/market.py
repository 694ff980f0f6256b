"""Checks of the market: does the venue take orders for it, is it open for this kind, is there a price to trust?

Each is a pair of pure functions: why an intent fails it, and what is told of it. All fail closed: hours or prices that
are not known deny.

Sessions: a MARKET order, or a MARKET_TO_LIMIT order, needs regular hours (no break). An order for the close needs a
session whose close is more than 15 minutes away; one for the opening comes before its deadline (`auctions`). A LIMIT or
stop order for the DAY needs a session that still runs: up to its close, or with `outside_regular_hours` to the end of
late trading. GTC and GTD orders may be left to rest at any hour, as far as a fresh price can be had to hold them
against. An IOC or FOK order never waits: its market must be open now.
"""

from __future__ import annotations

from decimal import Decimal

from signalbox.errors import CalendarError
from signalbox.messages import MarketDataType, MarketState, OrderType, TimeInForce
from signalbox.order_terms import AT_ONCE, AT_OPEN, IF_TOUCHED, TRIGGERED, WITH_LIMIT, WITH_STOP
from signalbox.sessions import session_at

from risk.checks.auctions import AUCTION_ROWS, session_of
from risk.checks.rows import Limit, Row, Told, always
from risk.facts import AGE_MIN, CLOCK, OrderFacts
from risk.prices import trigger_price, usable_price
from risk.state import BUY, ONE
from risk.wording import UNKNOWN, hour, moment, plain, seconds

_LIMIT, _AT_MARKET = OrderType.LIMIT, frozenset({OrderType.MARKET, OrderType.MARKET_TO_LIMIT})
_RESTING = WITH_LIMIT | TRIGGERED
_LIVE, _OPEN = MarketDataType.LIVE, MarketState.OPEN
_LASTING = frozenset({TimeInForce.GTC, TimeInForce.GTD})


def _rests(facts: OrderFacts) -> bool:
    intent = facts.intent
    return intent.time_in_force in _LASTING and intent.order_type in _RESTING


def session(facts: OrderFacts) -> str:
    """See the top of this file for what may be sent when."""
    intent, now, instrument = facts.intent, facts.now, facts.basis.instrument
    if instrument is None:
        return f"the trading hours of {intent.symbol} are not known"
    try:
        found = session_at(instrument.calendar, now)
    except CalendarError as error:
        return str(error)
    if _rests(facts) or intent.order_type in AT_OPEN:
        return ""
    if found is None:
        return f"{intent.symbol} has no trading session at {moment(now)}"
    at_once = intent.time_in_force in AT_ONCE
    if intent.order_type in _AT_MARKET or (at_once and not intent.outside_regular_hours):
        if found.is_regular(now):
            return ""
        what = f"an {intent.time_in_force} order" if at_once else f"a {intent.order_type} order"
        return f"{what} needs regular trading hours, {hour(found.open)} to {hour(found.close)} UTC without breaks"
    end = found.post_close if intent.outside_regular_hours else found.close
    if now < end:
        return ""
    return f"the session of {intent.symbol} ended at {moment(end)}: a DAY order could not work any more"


def tell_session(facts: OrderFacts) -> Told:
    found, calendar, _ = session_of(facts)
    hours = "none"
    if found is not None:
        hours = f"{hour(found.open)}-{hour(found.close)} UTC of {hour(found.pre_open)}-{hour(found.post_close)}"
    return (
        "any hour" if _rests(facts) or facts.intent.order_type in AT_OPEN else f"{calendar} session: {hours}",
        moment(facts.now),
        CLOCK,
    )


_NOT_OPEN = {
    MarketState.POST_ONLY: "{venue} takes only orders with post_only for {symbol} now",
    MarketState.CANCEL_ONLY: "{venue} takes only cancels for {symbol} now",
    MarketState.PAUSED: "trading in {symbol} is paused at {venue}",
    MarketState.INITIALIZING: "{symbol} does not trade at {venue} yet",
    MarketState.SETTLING: "{venue} is closing {symbol} for good, and settles what is held there by itself",
    MarketState.UNKNOWN: "it is not known whether {venue} takes orders for {symbol} now",
}


def market_state(facts: OrderFacts) -> str:
    """The venue's own word, for every order: one that reduces is refused there as well."""
    found, intent = facts.basis.instrument, facts.intent
    if found is None or found.market_state is _OPEN:
        return ""  # an instrument that is not known fails other checks
    if found.market_state is MarketState.POST_ONLY and intent.post_only:
        return ""
    return _NOT_OPEN[found.market_state].format(venue=intent.venue, symbol=intent.symbol)


def tell_market_state(facts: OrderFacts) -> Told:
    found = facts.basis.instrument
    limit = f"{MarketState.OPEN} or {MarketState.POST_ONLY}" if facts.intent.post_only else MarketState.OPEN
    return (limit, found.market_state, found.source) if found else (limit, UNKNOWN, "STATE")


def is_isolated(facts: OrderFacts) -> bool:
    found = facts.basis.instrument
    return found is not None and found.is_isolated


def margin_mode(facts: OrderFacts) -> str:
    """A position in an isolated market would have the sub-account refuse all others."""
    intent = facts.intent
    if not is_isolated(facts) or facts.reduces is True:
        return ""
    return (
        f"{intent.symbol} is an isolated market of {intent.venue}: while it is held the account can hold nothing else; "
        "only what reduces is let through"
    )


def tell_margin_mode(facts: OrderFacts) -> Told:
    found = facts.basis.instrument
    if found is None:
        return "cross", UNKNOWN, "STATE"
    return "any" if facts.reduces else "cross", "isolated" if found.is_isolated else "cross", found.source


# ---------------------------------------------------------------------------------------------------------- prices


def price_present(facts: OrderFacts) -> str:
    if facts.market_price is not None:
        return ""
    return f"there is no price of {facts.intent.symbol} to hold the order against"


def tell_price_present(facts: OrderFacts) -> Told:
    return "a price", plain(facts.market_price), _quote_source(facts)


def price_age(facts: OrderFacts) -> str:
    quote, limit = facts.basis.quote, facts.limits.price_age_seconds_max
    if quote is None:
        return f"there is no quote of {facts.intent.symbol}"
    age = facts.now - quote.at
    if age > facts.in_force.price_age_max:
        return f"the price of {facts.intent.symbol} is {seconds(age)} s old; at most {limit} s are trusted"
    if age < AGE_MIN:
        return f"the price of {facts.intent.symbol} is dated {seconds(-age)} s ahead of the desk clock"
    return ""


def tell_price_age(facts: OrderFacts) -> Told:
    quote = facts.basis.quote
    observed = f"{seconds(facts.now - quote.at)} s" if quote is not None else UNKNOWN
    return f"{facts.limits.price_age_seconds_max} s", observed, _quote_source(facts)


def _bounded(facts: OrderFacts) -> str:
    """The kind of data that the desk file asks for, where a LIMIT order is held against just that; else ""."""
    venue = facts.rules.desk.venues.get(facts.intent.venue)
    asked_for = venue.market_data_type if venue is not None else _LIVE
    quote = facts.basis.quote
    same = facts.intent.order_type is _LIMIT and quote is not None and quote.market_data_type == asked_for
    return asked_for if same else ""


def market_data_type(facts: OrderFacts) -> str:
    """Delayed or frozen prices serve to reduce, and for LIMIT orders where the desk file asks for such data."""
    quote, symbol = facts.basis.quote, facts.intent.symbol
    if quote is None:
        return f"there is no quote of {symbol}"
    if quote.market_data_type is _LIVE or facts.reduces is True or _bounded(facts):
        return ""
    return f"the prices of {symbol} are {quote.market_data_type}: they are not good enough to open a position with"


def tell_market_data_type(facts: OrderFacts) -> Told:
    quote = facts.basis.quote
    observed = quote.market_data_type if quote is not None else UNKNOWN
    return _bounded(facts) or _LIVE, observed, _quote_source(facts)


def _trigger_market(facts: OrderFacts) -> Decimal | None:
    """What a stop is held against: it must lie beyond."""
    quote = facts.basis.quote
    return trigger_price(quote, facts.intent.side) if quote is not None else None


def _limit_market(facts: OrderFacts) -> Decimal | None:
    """What a limit is held against: one behind a stop is met by a market at that stop."""
    return facts.market_price if facts.intent.stop_price is None else facts.intent.stop_price


def _bound(facts: OrderFacts, price: Decimal) -> Decimal:
    """The worst price that is let through when `price` is the measure."""
    fraction = facts.limits.price_collar_fraction
    return price * (ONE + fraction if facts.intent.side is BUY else ONE - fraction)


def _shown_bound(facts: OrderFacts, price: Decimal) -> str:
    return f"{'at most' if facts.intent.side is BUY else 'at least'} {plain(_bound(facts, price))}"


def price_collar(facts: OrderFacts) -> str:
    """A limit may not reach further through the market than the collar; a stop must lie beyond what triggers it.

    The other side needs no bound: a limit far from the market rests and does no harm. The limit behind a stop is held
    against the stop: that is where the market will be.
    """
    intent = facts.intent
    if intent.stop_price is not None and (fault := _stop_at_fault(facts, intent.stop_price)):
        return fault
    limit = intent.limit_price
    if limit is None:
        return ""
    market, buys = _limit_market(facts), intent.side is BUY
    if market is not None and ((limit <= market) if buys else (limit >= market)):
        return ""
    return _limit_at_fault(facts, limit, market)


def _stop_at_fault(facts: OrderFacts, price: Decimal) -> str:
    market = _trigger_market(facts)
    if market is None:
        return f"there is no price of {facts.intent.symbol} to hold {plain(price)} against"
    if (price <= market) if _lies_above(facts) else (price >= market):
        return f"the stop {plain(price)} would be triggered at once: the market is at {plain(market)}"
    return ""


def _lies_above(facts: OrderFacts) -> bool:
    """Whether the market has to rise to the order's stop: of one that is to be touched it has to for a sale."""
    return (facts.intent.side is BUY) is not (facts.intent.order_type in IF_TOUCHED)


def _limit_at_fault(facts: OrderFacts, price: Decimal, market: Decimal | None) -> str:
    """Of a limit that reaches through the market."""
    if market is None:
        return f"there is no price of {facts.intent.symbol} to hold {plain(price)} against"
    bound = _bound(facts, market)
    if (price <= bound) if facts.intent.side is BUY else (price >= bound):
        return ""
    what = "the market of" if facts.intent.stop_price is None else "its stop"
    return (
        f"the limit {plain(price)} is more than {facts.limits.price_collar_fraction:.2%} through {what} "
        f"{plain(market)}: {_shown_bound(facts, market)} is let through"
    )


def tell_price_collar(facts: OrderFacts) -> Told:
    limits, prices = [], []
    for price, market, is_stop in (
        (facts.intent.stop_price, _trigger_market(facts), True),
        (facts.intent.limit_price, _limit_market(facts), False),
    ):
        if price is None:
            continue
        prices.append(plain(price))
        if market is None:
            limits.append(UNKNOWN)
        elif is_stop:
            limits.append(f"{'above' if _lies_above(facts) else 'below'} {plain(market)}")
        else:
            limits.append(_shown_bound(facts, market))
    return ", ".join(limits) or "none", ", ".join(prices) or "no price", _quote_source(facts)


def _against_oracle(facts: OrderFacts) -> tuple[Decimal, Decimal] | None:
    """The oracle's price and what is held against it; None = there is nothing to hold against anything."""
    intent, quote = facts.intent, facts.basis.quote
    if quote is None or quote.oracle_price is None:
        return None
    oracle = usable_price(quote.oracle_price)
    if oracle is None or intent.order_type in WITH_STOP:
        return None
    price = intent.limit_price if intent.limit_price is not None else facts.market_price
    return (oracle, price) if price is not None else None


def oracle_distance(facts: OrderFacts) -> str:
    """Where a venue has an oracle price, what an order would trade at may be worse than it by the collar at most.

    A book that somebody has emptied, or a feed that has gone wrong, looks like a price; the oracle is a second witness.
    A limit is a bound by itself and stands for the market here.
    """
    held = _against_oracle(facts)
    if held is None:
        return ""
    oracle, price = held
    bound = _bound(facts, oracle)
    if (price <= bound) if facts.intent.side is BUY else (price >= bound):
        return ""
    what = "the limit" if facts.intent.limit_price is not None else "the market"
    fraction = facts.limits.price_collar_fraction
    return f"{what} {plain(price)} is more than {fraction:.2%} worse than the oracle price {plain(oracle)}"


def tell_oracle_distance(facts: OrderFacts) -> Told:
    held = _against_oracle(facts)
    if held is None:
        return "none", "none", _quote_source(facts)
    oracle, price = held
    return _shown_bound(facts, oracle), plain(price), _quote_source(facts)


def _quote_source(facts: OrderFacts) -> str:
    quote = facts.basis.quote
    return f"quote:{quote.id}" if quote is not None else "quote"


ORDER_ROWS: tuple[Row[OrderFacts], ...] = (
    Row("market_state", market_state, tell_market_state, stands=always),
    Row("margin_mode", margin_mode, tell_margin_mode, stands=lambda facts: not is_isolated(facts)),
    Row("session", session, tell_session),
    *AUCTION_ROWS,
    Row("price_present", price_present, tell_price_present),
    Row(
        "price_age",
        price_age,
        tell_price_age,
        Limit(
            "price_age_seconds_max", "How old the price may be that an order is held against, in seconds of desk time."
        ),
    ),
    Row("market_data_type", market_data_type, tell_market_data_type),
    Row(
        "price_collar",
        price_collar,
        tell_price_collar,
        Limit(
            "price_collar_fraction",
            "How far a limit may reach through the market, or a price be worse than the oracle's, as a fraction of it; "
            "an order without a limit is reckoned as if it could slip so far.",
        ),
        is_bound=True,
    ),
    Row("oracle_distance", oracle_distance, tell_oracle_distance),
)
