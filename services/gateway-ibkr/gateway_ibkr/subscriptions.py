"""Whether what was subscribed to is still alive, and when it is asked for again.

Pure: times come in with each call. Owns the rule, which is the same for quotes, bars, and profit and loss. The venue
ends a subscription with a word (1101, 10197, 10225, a refusal), or with none: a farm that goes and comes back, a
nightly reset, a competing session. So a code is believed, and silence is too:

    never asked for on this session       asked for now
    the venue said that it is lost        asked for now
    something happened that often ends    asked for when nothing comes of it within `silence_wall_seconds`
      subscriptions (a farm, 1102)
    silent for `silence_seconds` while    asked for now
      its market is open
    refused until a person does           asked for every `delay_seconds_max`: permissions come back by themselves too
      something (354, 420, 10168)

Between two requests for the same thing pass `delay_seconds`, twice as many each time that nothing comes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from signalbox.errors import CalendarError
from signalbox.sessions import is_open


class Data(StrEnum):
    """What is subscribed to."""

    BAR = "bar"
    QUOTE = "quote"
    PNL = "pnl"


class Patience(Struct, frozen=True, kw_only=True):
    """How long silence is borne, and how soon and how late it is asked again."""

    silence_seconds: float
    """Of desk time, in which its market was open."""
    silence_wall_seconds: float
    """Of wall time too: a simulated clock may run ahead of the socket."""
    delay_seconds: float
    delay_seconds_max: float


@dataclass
class Subscription:
    """One thing that the venue should keep telling. Seconds are wall time (monotonic)."""

    data: Data
    symbol: str
    """"" = it is of the account."""
    calendars: tuple[str, ...]
    """It should be heard while one of these markets is open."""
    patience: Patience
    key: int = 0
    """The request's id on the present session; 0 = it has not been asked for there."""
    asked_seconds: float = -math.inf
    heard_seconds: float = -math.inf
    heard_at: datetime | None = None
    """Desk time of the last sign of life, or of the request."""
    lost: str = ""
    """Why it is known not to live; "" = as far as is known it does."""
    suspicion: str = ""
    suspected_seconds: float = 0.0
    refused: bool = False
    attempts: int = 0
    """Requests since the last sign of life."""


def begin_anew(subscription: Subscription) -> None:
    """There is a new session, on which nothing has been asked for."""
    subscription.key, subscription.attempts = 0, 0
    subscription.lost = subscription.suspicion = ""


def asked(subscription: Subscription, key: int, at: datetime, seconds: float) -> None:
    """It has been asked for now."""
    subscription.key, subscription.asked_seconds, subscription.heard_at = key, seconds, at
    subscription.heard_seconds = seconds
    subscription.lost = subscription.suspicion = ""
    subscription.attempts += 1


def heard(subscription: Subscription, at: datetime, seconds: float) -> None:
    """The venue has told what was asked for: it lives."""
    subscription.heard_at, subscription.heard_seconds, subscription.attempts = at, seconds, 0
    subscription.lost = subscription.suspicion = ""
    subscription.refused = False


def lose(subscription: Subscription, reason: str, *, refused: bool = False) -> None:
    """The venue has said that it is over, or will not be; `refused` = until a person changes something."""
    subscription.lost, subscription.refused = reason, refused


def suspect(subscription: Subscription, reason: str, seconds: float) -> None:
    """Something has happened that ends subscriptions without a word: it has to show that it lives."""
    subscription.suspicion, subscription.suspected_seconds = reason, seconds


def delay_seconds(subscription: Subscription) -> float:
    """How long after its last request it may be asked for again."""
    patience = subscription.patience
    if subscription.refused:
        return patience.delay_seconds_max
    return float(
        min(patience.delay_seconds * 2 ** min(max(subscription.attempts - 1, 0), 16), patience.delay_seconds_max)
    )


def why_dead(subscription: Subscription, at: datetime | None, seconds: float) -> str:
    """Why it is taken not to live; "" = it may well. `at` is desk time, None = nobody knows it now."""
    patience = subscription.patience
    if subscription.lost:
        return subscription.lost
    if subscription.suspicion and seconds - subscription.suspected_seconds >= patience.silence_wall_seconds:
        return subscription.suspicion
    silent_seconds = _silent_seconds(subscription, at, seconds) if at is not None else 0.0
    return f"nothing has come for {silent_seconds:.0f} s while the market was open" if silent_seconds else ""


def why_now(subscription: Subscription, at: datetime | None, seconds: float) -> str:
    """Why it should be asked for at this instant; "" = it should not."""
    if not subscription.key:
        return "it has not been asked for on this connection"
    if seconds < subscription.asked_seconds + delay_seconds(subscription):
        return ""
    return why_dead(subscription, at, seconds)


def _silent_seconds(subscription: Subscription, at: datetime, seconds: float) -> float:
    """For how much desk time it has said nothing, if that is too long; 0 = it is not."""
    patience, heard_at = subscription.patience, subscription.heard_at
    if heard_at is None or seconds - subscription.heard_seconds < patience.silence_wall_seconds:
        return 0.0
    silence = timedelta(seconds=patience.silence_seconds)
    if at - heard_at < silence or not any(_was_open(calendar, at, silence) for calendar in subscription.calendars):
        return 0.0
    return (at - heard_at).total_seconds()


def _was_open(calendar: str, at: datetime, silence: timedelta) -> bool:
    try:
        return is_open(calendar, at) and is_open(calendar, at - silence)
    except CalendarError:
        return False
