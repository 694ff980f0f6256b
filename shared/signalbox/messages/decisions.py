"""What risk says to an intent, and why."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from signalbox.messages.basis import Basis
from signalbox.messages.intents import Intent
from signalbox.messages.words import NEVER, Message, Utc


class Check(Struct, frozen=True, kw_only=True, gc=False):
    """One rule of the gate: the limit beside what was observed, and where the observation came from.

    `source` is `<stream>:<sequence>`, `quote:<message id>`, `desk-file`, `intent` or `clock`.
    """

    name: str
    passed: bool
    limit: str
    observed: str
    source: str
    reason: str = ""


class IntentApproved(Message, frozen=True, kw_only=True):
    """Risk lets the intent through. `intent` is normalised: symbol, account and times filled in.

    `order_id` is the order that it places, changes or cancels; "" = it cancels many (`basis.covered_orders`).
    `by` is the name that the server saw send it. `intent_sequence` and `intent_stored_at` say together which message of
    INTENTS it was: sequences begin again where that stream is made anew. `checks` are those that failed, here none;
    `passed` counts the others, which can be made again from `basis`. Decisions from before there was a basis have all
    their checks. `estimated_commission` is what the order costs by the desk file's schemes if all of it fills at its
    worst price, in the instrument's currency; None = no scheme is stated for it.
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


class IntentDenied(Message, frozen=True, kw_only=True):
    """Risk refuses. `reason` is the first failed check's sentence; `intent` is None if it could not be read.

    The others as above. Of many checks that failed, the last are named alone (`also_failed`), and whoever has sent a
    great deal is told no `basis`: a denial is stored for ever.
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


Decision = IntentApproved | IntentDenied
