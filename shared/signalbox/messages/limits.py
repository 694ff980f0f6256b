"""Limits by scope: what an operator wants them to be, and what risk says to it.

An operator publishes the whole set that is to hold, with the version that it is to replace. Risk answers once, in
TRADE, among its decisions: what it decides behind a `LimitsSet` is held against that, and nothing before it is.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from signalbox.messages.words import Message

Stated = dict[str, Decimal]
"""A limit's name and what it is (`signalbox.limits.LIMITS`). What is not stated is left to the other scopes."""


class Loosening(StrEnum):
    """Who may set limits that let more through: one operator who says that he means to, or two who want the same."""

    ONE = "ONE"
    TWO = "TWO"


class LimitsByScope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What each scope states: the desk, then by name venues, accounts, asset classes, strategies and symbols.

    Of what holds for an order the tightest counts; what no scope of it states denies it.
    """

    desk: Stated = {}
    venue: dict[str, Stated] = {}
    account: dict[str, Stated] = {}
    asset_class: dict[str, Stated] = {}
    strategy: dict[str, Stated] = {}
    symbol: dict[str, Stated] = {}


class LimitsProposed(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator wants the limits to be (KV bucket CONTROL, key `limits`), instead of the version `replaces`.

    Version 0 is the desk file's. `loosens` = the operator knows that some limit is looser then, and wants it. `agrees`
    names the proposal of another operator that this one repeats, where loosening is for two. `by` is what the sender
    says of himself: what risk answers bears the name that the server saw.
    """

    limits: LimitsByScope
    replaces: int
    reason: str
    by: str = ""
    loosens: bool = False
    agrees: str = ""


class LimitsSet(Message, frozen=True, kw_only=True):
    """From here on these hold; `cause` is the proposal. `loosened` says what is looser than before.

    `desk_file` names the limits of the desk file that risk had then: while it has others, those hold too.
    """

    version: int
    limits: LimitsByScope
    by: str
    reason: str
    desk_file: str
    loosened: tuple[str, ...] = ()
    agreed_with: str = ""
    """Who had proposed the same before, where loosening is for two."""


class LimitsRefused(Message, frozen=True, kw_only=True):
    """The limits stay as they are: `version` holds, and `reason` says why. `cause` is the proposal.

    `waiting` is what was proposed, where nothing is wrong with it but that a second operator has to agree.
    """

    version: int
    by: str
    reason: str
    waiting: LimitsByScope | None = None


LimitsRuling = LimitsSet | LimitsRefused
