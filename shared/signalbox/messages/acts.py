"""What an operator does to the desk's books: what no order and no report of a venue has moved; and to what may be
traded in one symbol, which has its place among them. Always with who and why.

An act is published once, under an id of its own (the same again changes nothing), and becomes a `BooksAdjusted` or a
`BooksActRefused` in TRADE. `by` is what its sender says; the books bear the name that the server saw.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from signalbox.messages.words import Message, TradingMode, Utc


class BooksAct(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every act carries."""

    venue: str
    account: str
    reason: str
    by: str = ""


class SplitPosition(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`denominator` shares become `numerator` (2 for 1: 2 and 1; a reverse split 1 for 10: 1 and 10).

    Fills that were traded before `effective_at` are in old shares, later ones in new, whenever they are reported. It is
    refused while orders of the desk work in the symbol, unless they are to be left to the venue (`keep_orders`).
    """

    symbol: str
    numerator: Decimal
    denominator: Decimal
    effective_at: Utc
    keep_orders: bool = False


class PayDividend(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cash dividend: who is long gets it, who is short pays it.

    `quantity` is what was held (signed) when the right to it was fixed; None = what is held now. `currency` "" = the
    position's.
    """

    symbol: str
    amount_per_share: Decimal
    quantity: Decimal | None = None
    currency: str = ""


class RenameSymbol(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is held of a symbol is held of another one from now on, at what it cost."""

    symbol: str
    new_symbol: str
    keep_orders: bool = False


class AdoptPosition(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take the venue's figure of a position, its quantity and average price, as the desk's.

    `expected` is the quantity that the operator has seen there: another one is not adopted.
    """

    symbol: str
    expected: Decimal


class AdoptCash(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take the venue's figure of a currency's cash as the desk's, if it is the one `expected`."""

    currency: str
    expected: Decimal


class CorrectPosition(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book a purchase (`quantity` > 0) or sale that no execution tells of, at `price`.

    `moves_cash` = it was paid for, as an execution is. Without, the shares came or went at that cost.
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    moves_cash: bool = True


class CorrectCash(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book money that nobody reports: a deposit, a withdrawal (< 0), a fee of the month."""

    currency: str
    amount: Decimal


class BookInterest(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Book interest received, or paid (< 0). `symbol` is what was borrowed, "" = it is on cash."""

    currency: str
    amount: Decimal
    symbol: str = ""


class SwitchScope(StrEnum):
    """What a trading state holds for, from wide to narrow. The desk's own is switched by `TradingState`, or by risk."""

    DESK = "desk"
    VENUE = "venue"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    SYMBOL = "symbol"


class SwitchTrading(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Switch what may be traded in a scope: ACTIVE, REDUCING (only what reduces), HALTED (no order).

    It books nothing, and stands in the books of one account: it is for `symbol` there, for that account, for its venue,
    or for what names `strategy`, on the whole desk. The desk's own switch is `TradingState`: of all that an order is in
    the strictest holds. ACTIVE is the end of what risk has switched in that scope by itself, too.
    """

    symbol: str = ""
    mode: TradingMode
    scope: SwitchScope = SwitchScope.SYMBOL
    strategy: str = ""


class ClaimOrder(BooksAct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say that an order which others have placed is a strategy's: it becomes an `OrderClaimed` of that order."""

    order_id: str
    strategy: str


Act = (
    SplitPosition
    | PayDividend
    | RenameSymbol
    | AdoptPosition
    | AdoptCash
    | CorrectPosition
    | CorrectCash
    | BookInterest
    | SwitchTrading
    | ClaimOrder
)
