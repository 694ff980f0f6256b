"""Wishes for a position that wait while their venue is away, instead of being denied. Pure: it only says how long.

A person who wants to be out does not want to ask again each minute until the venue is back. So a wish with a
`valid_until` stays where it is, in INTENTS, undecided, until the gateway is READY again or its time is over: then it is
decided by what is so by then. Nothing of it is kept anywhere else: any process finds it there again. It must not
know the queue (`intake`).
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from signalbox import subjects
from signalbox.messages import Intent, LinkStatus, PositionIntent

from risk.facts import normalised
from risk.state import AccountKey, RiskState

_READY = LinkStatus.READY


class Waits(Struct, frozen=True):
    """For whose gateway something waits, and until when."""

    key: AccountKey
    until: datetime


def waits(state: RiskState, intent: Intent | None, at: datetime) -> Waits | None:
    """What an intent waits for; None = it is decided now, be it only to say what is wrong with it."""
    if not isinstance(intent, PositionIntent) or intent.valid_until is None:
        return None
    wish, _ = normalised(state.rules, intent)
    key = (wish.venue, wish.account)
    is_the_desks = key in state.rules.accounts and (wish.venue, wish.symbol) in state.rules.allowed
    is_new = subjects.INTENT_ID.fullmatch(wish.id) is not None and wish.id not in state.known
    if not (is_the_desks and is_new):
        return None
    found = Waits(key, intent.valid_until)
    return found if still_waits(state, found, at) else None


def still_waits(state: RiskState, waiting: Waits, at: datetime) -> bool:
    """Whether the gateway is still away, and there is time left."""
    link = state.links.get(waiting.key)
    return (link is None or link.message.status is not _READY) and at <= waiting.until
