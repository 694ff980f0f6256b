"""What risk says to an intent, and why."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from signalbox.messages.basis import Basis
from signalbox.messages.intents import CancelIntent, Intent, ModifyIntent, OrderIntent
from signalbox.messages.limits import LimitsRuling
from signalbox.messages.switched import TradingSwitched
from signalbox.messages.words import NEVER, Message, Utc


class Check(Struct, frozen=True, kw_only=True, gc=False):
    """One rule of the gate: the limit beside what was observed, and where the observation came from.

    `source` is `<stream>:<sequence>`, `quote:<message id>`, `desk-file`, `intent` or `clock`. `scope` is whose limit it
    is, the tightest of those that hold (`symbol:SPY`); "" = it is no limit, or the desk file's own.
    """

    name: str
    passed: bool
    limit: str
    observed: str
    source: str
    reason: str = ""
    scope: str = ""


class GroupPart(Struct, frozen=True, kw_only=True, gc=False):
    """What an intent about a group comes to in one account: an order, or a change or a cancel of one.

    `estimated_commission` as below, of that order.
    """

    intent: OrderIntent | ModifyIntent | CancelIntent
    estimated_commission: Decimal | None = None


class WouldPass(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What risk would have let through in the place of what it denied: one of these changed, and all else as it was.

    `quantity` is the largest one, each price the one nearest to what was asked for; of a list they are its entry's, of
    a wish for a position those of the order that it comes to. None = none would have. `together` = none alone, but the
    price and, at that, the quantity. Nothing at all = not even they.
    """

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    together: bool = False


class IntentApproved(Message, frozen=True, kw_only=True):
    """Risk lets the intent through. `intent` is normalised: symbol, account and times filled in.

    `order_id` is the order that it places, changes or cancels; "" = it cancels many (so many as `basis.covered_orders`
    says), or there is nothing to do, or it flattens. `order` is what became of a wish for a position: None = it is
    there already.
    `by` is the name that the server saw send it. `intent_sequence` and `intent_stored_at` say together which message of
    INTENTS it was: sequences begin again where that stream is made anew. `checks` are those that failed, here none;
    `passed` counts the others, which can be made again from `basis`. Decisions from before there was a basis have all
    their checks. `estimated_commission` is what the order costs by the desk file's schemes if all of it fills at its
    worst price, in the instrument's currency; None = no scheme is stated for it. `parts` are what an intent about a
    group comes to, account by account: then nothing else is placed, changed or cancelled.
    """

    intent_sequence: int
    intent: Intent
    order_id: str
    checks: tuple[Check, ...]
    reference_price: Decimal | None = None
    by: str = ""
    intent_stored_at: Utc = NEVER
    passed: int = 0
    basis: Basis | None = None
    estimated_commission: Decimal | None = None
    order: OrderIntent | None = None
    parts: tuple[GroupPart, ...] = ()

    @property
    def placed(self) -> OrderIntent | None:
        """The one order that it places; None = it places none, or some for a group."""
        if isinstance(self.intent, OrderIntent):
            return self.intent if not self.intent.group else None
        return self.order

    @property
    def places(self) -> tuple[OrderIntent, ...]:
        """All orders that it places, but for those of a list."""
        if self.parts:
            return tuple([part.intent for part in self.parts if isinstance(part.intent, OrderIntent)])
        return (self.placed,) if self.placed is not None else ()


class IntentDenied(Message, frozen=True, kw_only=True):
    """Risk refuses. `reason` is the first failed check's sentence; `intent` is None if it could not be read.

    The others as above. Of many checks that failed, the last are named alone (`also_failed`), and whoever has sent a
    great deal is told no `basis`: a denial is stored for ever. `would_pass` is what would not have been denied; None =
    it was not looked for (of cancels, of what could not be judged, of a denial in few words or of an older version).
    """

    intent_sequence: int
    intent: Intent | None
    checks: tuple[Check, ...]
    reason: str
    reference_price: Decimal | None = None
    by: str = ""
    intent_stored_at: Utc = NEVER
    passed: int = 0
    also_failed: tuple[str, ...] = ()
    basis: Basis | None = None
    would_pass: WouldPass | None = None


class NotFlat(Struct, frozen=True, kw_only=True, gc=False):
    """What a flatten has left in one market: what is held, how many orders may still fill, and why."""

    venue: str
    account: str
    symbol: str
    quantity: Decimal
    working_orders: int
    reason: str


class FlattenEnded(Message, frozen=True, kw_only=True):
    """A flatten is over: nothing is held any more in all that it named, and nothing works; or its time was, and this is
    `left` (of many the first ones; `markets_left` counts them all).

    `cause` is the flatten's id; `orders` how many closing orders and further cancels were approved for it.
    """

    venue: str
    account: str
    symbol: str
    is_flat: bool
    orders: int
    by: str = ""
    left: tuple[NotFlat, ...] = ()
    markets_left: int = 0


Decision = IntentApproved | IntentDenied
Ruling = Decision | FlattenEnded | LimitsRuling | TradingSwitched
"""All that risk writes into TRADE."""
