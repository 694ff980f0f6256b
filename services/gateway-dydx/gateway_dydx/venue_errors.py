"""The chain's codes, in one table: what became of a broadcast, and what a person should do about it.

Owns the meaning of (codespace, code). A code that is not in the table means *ask*: taking an unknown one for a refusal
has opened positions twice. Sources: v4-chain x/clob/types/errors.go, x/accountplus/types/errors.go,
cosmos-sdk types/errors/errors.go.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from signalbox.gateway.venue import CancelVerdict


class Verdict(StrEnum):
    """What a broadcast's code says about the order: of the first broadcast of its client id."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    """The order is surely not on the chain."""
    PRESENT = "PRESENT"
    """The chain has, or had, an order with this identity: ask, never send again."""
    UNKNOWN = "UNKNOWN"
    """Not known: ask."""


class VenueProblem(Struct, frozen=True):
    """`again`: nothing was taken in, and the same client id may be tried again by the process that owns it."""

    verdict: Verdict
    advice: str = ""
    again: bool = False


_V = Verdict
_ASK = VenueProblem(Verdict.UNKNOWN)

_SDK: dict[int, VenueProblem] = {
    2: VenueProblem(_V.REFUSED, "The transaction could not be read: is SIGNALBOX_DYDX_NETWORK the node's network?"),
    4: VenueProblem(
        _V.REFUSED,
        "The signature does not fit the account: check the key, SIGNALBOX_DYDX_NETWORK and its chain id.",
    ),
    5: VenueProblem(_V.REFUSED, "The address has not enough funds for this."),
    7: VenueProblem(_V.REFUSED, "The address is not one of this chain."),
    8: VenueProblem(_V.REFUSED, "The public key is not the account's."),
    9: VenueProblem(_V.REFUSED, "The chain does not know the address: it must receive funds first."),
    11: VenueProblem(_V.REFUSED, "The transaction ran out of gas."),
    13: VenueProblem(_V.REFUSED, "The transaction's fee is too small."),
    18: VenueProblem(_V.REFUSED, "The request is invalid."),
    19: VenueProblem(_V.PRESENT, "The node has these very bytes already."),
    20: VenueProblem(_V.UNKNOWN, "The node's mempool is full: the order may have been matched before it was dropped."),
    21: VenueProblem(_V.REFUSED, "The transaction is too large."),
    32: VenueProblem(
        _V.REFUSED,
        "The sequence was refused: another program may sign with this key, or this machine's clock is wrong.",
        again=True,
    ),
}

_CLOB: dict[int, VenueProblem] = {
    2: VenueProblem(_V.REFUSED, "The node has no such order."),
    3: VenueProblem(_V.REFUSED, "The order's side is invalid."),
    4: VenueProblem(_V.REFUSED, "The order's size is invalid."),
    5: VenueProblem(_V.REFUSED, "The order's good-til-block is invalid."),
    6: VenueProblem(_V.REFUSED, "The order's price is invalid."),
    7: VenueProblem(_V.REFUSED, "The order's cancel came before the order."),
    8: VenueProblem(_V.REFUSED, "The chain has no such market: check the symbol in the desk file."),
    10: VenueProblem(_V.REFUSED, "The order came too late: its good-til-block had passed. Is the gateway's link slow?"),
    11: VenueProblem(_V.REFUSED, "The good-til-block is too far ahead: the node is behind the chain."),
    12: VenueProblem(_V.REFUSED, "The size does not fit the market's step, or the price its tick."),
    17: VenueProblem(_V.REFUSED, "The subaccount has as many open orders in this market as it may."),
    18: VenueProblem(_V.REFUSED, "The size does not fit the market's step."),
    20: VenueProblem(_V.PRESENT, "An order with this client id is there, with the same or a later good-til-block."),
    24: VenueProblem(_V.PRESENT, "The order has been filled completely."),
    30: VenueProblem(_V.PRESENT, "The chain has processed this very order already."),
    34: VenueProblem(_V.REFUSED, "The market does not take such orders now: it is paused, starting or closing."),
    36: VenueProblem(_V.REFUSED, "The market does not take such orders now: it is paused, starting or closing."),
    42: VenueProblem(_V.REFUSED, "The time in force is not one the chain takes here."),
    44: VenueProblem(_V.REFUSED, "The time in force is invalid."),
    47: VenueProblem(_V.REFUSED, "The node has just started and takes no orders yet.", again=True),
    48: VenueProblem(_V.REFUSED, "The chain no longer takes this kind of order (fill-or-kill)."),
    49: VenueProblem(_V.REFUSED, "The order's TWAP terms are invalid."),
    50: VenueProblem(_V.REFUSED, "The order's builder code is invalid."),
    2000: VenueProblem(_V.REFUSED, "The order could not be filled at once and completely."),
    2001: VenueProblem(_V.REFUSED, "The order is reduce-only and would increase the position."),
    2002: VenueProblem(_V.REFUSED, "The order is reduce-only and would turn the position around."),
    2003: VenueProblem(_V.REFUSED, "The order is post-only and would have been filled at once."),
    2004: VenueProblem(_V.PRESENT, "The order has filled already, and its rest is cancelled."),
    2005: VenueProblem(_V.REFUSED, "An isolated market needs a subaccount of its own."),
    3000: VenueProblem(_V.REFUSED, "The order's kind is invalid."),
    3001: VenueProblem(_V.REFUSED, "The order's good-til-time is invalid."),
    3002: VenueProblem(_V.REFUSED, "A long-term order can not be immediate-or-cancel."),
    3003: VenueProblem(_V.REFUSED, "The order's good-til-time has passed."),
    3004: VenueProblem(_V.REFUSED, "The order's good-til-time is more than 95 days ahead."),
    3005: VenueProblem(_V.PRESENT, "An order with this client id is there already."),
    3006: VenueProblem(_V.REFUSED, "The chain has no such order."),
    3007: VenueProblem(_V.REFUSED, "The subaccount has not enough free collateral for this order."),
    3008: VenueProblem(_V.PRESENT, "The order was there, and was cancelled."),
    3009: VenueProblem(_V.PRESENT, "The order was there, and was removed."),
    5001: VenueProblem(
        _V.REFUSED, "Too many orders from this address within these blocks: wait some blocks.", again=True
    ),
    6000: VenueProblem(_V.REFUSED, "The order's condition is invalid."),
    6001: VenueProblem(_V.REFUSED, "The order's trigger price is invalid."),
    9003: VenueProblem(_V.REFUSED, "Reduce-only is possible for immediate-or-cancel orders alone."),
    10001: VenueProblem(_V.REFUSED, "The subaccount's equity does not allow another resting stop or long-term order."),
    11000: VenueProblem(_V.REFUSED, "The order's router address is invalid."),
}

_NOT_ALLOWED = VenueProblem(
    _V.REFUSED,
    "The trading key's authenticator does not let it send this: `signalbox dydx-key list` shows what it allows "
    "(docs/dydx-keys.md).",
)
_ACCOUNTPLUS: dict[int, VenueProblem] = {
    1: VenueProblem(
        _V.REFUSED,
        "The account's owner has removed the trading key's authenticator: `signalbox dydx-key create` makes another.",
    ),
    4: VenueProblem(_V.REFUSED, "Permissioned keys are turned off on this chain: wait, or use the wallet's own key."),
    **dict.fromkeys(range(100, 106), _NOT_ALLOWED),
}
"""Said before the order is looked at (v4-chain: x/accountplus/types/errors.go)."""

_SUBACCOUNTS: dict[int, VenueProblem] = {
    701: VenueProblem(_V.REFUSED, "The market does not allow so much leverage (`signalbox dydx-leverage list --all`)."),
    703: VenueProblem(
        _V.REFUSED, "What is held would then bind more margin than there is: reduce it, or deposit first."
    ),
}
"""Of a leverage that is set (v4-chain: x/subaccounts/types/errors.go)."""

_TABLES = {"sdk": _SDK, "clob": _CLOB, "accountplus": _ACCOUNTPLUS, "subaccounts": _SUBACCOUNTS}

_CANCELS: dict[tuple[str, int], CancelVerdict] = {
    ("sdk", 19): CancelVerdict.ACCEPTED,
    ("clob", 9): CancelVerdict.ACCEPTED,
    ("clob", 32): CancelVerdict.ACCEPTED,
    ("clob", 2): CancelVerdict.GONE,
    ("clob", 3006): CancelVerdict.GONE,
    ("clob", 3010): CancelVerdict.GONE,
    ("clob", 29): CancelVerdict.REFUSED,
    ("clob", 45): CancelVerdict.REFUSED,
    ("clob", 46): CancelVerdict.REFUSED,
}
"""What means something else of a cancel than of an order."""

_CANCEL_OF = {
    Verdict.ACCEPTED: CancelVerdict.ACCEPTED,
    Verdict.REFUSED: CancelVerdict.REFUSED,
    Verdict.PRESENT: CancelVerdict.UNKNOWN,
    Verdict.UNKNOWN: CancelVerdict.UNKNOWN,
}


def problem_of(codespace: str, code: int) -> VenueProblem:
    """What a placing's code means; code 0 is ACCEPTED in any space, an unknown code is UNKNOWN."""
    if code == 0:
        return VenueProblem(Verdict.ACCEPTED)
    return _TABLES.get(codespace, {}).get(code, _ASK)


def cancel_verdict(codespace: str, code: int) -> CancelVerdict:
    """What a cancel's code means."""
    return _CANCELS.get((codespace, code)) or _CANCEL_OF[problem_of(codespace, code).verdict]


def code_text(codespace: str, code: int) -> str:
    """Name a code as reports do: `clob/2003`."""
    return f"{codespace}/{code}"


def sentence(codespace: str, code: int, text: str) -> str:
    """The chain's text with what to do about it."""
    advice = problem_of(codespace, code).advice
    said = f"{text or 'the chain gave no text'} ({code_text(codespace, code)})"
    return f"{said}. {advice}" if advice else said
