"""Which contract a client's description means, and what TWS tells about a contract.

Owns TWS's rules of contract matching and the contractDetails messages. Pure: the present is an argument. It must not
know clients or orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from signalbox.errors import CalendarError
from signalbox.exchange.listing import Listing
from signalbox.sessions import Session, session_on

from simulators.tws import times
from simulators.tws.kinds import Outbound
from simulators.tws.place_order import WireContract
from simulators.tws.replies import Message, local_symbol, security_type, terms_fields, trading_class
from simulators.tws.wire import decimal_text

SECURITY_TYPES = frozenset(
    {"STK", "OPT", "FUT", "CONTFUT", "FOP", "CASH", "BOND", "CFD", "CMDTY", "CRYPTO", "FUND", "IND", "WAR", "BAG"}
    | {"IOPT", "NEWS", "EVENT"}
)
SMART = "SMART"
US_EXCHANGES = frozenset(
    {"NYSE", "NASDAQ", "ARCA", "BATS", "IEX", "AMEX", "BYX", "EDGX", "EDGEA", "MEMX", "PSX", "BEX"}
)
OPTION_EXCHANGES = frozenset({"AMEX", "BOX", "CBOE", "CBOE2", "EMERALD", "ISE", "MIAX", "NASDAQOM", "PHLX", "PSE"})
_ALIASES = {"ISLAND": "NASDAQ"}

ORDER_TYPES = "GAT,GTC,GTD,LMT,MKT,MOC,STP,WHATIF"
OPTION_ORDER_TYPES = "GAT,GTC,GTD,LMT,MKT,STP,WHATIF"
_DAYS_TOLD = 6
"""Trading hours are told for today and the days after it, as TWS does."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why a description means no single contract: an error code and TWS's words."""

    code: int
    text: str


NOT_FOUND = Unresolved(200, "No security definition has been found for the request")


def invalid(cause: str, code: int = 321) -> Unresolved:
    """A request that TWS refuses before it looks anything up; `bO` stands for a class name that TWS scrambles."""
    return Unresolved(code, f"Error validating request.-'bO' : cause - {cause}")


def matches(listings: Sequence[Listing], wanted: WireContract) -> tuple[Listing, ...] | Unresolved:
    """Return every listing that the description fits, with the exchange that was asked for.

    None fitting is error 200, an impossible description 321. A contract id alone is enough; with one, only the
    exchange is looked at beside it.
    """
    if wanted.sec_type and wanted.sec_type not in SECURITY_TYPES:
        return invalid("Please enter a valid security type")
    if not wanted.con_id and not wanted.sec_type:
        return invalid("Please enter a valid security type")
    if not wanted.con_id and not (wanted.symbol or wanted.local_symbol):
        return invalid("Please enter a valid symbol")
    if wanted.sec_type not in ("", "STK", "OPT"):
        return NOT_FOUND
    found = []
    for listing in listings:
        fits = listing.con_id == wanted.con_id if wanted.con_id else _described(listing, wanted)
        exchange = _exchange(listing, wanted.exchange) if fits else None
        if exchange is not None:
            found.append(replace(listing, exchange=exchange))
    return tuple(found) or NOT_FOUND


def resolve(listings: Sequence[Listing], wanted: WireContract) -> Listing | Unresolved:
    """Return the one listing that an order or data request means; there an exchange must be stated."""
    if not wanted.exchange:
        return invalid("Missing order exchange")
    found = matches(listings, wanted)
    if isinstance(found, Unresolved):
        return found
    if len(found) > 1:
        return Unresolved(200, f"The contract description specified for {wanted.symbol} is ambiguous.")
    return found[0]


def _described(listing: Listing, wanted: WireContract) -> bool:
    primary = _ALIASES.get(wanted.primary_exchange, wanted.primary_exchange)
    return (
        wanted.sec_type == security_type(listing)
        and wanted.symbol in ("", listing.symbol)
        and wanted.local_symbol in ("", local_symbol(listing))
        and _terms_fit(listing, wanted)
        and wanted.currency in ("", listing.currency)
        and primary in ("", listing.primary_exchange)
        and wanted.trading_class in ("", trading_class(listing))
    )


def _terms_fit(listing: Listing, wanted: WireContract) -> bool:
    """Whether an option is among those described: an expiry may be a month, and what is left out fits any."""
    terms = listing.option
    if terms is None:
        return True
    return (
        times.day(terms.expiry).startswith(wanted.expiry)
        and wanted.strike in (0, terms.strike)
        and wanted.right in ("", "?", "0", terms.right.value, terms.right.name)
        and wanted.multiplier in ("", decimal_text(listing.multiplier))
    )


def _exchange(listing: Listing, wanted: str) -> str | None:
    """The exchange that a request for this listing means, None if it is not traded there."""
    wanted = _ALIASES.get(wanted, wanted)
    if wanted in ("", SMART, listing.exchange):
        return listing.exchange  # SMART means wherever the contract trades by default, so it settles no ambiguity
    return wanted if wanted in valid_exchanges(listing) else None


def valid_exchanges(listing: Listing) -> tuple[str, ...]:
    """Where the contract can be sent, the default first."""
    if listing.currency != "USD":
        return (listing.primary_exchange,)
    if listing.option is not None:
        return (SMART, *sorted(OPTION_EXCHANGES))
    return (SMART, *sorted(US_EXCHANGES | {listing.primary_exchange}))


# ----------------------------------------------------------------------------------------------- what TWS tells


def market_rule_id(listing: Listing) -> int:
    """The number of the rule with these ticks: 26 is TWS's for a cent, 109 and 110 for options; others are made up."""
    ticks = [step.step for step in listing.price_steps] or [listing.tick]
    if len(ticks) > 1:
        return 110 if ticks[0] == Decimal("0.05") else 109
    return 26 if ticks[0] == Decimal("0.01") else 20_000 + int(ticks[0] * 1000)


def market_rule(listings: Sequence[Listing], number: int) -> Message | None:
    """Write the price increments of a rule, None if no listing has it."""
    listing = next((each for each in listings if market_rule_id(each) == number), None)
    if listing is None:
        return None
    steps = [(step.at_least, step.step) for step in listing.price_steps] or [(Decimal(0), listing.tick)]
    return (Outbound.MARKET_RULE, number, len(steps), *(each for step in steps for each in step))


def details(req_id: int, listing: Listing, now: datetime, underlying: Listing | None = None) -> Message:
    """Write message 10; an option's names its underlying."""
    exchanges = valid_exchanges(listing)
    trading, liquid = trading_hours(listing, now)
    rules = ",".join(str(market_rule_id(listing)) for _ in exchanges)
    _, _, strike, right, multiplier = terms_fields(listing, "")
    return (
        Outbound.CONTRACT_DETAILS,
        req_id,
        listing.symbol,
        security_type(listing),
        times.stamp(listing.last_trade_at, listing.time_zone) if listing.last_trade_at else "",
        strike,
        right,
        listing.exchange,
        listing.currency,
        local_symbol(listing),
        trading_class(listing),  # the market's name
        trading_class(listing),
        listing.con_id,
        listing.tick,
        multiplier,
        ORDER_TYPES if listing.option is None else OPTION_ORDER_TYPES,
        ",".join(exchanges),
        1,
        0 if underlying is None else underlying.con_id,
        listing.long_name,
        listing.primary_exchange,
        "" if listing.option is None else f"{listing.option.expiry:%Y%m}",
        *("", "", ""),  # industry, category, subcategory
        times.zone_name(listing.time_zone),
        trading,
        liquid,
        *("", ""),  # economic value rule and multiplier
        0,  # no further security ids
        1 if listing.option is None else 2,
        *(("", "") if underlying is None else (underlying.symbol, security_type(underlying))),
        rules,
        "" if listing.option is None else times.day(listing.option.expiry),
        _stock_type(listing),
        listing.lot,
        listing.lot,
        max(listing.lot, Decimal(100)) if listing.option is None else listing.lot,
    )


def _stock_type(listing: Listing) -> str:
    if listing.option is not None:
        return ""
    return "COMMON" if listing.primary_exchange != "ARCA" else "ETF"


def option_parameters(
    req_id: int, underlying: Listing, days: Sequence[date], strikes: Sequence[Decimal], multiplier: Decimal
) -> list[Message]:
    """Write message 75 for each exchange, and 76: all expirations and all strikes, not which go together."""
    expirations = [times.day(day) for day in days]
    root = underlying.key.replace(" ", "")
    told: list[Message] = [
        (
            Outbound.SEC_DEF_OPT_PARAMS,
            req_id,
            exchange,
            underlying.con_id,
            root,
            multiplier,
            len(expirations),
            *expirations,
            len(strikes),
            *strikes,
        )
        for exchange in (SMART, *sorted(OPTION_EXCHANGES))
    ]
    return [*told, (Outbound.SEC_DEF_OPT_PARAMS_END, req_id)]


def details_end(req_id: int) -> Message:
    return (Outbound.CONTRACT_DETAILS_END, 1, req_id)


def symbol_samples(req_id: int, listings: Sequence[Listing], pattern: str) -> Message:
    """Write the listings whose symbol begins, or whose name has a word that begins, with `pattern`."""
    wanted = pattern.upper()
    found = [
        each
        for each in listings
        if wanted
        and each.option is None
        and (each.symbol.startswith(wanted) or any(w.startswith(wanted) for w in each.long_name.split()))
    ][:16]
    rows: list[str | int] = []
    for each in found:
        rows += (each.con_id, each.symbol, "STK", each.primary_exchange, each.currency, 0, each.long_name, "")
    return (Outbound.SYMBOL_SAMPLES, req_id, len(found), *rows)


def trading_hours(listing: Listing, now: datetime) -> tuple[str, str]:
    """Return TWS's `tradingHours` and `liquidHours`: `20240305:0400-20240305:2000;20240309:CLOSED`.

    A day with a break is two spans like two days (`ib_async.ContractDetails._parseSessions` splits at `;` alone).
    """
    zone = ZoneInfo(listing.time_zone)
    today = now.astimezone(zone).date()
    trading, liquid = [], []
    for ahead in range(_DAYS_TOLD):
        day = today + timedelta(days=ahead)
        try:
            session = session_on(listing.calendar, day)
        except CalendarError:
            break  # beyond the calendar nothing is known, so nothing is told
        if session is None:
            trading.append(f"{times.day(day)}:CLOSED")
            liquid.append(f"{times.day(day)}:CLOSED")
            continue
        if listing.option is None:
            trading += _spans(session.pre_open, session, session.post_close, zone)
        else:  # before the open and after the close there are shares alone
            trading += _spans(session.open, session, session.close, zone)
        liquid += _spans(session.open, session, session.close, zone)
    return ";".join(trading), ";".join(liquid)


def _spans(begins: datetime, session: Session, ends: datetime, zone: ZoneInfo) -> list[str]:
    edges = [begins, *(edge for span in session.breaks for edge in span), ends]
    texts = [f"{edge.astimezone(zone):%Y%m%d:%H%M}" for edge in edges]
    return [f"{start}-{end}" for start, end in zip(texts[::2], texts[1::2], strict=True)]
