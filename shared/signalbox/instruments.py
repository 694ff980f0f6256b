"""One symbology: what a symbol may look like, what it stands for, and how IBKR writes it.

    AAPL, BRK B            US stocks; `BRK.B` is read as `BRK B`
    0700.HK                Hong Kong stocks; `700`, `00700` and any bare number of up to five digits are read as this
    AAPL 240119C00190000   US options: root, expiry yymmdd, C or P, strike times 1000 in eight digits (OCC form)
    BTC-USD                perpetuals
    BUFFI,UNISWAP_V3,0X4C1B1302220D7DE5C22B495E78B72F2DD2457D45-USD
                           perpetuals that anybody may list at dYdX: name, exchange and address of the token, as the
                           venue writes it (in capitals, whatever the address is elsewhere)
    EUR.USD                forex: base, quote

Owns the canonical form and the tick and lot rules. It must not know whether a venue has the instrument: only the venue
says so (`signalbox.messages.Instrument`). Pure; every refusal is a `SymbolError` whose text a person can act on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum

from signalbox.errors import SymbolError
from signalbox.messages import InstrumentKind, PriceStep

SYMBOL_CHARACTERS_MAX = 128
SHOWN_CHARACTERS_MAX = 32
"""Of a text that is none."""
DECIMAL_DIGITS_MAX = 60
TOKEN_WORDS = 3
"""Name, exchange and address of a token, with commas between them."""

CURRENCIES = frozenset(
    "AUD CAD CHF CNH CZK DKK EUR GBP HKD HUF ILS INR JPY KRW MXN NOK NZD PLN SEK SGD TRY USD ZAR".split()  # noqa: SIM905
)
"""The currencies that IBKR exchanges on IDEALPRO."""


class OptionRight(StrEnum):
    CALL = "C"
    PUT = "P"


@dataclass(frozen=True, slots=True)
class OptionTerms:
    """What the OCC form of an option says. `strike` is in the currency of the underlying."""

    root: str
    expiry: date
    right: OptionRight
    strike: Decimal


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of the desk. Messages use only the `canonical` form; `calendar` is one of `sessions.CALENDARS`."""

    canonical: str
    kind: InstrumentKind
    currency: str
    calendar: str
    option: OptionTerms | None = None

    def __str__(self) -> str:
        return self.canonical


@dataclass(frozen=True, slots=True)
class IbkrContract:
    """How IBKR names the instrument, in the words of its contract fields. An empty field is not sent."""

    sec_type: str
    symbol: str
    exchange: str
    currency: str
    local_symbol: str = ""


_HONG_KONG = re.compile(r"(?P<code>[0-9]{1,5})(?:\.HK)?")
_OPTION = re.compile(r"(?P<root>[A-Z]{1,5}[0-9]?) {0,5}(?P<expiry>[0-9]{6})(?P<right>[CP])(?P<strike>[0-9]{8})")
# An address is longer than any symbol: of several symbols with commas between them none is taken for a token
_TOKEN = r"[A-Z0-9$_.]{1,20},[A-Z0-9_]{1,24},[A-Z0-9_]{26,72}"
_PERPETUAL = re.compile(rf"(?P<base>[A-Z0-9]{{1,20}}|{_TOKEN})-(?P<quote>[A-Z]{{3,5}})")
_FOREX = re.compile(r"(?P<base>[A-Z]{3})\.(?P<quote>[A-Z]{3})")
# A share class (BRK B), warrants (WS) or a preferred series (PRL), as NYSE writes them behind the root
_US_STOCK = re.compile(r"(?P<root>[A-Z]{1,5})(?:[ .](?P<suffix>[A-Z]|WS|PR[A-Z]))?")
_FORMS = "AAPL, BRK B, 0700.HK, AAPL 240119C00190000, BTC-USD or EUR.USD"


def parse_symbol(text: str) -> Symbol:
    """Read any accepted form of a symbol; letters may be in lower case.

    Raises `SymbolError` for everything else; its text says what was found and what a symbol looks like.
    """
    word = _plain(text).upper()
    if match := _HONG_KONG.fullmatch(word):
        return _hong_kong(text, int(match["code"]))
    if match := _OPTION.fullmatch(word):
        return _option(text, match)
    if match := _PERPETUAL.fullmatch(word):
        return _perpetual(text, match["base"], match["quote"])
    if match := _FOREX.fullmatch(word):
        return _forex(text, match["base"], match["quote"])
    if match := _US_STOCK.fullmatch(word):
        canonical = " ".join(part for part in match.group("root", "suffix") if part)
        return Symbol(canonical, InstrumentKind.STOCK, "USD", "XNYS")
    raise SymbolError(f"{_shown(text)} is not a symbol: a symbol looks like {_FORMS}{_hint(word)}")


def parse_symbols(text: str) -> tuple[Symbol, ...]:
    """Read symbols with commas between them, of which one may have commas of its own. Raises `SymbolError`."""
    words, found = [word.strip() for word in text.split(",")], []
    while words:
        token = ",".join(words[:TOKEN_WORDS])
        count = TOKEN_WORDS if _PERPETUAL.fullmatch(token.upper()) and "," in token else 1
        if any(words[:count]):
            found.append(parse_symbol(",".join(words[:count])))
        words = words[count:]
    return tuple(found)


def ibkr_contract(symbol: Symbol) -> IbkrContract:
    """Translate to IBKR's contract fields (`0700.HK` is symbol 700 on SEHK in HKD).

    Raises `SymbolError` for what IBKR does not trade.
    """
    if symbol.option is not None:
        # The root is IBKR's trading class, not always its symbol (BRKB: `BRK B`); the local symbol alone is exact
        terms = symbol.option
        return IbkrContract("OPT", "", "SMART", symbol.currency, f"{terms.root:<6}{_occ_tail(terms)}")
    if symbol.kind is InstrumentKind.FOREX:
        return IbkrContract("CASH", symbol.canonical[:3], "IDEALPRO", symbol.currency)
    if symbol.kind is InstrumentKind.STOCK and symbol.calendar == "XHKG":
        return IbkrContract("STK", str(int(symbol.canonical.removesuffix(".HK"))), "SEHK", symbol.currency)
    if symbol.kind is InstrumentKind.STOCK:
        return IbkrContract("STK", symbol.canonical, "SMART", symbol.currency)
    raise SymbolError(f"{symbol.canonical} is a perpetual, which IBKR does not trade")


def dydx_ticker(symbol: Symbol) -> str:
    """Translate to dYdX's ticker, which is the perpetual's symbol.

    Raises `SymbolError` for what dYdX does not trade: everything but perpetuals.
    """
    if symbol.kind is InstrumentKind.PERPETUAL:
        return symbol.canonical
    raise SymbolError(f"{symbol.canonical} is no perpetual such as BTC-USD, and dYdX trades nothing else")


def symbol_of_ibkr(contract: IbkrContract) -> Symbol:
    """Translate IBKR's contract fields back, as they come with positions and executions (any exchange, or none).

    Raises `SymbolError` for a security type, market or currency that the desk has no symbol for.
    """
    match contract.sec_type:
        case "STK":
            found = parse_symbol(contract.symbol)
        case "OPT":
            found = parse_symbol(contract.local_symbol)
        case "CASH":
            found = parse_symbol(f"{contract.symbol}.{contract.currency}")
        case _:
            raise SymbolError(f"IBKR security type {_shown(contract.sec_type)} has no symbol on this desk")
    if found.currency != contract.currency:
        raise SymbolError(
            f"IBKR names {found.canonical} in {contract.currency}, but that symbol trades in {found.currency} here"
        )
    return found


_ZERO = Decimal(0)
_remainder = Context(prec=DECIMAL_DIGITS_MAX, traps=[InvalidOperation, Inexact]).remainder


def conforms_to_tick(price: Decimal, tick: Decimal) -> bool:
    """Say whether `price` is a whole number of ticks, exactly.

    Fails closed: False for NaN, infinity, a tick that is not positive, or more than 60 digits between the two.
    """
    if not (price.is_finite() and tick.is_finite() and tick > _ZERO):
        return False
    try:
        return not _remainder(price, tick)
    except ArithmeticError:
        return False


def tick_at(price: Decimal, tick: Decimal, steps: Sequence[PriceStep]) -> Decimal:
    """The tick size that holds at `price`: that of the last of the rising `steps` that begins by it, else `tick`."""
    for each in reversed(steps):
        if price >= each.at_least:
            return each.step
    return tick


def conforms_to_lot(quantity: Decimal, lot: Decimal) -> bool:
    """Say whether `quantity` is a positive whole number of lots, exactly. Fails closed as `conforms_to_tick` does."""
    return quantity.is_finite() and quantity > _ZERO and conforms_to_tick(quantity, lot)


def _plain(text: str) -> str:
    if not text:
        raise SymbolError(f"the symbol is empty: a symbol looks like {_FORMS}")
    if len(text) > SYMBOL_CHARACTERS_MAX:
        raise SymbolError(f"{_shown(text)} has {len(text)} characters; a symbol has at most {SYMBOL_CHARACTERS_MAX}")
    if not text.isascii() or not text.isprintable():
        raise SymbolError(
            f"{_shown(text)} has characters that no symbol has: only A-Z, 0-9, space, dot, dash and comma are used"
        )
    return text


def _hong_kong(text: str, code: int) -> Symbol:
    if code == 0:
        raise SymbolError(f"{_shown(text)} is not a Hong Kong stock code: codes run from 1 to 99999")
    # HKEX keeps 80000-89999 for counters that trade in renminbi
    currency = "CNH" if 80_000 <= code <= 89_999 else "HKD"
    return Symbol(f"{code:04d}.HK", InstrumentKind.STOCK, currency, "XHKG")


def _option(text: str, match: re.Match[str]) -> Symbol:
    digits = match["expiry"]
    try:
        expiry = date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError as error:
        raise SymbolError(f"{_shown(text)} is not an option: {digits} is no date (yymmdd)") from error
    strike = Decimal(match["strike"]).scaleb(-3)
    if not strike:
        raise SymbolError(f"{_shown(text)} is not an option: its strike is 0")
    terms = OptionTerms(match["root"], expiry, OptionRight(match["right"]), strike)
    return Symbol(f"{terms.root} {_occ_tail(terms)}", InstrumentKind.OPTION, "USD", "XNYS", terms)


def _occ_tail(terms: OptionTerms) -> str:
    return f"{terms.expiry:%y%m%d}{terms.right.value}{int(terms.strike * 1000):08d}"


def _perpetual(text: str, base: str, quote: str) -> Symbol:
    if quote != "USD":
        raise SymbolError(f"{_shown(text)} is not a perpetual of the desk: those are quoted in USD, as BTC-USD is")
    return Symbol(f"{base}-{quote}", InstrumentKind.PERPETUAL, quote, "24/7")


def _forex(text: str, base: str, quote: str) -> Symbol:
    unknown = [code for code in (base, quote) if code not in CURRENCIES]
    if unknown:
        raise SymbolError(f"{_shown(text)} is not a currency pair: {unknown[0]} is no currency of the desk")
    if base == quote:
        raise SymbolError(f"{_shown(text)} is not a currency pair: both sides are {base}")
    # IDEALPRO rests at weekends and no calendar says so: a stale quote denies orders then
    return Symbol(f"{base}.{quote}", InstrumentKind.FOREX, quote, "24/7")


def _hint(word: str) -> str:
    """The most likely thing that was meant, for the commonest ways to miss."""
    if len(word) == 6 and {word[:3], word[3:]} <= CURRENCIES:
        return f"; did you mean {word[:3]}.{word[3:]}?"
    if word != word.strip():
        return "; remove the spaces around it"
    if word.endswith(".HK"):
        return "; a Hong Kong symbol is a number of up to five digits and .HK"
    return ""


def _shown(text: str) -> str:
    """The text as ASCII in quotes, cut to what a line of a log can take."""
    return ascii(text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "...")
