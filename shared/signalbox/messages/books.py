"""What the desk holds by its own books, and what the venue says of an account."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from signalbox.messages.words import Message, Utc


class Position(Message, frozen=True, kw_only=True):
    """The desk's own position: average cost, revalued at every bar close. PnL excludes commission and funding.

    `income` is what was booked for it by acts: dividends, interest on what is borrowed.
    """

    venue: str
    account: str
    symbol: str
    currency: str
    multiplier: Decimal
    quantity: Decimal
    average_price: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commission: Decimal
    mark_price: Decimal | None
    funding: Decimal = Decimal(0)
    income: Decimal = Decimal(0)


class Book(Message, frozen=True, kw_only=True):
    """The desk's own cash for an account: the adopted cash, plus all fills and funding, less all commissions.

    All figures are in the account's currency. `other_cash` is the cash in other currencies, adopted with the account
    and moved by fills and commissions, by currency: nothing is converted. Of it acts have moved
    `income` (dividends and interest) and `corrections` (all others).
    """

    venue: str
    account: str
    currency: str
    cash: Decimal
    realized_pnl: Decimal
    commission: Decimal
    fills: int
    trade_sequence: int
    funding: Decimal = Decimal(0)
    other_cash: dict[str, Decimal] = field(default_factory=dict)
    income: Decimal = Decimal(0)
    corrections: Decimal = Decimal(0)


class PositionDiffers(Struct, frozen=True, kw_only=True, gc=False):
    """A position as the books have it, and as the venue states it."""

    symbol: str
    ours: Decimal
    theirs: Decimal


class BooksCompared(Message, frozen=True, kw_only=True):
    """A venue's snapshot of an account, taken `at`, was held against the books: what differs, and nothing else does.

    Told for whoever hears it now. What was booked behind the snapshot is not compared.
    """

    venue: str
    account: str
    differ: tuple[PositionDiffers, ...] = ()


class MarginRate(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What part of its value a position binds by the venue's answer to orders that were not placed (IBKR: what-if).

    Of what is opened by buying, and by selling; `None` = it has not said. `said_at` is when it said the older of them.
    """

    symbol: str
    said_at: Utc
    initial_buying: Decimal | None = None
    initial_selling: Decimal | None = None
    maintenance_buying: Decimal | None = None
    maintenance_selling: Decimal | None = None

    @property
    def initial(self) -> Decimal | None:
        """The larger of both: which way an account goes from where it stands is not asked again at each order."""
        both = self.initial_buying, self.initial_selling
        known = [rate for rate in both if rate is not None and rate.is_finite()]
        return max(known) if len(known) == len(both) else None


class AccountState(Message, frozen=True, kw_only=True):
    """What the venue says of an account, published only once its end marker has come.

    `at` is when the gateway told it all, `said_at` when the venue last said each figure, by its field: a figure that
    was not said again is as old as that. One that is not in there was said at `at`. `cash` is all of it, at the venue's
    own rates: `cash_by_currency` is what it is made of, `rates` what one unit of another currency is worth in the
    account's, where the venue says them. `initial_margin_fractions` are by symbol what opening takes of the funds now,
    where that is more than the instrument says. `leverage` is the gross value of all positions over `net_liquidation`.
    `margin_rates` are what the venue says of opening, where it was asked lately and the instrument says nothing.
    """

    venue: str
    account: str
    currency: str
    cash: Decimal
    net_liquidation: Decimal
    available_funds: Decimal
    buying_power: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    daily_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    leverage: Decimal | None = None
    said_at: dict[str, Utc] = field(default_factory=dict)
    cash_by_currency: dict[str, Decimal] = field(default_factory=dict)
    rates: dict[str, Decimal] = field(default_factory=dict)
    initial_margin_fractions: dict[str, Decimal] = field(default_factory=dict)
    margin_rates: tuple[MarginRate, ...] = ()
