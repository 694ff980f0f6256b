"""The venue's books: cash, positions, commissions and margin of each account.

Owns the money. Pure: books in, books out, nothing changed in place; it must not know why an order filled.

The rules: positions at average cost; a reversal realises the closed part and opens the rest at the fill's price. Cash
is kept per currency and every fill is settled in its contract's currency at once, with its commission (`fees`).
Margin of stocks: 50% of a position's value initially, 25% to keep it; of options: all of the premium of those bought,
of those sold what their writer has to put up (`option_pricing`). Other currencies count at fixed rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from signalbox.exchange.fees import order_fee
from signalbox.exchange.listing import Listing
from signalbox.exchange.option_pricing import writer_margin
from signalbox.exchange.orders import OrderTerms
from signalbox.messages import Side

INITIAL_MARGIN_FRACTION = Decimal("0.5")
MAINTENANCE_MARGIN_FRACTION = Decimal("0.25")
ADJUSTMENTS_KEPT_MAX = 256
RATES_TO_USD = {
    "USD": Decimal(1),
    "HKD": Decimal("0.128"),
    "EUR": Decimal("1.085"),
    "GBP": Decimal("1.27"),
    "CAD": Decimal("0.735"),
    "CHF": Decimal("1.13"),
    "JPY": Decimal("0.0067"),
    "AUD": Decimal("0.655"),
}

_ZERO = Decimal(0)


class PositionBook(Struct, frozen=True, kw_only=True):
    """One position. `day_*` is what daily PnL starts from: quantity and price at the day's start, cash paid since."""

    symbol: str
    currency: str
    multiplier: Decimal = Decimal(1)
    quantity: Decimal = _ZERO
    average_price: Decimal = _ZERO
    realized_pnl: Decimal = _ZERO
    commission: Decimal = _ZERO
    day_quantity: Decimal = _ZERO
    day_price: Decimal = _ZERO
    day_cash: Decimal = _ZERO

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would realise, before commission."""
        return self.quantity * (mark - self.average_price) * self.multiplier

    def daily_pnl(self, mark: Decimal) -> Decimal:
        """Return the gain since the day's start, before commission."""
        return (self.quantity * mark - self.day_quantity * self.day_price) * self.multiplier + self.day_cash


class AccountBook(Struct, frozen=True, kw_only=True):
    """One account: cash by currency, positions by symbol (closed ones too).

    `adjustments` are the keys of the last changes of cash that no fill made.
    """

    account: str
    venue: str
    base_currency: str
    cash: dict[str, Decimal]
    positions: dict[str, PositionBook] = {}
    adjustments: tuple[str, ...] = ()


class Booked(Struct, frozen=True):
    """What a fill did to an account."""

    book: AccountBook
    realized_pnl: Decimal


def book_fill(
    book: AccountBook, listing: Listing, side: Side, quantity: Decimal, price: Decimal, commission: Decimal
) -> Booked:
    """Book one execution and its commission."""
    held = book.positions.get(listing.key) or PositionBook(
        symbol=listing.key, currency=listing.currency, multiplier=listing.multiplier
    )
    signed = side.sign * quantity
    average_price, realized = _average_cost(held, signed, price)
    paid = -signed * price * held.multiplier
    position = replace(
        held,
        quantity=held.quantity + signed,
        average_price=average_price,
        realized_pnl=held.realized_pnl + realized,
        commission=held.commission + commission,
        day_cash=held.day_cash + paid,
    )
    cash = {**book.cash, listing.currency: book.cash.get(listing.currency, _ZERO) + paid - commission}
    positions = {**book.positions, listing.key: position}
    return Booked(replace(book, cash=cash, positions=positions), realized)


def book_correction(
    book: AccountBook, listing: Listing, side: Side, before: tuple[Decimal, Decimal], after: tuple[Decimal, Decimal]
) -> AccountBook:
    """Book an execution otherwise than it was, each a (quantity, price): taken back first, then made as it is now."""
    other = Side.SELL if side is Side.BUY else Side.BUY
    for way, (quantity, price) in ((other, before), (side, after)):
        if quantity:
            book = book_fill(book, listing, way, quantity, price, _ZERO).book
    return book


def adjust_cash(book: AccountBook, currency: str, amount: Decimal, key: str = "") -> AccountBook:
    """Add to the cash (which may end below 0); a key among the last ones changes nothing: it was done already."""
    if key and key in book.adjustments:
        return book
    cash = {**book.cash, currency: book.cash.get(currency, _ZERO) + amount}
    keys = (*book.adjustments, key)[-ADJUSTMENTS_KEPT_MAX:] if key else book.adjustments
    return replace(book, cash=cash, adjustments=keys)


def _average_cost(held: PositionBook, signed: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    """Return the new average price and the PnL realised."""
    after = held.quantity + signed
    if held.quantity * signed >= 0:  # opens or adds
        return (held.average_price * held.quantity + price * signed) / after, _ZERO
    closed = min(abs(signed), abs(held.quantity)).copy_sign(held.quantity)
    realized = closed * (price - held.average_price) * held.multiplier
    if not after:
        return _ZERO, realized
    return (held.average_price if after * held.quantity > 0 else price), realized


def begin_day(book: AccountBook, marks: Mapping[str, Decimal]) -> AccountBook:
    """Start daily PnL anew for the positions in `marks`."""
    positions = {
        symbol: replace(held, day_quantity=held.quantity, day_price=marks[symbol], day_cash=_ZERO)
        if symbol in marks
        else held
        for symbol, held in book.positions.items()
    }
    return replace(book, positions=positions)


def rate(currency: str, base: str) -> Decimal:
    """Return what one unit of `currency` is worth in `base`. Raises KeyError for a currency without a rate."""
    return RATES_TO_USD[currency] / RATES_TO_USD[base]


class Worth(Struct, frozen=True, kw_only=True):
    """An account's figures in its base currency."""

    total_cash: Decimal
    gross_position_value: Decimal
    net_liquidation: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    daily_pnl: Decimal

    @property
    def available_funds(self) -> Decimal:
        """What may still be bound as initial margin."""
        return self.net_liquidation - self.initial_margin

    @property
    def buying_power(self) -> Decimal:
        """The value that may still be bought."""
        return max(_ZERO, self.available_funds / INITIAL_MARGIN_FRACTION)


def worth(book: AccountBook, marks: Mapping[str, Decimal], listings: Mapping[str, Listing] | None = None) -> Worth:
    """Value an account at `marks` (price by symbol, for every symbol held); margins as listed, else the stocks'."""
    base = book.base_currency
    cash = sum((amount * rate(currency, base) for currency, amount in book.cash.items()), _ZERO)
    gross = net = unrealized = realized = daily = initial = maintenance = _ZERO
    for symbol, held in book.positions.items():
        fx, mark = rate(held.currency, base), marks[symbol]
        value = held.quantity * mark * held.multiplier * fx
        gross, net = gross + abs(value), net + value
        listing = listings.get(symbol) if listings else None
        if listing is not None and listing.option is not None:
            bound = option_margin(listing, held.quantity, mark, marks) * fx
            initial, maintenance = initial + bound, maintenance + bound
        else:
            initial += abs(value) * (listing.initial_margin if listing else INITIAL_MARGIN_FRACTION)
            maintenance += abs(value) * (listing.maintenance_margin if listing else MAINTENANCE_MARGIN_FRACTION)
        unrealized += held.unrealized_pnl(mark) * fx
        realized += held.realized_pnl * fx
        daily += held.daily_pnl(mark) * fx
    return Worth(
        total_cash=cash,
        gross_position_value=gross,
        net_liquidation=cash + net,
        initial_margin=initial,
        maintenance_margin=maintenance,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        daily_pnl=daily,
    )


def option_margin(listing: Listing, quantity: Decimal, premium: Decimal, marks: Mapping[str, Decimal]) -> Decimal:
    """What a position in an option binds: the premium if it is bought, what its writer puts up if it is sold."""
    assert listing.option is not None
    unit = writer_margin(listing.option, premium, marks[listing.underlying]) if quantity < 0 else premium
    return abs(quantity) * unit * listing.multiplier


def lacks_margin(
    book: AccountBook,
    terms: OrderTerms,
    working: Iterable[tuple[OrderTerms, Decimal]],
    listings: Mapping[str, Listing],
    marks: Mapping[str, Decimal],
) -> bool:
    """Say whether a new order may not be taken because the account could not carry it.

    Every symbol counts with the larger of the positions it could end in: all its buys filled, or all its sells.
    `working` is (terms, what may still fill) of the account's orders. An order that can only make a position smaller
    is always taken.
    """
    orders = [*working, (terms, terms.quantity)]
    symbols = {*book.positions, *(each.symbol for each, _ in orders)}
    needed = _ZERO
    for symbol in symbols:
        held = book.positions[symbol].quantity if symbol in book.positions else _ZERO
        buys = [(each, leaves) for each, leaves in orders if each.symbol == symbol and each.side is Side.BUY]
        sells = [(each, leaves) for each, leaves in orders if each.symbol == symbol and each.side is Side.SELL]
        long = held + sum((leaves for _, leaves in buys), _ZERO)
        short = held - sum((leaves for _, leaves in sells), _ZERO)
        if symbol == terms.symbol and max(abs(long), abs(short)) <= abs(held):
            return False
        listing = listings[symbol]
        highest_bid = max((each.limit_price or _ZERO for each, _ in buys), default=_ZERO)
        price = max(marks[symbol], highest_bid)
        if listing.option is not None:
            bound = max(option_margin(listing, side, price, marks) for side in (long, short))
        else:
            bound = max(abs(long), abs(short)) * price * listing.multiplier * INITIAL_MARGIN_FRACTION
        needed += bound * rate(listing.currency, book.base_currency)
    ordered = listings[terms.symbol]
    fee = order_fee(terms.quantity, ordered.kind) * rate(ordered.currency, book.base_currency)
    return worth(book, marks).net_liquidation < needed + fee
