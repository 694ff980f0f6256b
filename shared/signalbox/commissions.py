"""What an order will cost at its venue, by the schemes that the desk file states: the estimate before it is sent.

Owns the schemes and their arithmetic, exact. What an execution did cost is the venue's word (`VenueCommission`), and
never this. It must not know who asks.

    PER_SHARE    `rate` a share or contract, at least `minimum`, at most `maximum_fraction` of the order's value
    PERCENTAGE   `rate` of the order's value ("0.001" is 0.1 %), at least `minimum`, at most `maximum`
    FIXED        `amount` an order, whatever its size
    MAKER_TAKER  of the order's value `maker` where it adds liquidity, `taker` where it removes some; below 0: a rebate

The maximum is stronger than the minimum, as at IBKR ("1% of trade value, if the minimum exceeds it"): ten shares at
0.50 cost 0.05, not 1.00. All figures are in the instrument's currency, and of a whole order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct

from signalbox.decimals import is_decimal_text
from signalbox.messages import InstrumentKind, Liquidity
from signalbox.toml_shape import any_of, shown

ZERO = Decimal(0)


class SchemeKind(StrEnum):
    PER_SHARE = "PER_SHARE"
    PERCENTAGE = "PERCENTAGE"
    FIXED = "FIXED"
    MAKER_TAKER = "MAKER_TAKER"


_FIGURES: dict[SchemeKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SchemeKind.PER_SHARE: (("rate",), ("minimum", "maximum_fraction")),
    SchemeKind.PERCENTAGE: (("rate",), ("minimum", "maximum")),
    SchemeKind.FIXED: (("amount",), ()),
    SchemeKind.MAKER_TAKER: (("maker", "taker"), ()),
}
"""Which figures a scheme needs, and which it may have."""

_FRACTIONS = frozenset({"maximum_fraction", "maker", "taker"})


class Commission(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one kind of instrument costs at a venue: see the schemes above."""

    venue: str
    kind: str
    scheme: str
    rate: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    maximum_fraction: Decimal | None = None
    amount: Decimal | None = None
    maker: Decimal | None = None
    taker: Decimal | None = None


Commissions = dict[tuple[str, str], Commission]
"""By venue and kind of instrument."""


def by_instrument(schemes: Iterable[Commission]) -> Commissions:
    """The schemes as they are looked up."""
    return {(scheme.venue, scheme.kind): scheme for scheme in schemes}


def commission_of(scheme: Commission, quantity: Decimal, value: Decimal, liquidity: Liquidity) -> Decimal:
    """What an order of so many shares or contracts, worth `value` (> 0) in all, costs if all of it fills.

    Who does not say whether it adds or removes liquidity (UNSTATED) is reckoned at the dearer of the two.
    """
    match scheme.scheme:
        case SchemeKind.PER_SHARE:
            charged = max(quantity * _stated(scheme.rate), _stated(scheme.minimum))
            return charged if scheme.maximum_fraction is None else min(charged, value * scheme.maximum_fraction)
        case SchemeKind.PERCENTAGE:
            charged = max(value * _stated(scheme.rate), _stated(scheme.minimum))
            return charged if scheme.maximum is None else min(charged, scheme.maximum)
        case SchemeKind.FIXED:
            return _stated(scheme.amount) if quantity else ZERO
        case _:
            maker, taker = _stated(scheme.maker), _stated(scheme.taker)
            rates = {Liquidity.MAKER: maker, Liquidity.TAKER: taker}
            return value * rates.get(liquidity, max(maker, taker))


def _stated(figure: Decimal | None) -> Decimal:
    return ZERO if figure is None else figure


def mistakes(tables: object, venues: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with `[[commissions]]` of a desk file beyond the shape, each a sentence."""
    seen: set[tuple[object, object]] = set()
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):
        if not isinstance(table, dict):
            continue
        path, place = f"commissions[{number}]", (str(table.get("venue")), str(table.get("kind")))
        if isinstance(table.get("venue"), str) and table["venue"] not in venues:
            yield f"{path}.venue is {shown(table['venue'])}, which is not under [venues]: name one that is."
        if isinstance(table.get("kind"), str) and table["kind"] not in InstrumentKind.__members__:
            yield f"{path}.kind is {shown(table['kind'])}: it must be {any_of(InstrumentKind)}."
        if place in seen:
            yield f"commissions names {place[1]} at {place[0]} more than once: name it once."
        seen.add(place)
        yield from _figure_mistakes(path, table)


def _figure_mistakes(path: str, table: dict[str, Any]) -> Iterator[str]:
    scheme = table.get("scheme")
    if not isinstance(scheme, str):
        return
    if scheme not in SchemeKind.__members__:
        yield f"{path}.scheme is {shown(scheme)}: it must be {any_of(SchemeKind)}."
        return
    needed, possible = _FIGURES[SchemeKind(scheme)]
    for name in needed:
        if name not in table:
            yield f"{path}.{name} is missing: {scheme} needs it."
    for name in Commission.__struct_fields__[3:]:
        if name not in table:
            continue
        number = _number(table[name])
        if name not in needed + possible:
            yield f"{path}.{name} is no figure of {scheme}: leave it out, or take another scheme."
        elif number is None:
            continue  # the shape reports it
        elif not number.is_finite() or (number < 0 and name not in ("maker", "taker")):
            yield f"{path}.{name} is {shown(table[name])}: it must be 0 or more."
        elif (name in _FRACTIONS or (scheme == SchemeKind.PERCENTAGE and name == "rate")) and abs(number) > 1:
            yield f'{path}.{name} is {shown(table[name])}: it is a fraction of the value, at most 1 ("0.01" is 1 %).'


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    return Decimal(value) if not isinstance(value, str) or is_decimal_text(value) else None
