"""What IBKR says of options alone: until when one trades, on what it is, its price steps, what is computed of it.

Pure. Owns that conversion; what any contract has is `translate`'s. What makes no sense raises `TranslationError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from msgspec import structs
from signalbox.errors import CalendarError, SymbolError, TranslationError
from signalbox.instruments import Symbol, parse_symbol
from signalbox.messages import Greeks, PriceStep
from signalbox.sessions import session_on

from gateway_ibkr.facts import ContractFound, MarginSeen, OptionTickSeen, OrderTerms, PriceStepSeen
from gateway_ibkr.translate import decimal_of, money_of, price_of, time_of

STEPS_MAX = 100
"""A market rule has a few; HKEX's table of ticks, the longest known, has eleven."""

BID, ASK, LAST, MODEL = "bid", "ask", "last", "model"
COMPUTED_TICKS = {10: BID, 11: ASK, 12: LAST, 13: MODEL, 80: BID, 81: ASK, 82: LAST, 83: MODEL}
"""Kinds of computed ticks; 80-83 are the delayed ones (IBKR: Available Tick Types)."""


def last_trade_at(found: ContractFound, symbol: Symbol) -> datetime | None:
    """When a contract can be traded for the last time; None for what does not end.

    The venue's day and hour, or that day's close where it says no hour. The day may be before the one in the OCC's name
    (an index that settles in the morning trades till the evening before) and never after it.
    """
    if symbol.option is None:
        return None
    told = found.contract.expiry
    try:
        day = date(int(told[:4]), int(told[4:6]), int(told[6:8])) if len(told) == 8 and told.isdigit() else None
    except ValueError:
        day = None
    if day is None or day > symbol.option.expiry:
        raise TranslationError(f"the venue says that {symbol.canonical} is traded until {told!r:.40}")
    close = _close(symbol, day)
    hour = found.last_trade_time
    if not hour:
        return close
    at = time_of(f"{told} {hour}{':00' if len(hour) == 5 else ''} {found.time_zone}")
    if at is None:
        raise TranslationError(f"the hour until which {symbol.canonical} is traded, {hour!r:.40}, can not be read")
    return min(at, close)


def _close(symbol: Symbol, day: date) -> datetime:
    try:
        session = session_on(symbol.calendar, day)
    except CalendarError as error:
        raise TranslationError(str(error)) from None
    if session is None:
        raise TranslationError(f"{symbol.canonical} ends on {day}, which is no trading day of {symbol.calendar}")
    return session.close


def underlying_of(found: ContractFound) -> str:
    """The desk's symbol of what an option is on; "" = it has none there."""
    try:
        return parse_symbol(found.underlying).canonical if found.underlying else ""
    except SymbolError:
        return ""


def one_sold(account: str) -> OrderTerms:
    """The order of which the venue is asked what margin it would bind."""
    return OrderTerms(action="SELL", quantity=1.0, order_type="MKT", time_in_force="DAY", account=account, reference="")


def short_margin(told: Sequence[MarginSeen]) -> Decimal | None:
    """What one contract more, sold short, binds; None = that can not be told.

    Where it binds nothing something covers it (shares, another option), and for how many nobody says.
    """
    change = money_of(told[-1].initial_change) if told else None
    return change if change is not None and change > 0 else None


def rule_of(found: ContractFound, exchange: str) -> int | None:
    """The number of the market rule that holds at an exchange; None = the venue names none."""
    exchanges, rules = found.exchanges.split(","), found.market_rules.split(",")
    at = exchanges.index(exchange) if exchange in exchanges else 0
    rule = rules[at].strip() if at < len(rules) else rules[0].strip()
    return int(rule) if rule.isascii() and rule.isdigit() and len(rule) < 10 else None


def price_steps(told: Sequence[PriceStepSeen]) -> tuple[PriceStep, ...]:
    """The steps of a market rule, rising."""
    if len(told) > STEPS_MAX:
        raise TranslationError(f"a market rule of {len(told)} steps")
    steps = [PriceStep(at_least=decimal_of(each.low_edge), step=price_of(each.increment)) for each in told]
    return tuple(sorted(steps, key=lambda step: step.at_least))


# --------------------------------------------------------------------------------------------------------- computed


@dataclass
class Computed:
    """What the venue has computed of an option, as it stands."""

    greeks: Greeks = field(default_factory=Greeks)


def take_computed(computed: Computed, seen: OptionTickSeen) -> bool:
    """Take a computed tick; True = something is another. What is not computed any more is not known any more."""
    name = COMPUTED_TICKS.get(seen.kind)
    if name is None:
        return False
    before = computed.greeks
    if name == MODEL:
        told = Greeks(
            price=seen.price,
            implied_volatility=seen.implied_volatility,
            delta=seen.delta,
            gamma=seen.gamma,
            vega=seen.vega,
            theta=seen.theta,
            underlying_price=seen.underlying_price,
            bid_volatility=before.bid_volatility,
            ask_volatility=before.ask_volatility,
            last_volatility=before.last_volatility,
        )
    else:
        told = _with_volatility(before, name, seen.implied_volatility)
    computed.greeks = told
    return told != before


def _with_volatility(greeks: Greeks, name: str, volatility: float | None) -> Greeks:
    return structs.replace(greeks, **{f"{name}_volatility": volatility})
