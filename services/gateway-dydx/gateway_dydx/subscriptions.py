"""What one websocket of the indexer is subscribed to, and what the indexer says to each of that. Pure.

Owns which subscription is asked for, confirmed or refused, and when a refused one is asked for again. Times are any
rising clock's seconds and come in as data. It must not know sockets.

The indexer answers each subscription by itself. An error has the channel and the id, or both in its text, or the
channel alone (the 33rd of a channel on one connection): then the subscription is the one that stays unanswered, and the
words are told with it. Source: v4-chain, indexer/services/socks/src/lib/subscription.ts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_dydx.stream_messages import subscription_key

ASK_AGAIN_SECONDS, ASK_AGAIN_SECONDS_MAX = 2.0, 60.0
"""After a refusal, then each time later. Two subscribes to one id within a second are allowed."""
TEXT_MAX = 200
_NAMED = re.compile(r"\((v4_[a-z_]+)-(.+)\)")
_CHANNEL = re.compile(r"v4_[a-z_]+")

Key = tuple[str, str]


@dataclass
class Subscription:
    """One of them. `needed` = without it the connection is of no use."""

    request: dict[str, Any]
    needed: bool
    asked_seconds: float = -math.inf
    waiting: bool = False
    confirmed: bool = False
    reason: str = ""
    """Why it is refused; "" = it is not."""
    refusals: int = 0
    again_seconds: float = math.inf


class Subscriptions:
    """All of one stream, over its connections."""

    def __init__(self) -> None:
        self._of: dict[Key, Subscription] = {}
        self._words: dict[str, str] = {}
        """The last error of a channel that named no id."""

    def __contains__(self, key: Key) -> bool:
        return key in self._of

    def __iter__(self) -> Any:
        return iter(tuple(self._of))

    def want(self, key: Key, request: dict[str, Any], *, needed: bool) -> None:
        """Take one more."""
        self._of[key] = Subscription(request, needed)

    def begin(self) -> None:
        """Another connection: nothing is confirmed on it, and nothing refused."""
        self._words.clear()
        for each in self._of.values():
            each.waiting = each.confirmed = False
            each.reason, each.refusals, each.again_seconds = "", 0, math.inf

    def ask(self, key: Key, now: float) -> dict[str, Any]:
        """It is asked for now; the request."""
        each = self._of[key]
        each.waiting, each.confirmed, each.asked_seconds, each.again_seconds = True, False, now, math.inf
        return each.request

    def asked_seconds(self, key: Key) -> float:
        """When it was last asked for, on whichever connection."""
        return self._of[key].asked_seconds

    def confirm(self, key: Key) -> None:
        """Its first contents are here."""
        each = self._of.get(key)
        if each is not None:
            each.waiting, each.confirmed, each.reason, each.refusals = False, True, "", 0

    def take_error(self, message: Mapping[str, Any], now: float) -> Key | None:
        """Take the indexer's error; the subscription that it refuses, if it names one that waits for its answer."""
        text = str(message.get("message") or "")[:TEXT_MAX]
        channel, id = str(message.get("channel") or ""), str(message.get("id") or "")
        if not channel and (named := _NAMED.search(text)):
            channel, id = named[1], named[2]
        key = subscription_key(channel, id)
        each = self._of.get(key)
        if each is not None and each.waiting:
            self.refuse(key, text, now)
            return key
        if found := _CHANNEL.search(text):
            self._words[found[0]] = text
        return None

    def refuse(self, key: Key, reason: str, now: float) -> None:
        """It is not given; it is asked for again later."""
        each = self._of[key]
        each.waiting, each.reason = False, reason
        each.again_seconds = now + min(ASK_AGAIN_SECONDS * 2**each.refusals, ASK_AGAIN_SECONDS_MAX)
        each.refusals += 1

    def late(self, now: float, answer_seconds_max: float) -> list[Key]:
        """Those without an answer in time."""
        limit = now - answer_seconds_max
        return [key for key, each in self._of.items() if each.waiting and each.asked_seconds < limit]

    def why_late(self, key: Key) -> str:
        """The reason to tell of one without an answer: the indexer's own words, if it said any of the channel."""
        words = self._words.get(key[0], "")
        return words or f"no answer to the subscription of {' '.join(key)}"

    def due(self, now: float) -> list[Key]:
        """Refused ones that are to be asked for again now."""
        return [key for key, each in self._of.items() if each.again_seconds <= now]

    def is_needed(self, key: Key) -> bool:
        return self._of[key].needed

    def waiting(self) -> int:
        """How many wait for their answer."""
        return sum(each.waiting for each in self._of.values())

    @property
    def is_whole(self) -> bool:
        """Whether everything that is needed is confirmed."""
        return all(each.confirmed for each in self._of.values() if each.needed)

    def is_confirmed(self, channel: str, id: str = "") -> bool:
        each = self._of.get(subscription_key(channel, id))
        return each is not None and each.confirmed

    def why_refused(self, channel: str, id: str = "") -> str:
        """Why one is refused; "" = it is not."""
        each = self._of.get(subscription_key(channel, id))
        return each.reason if each is not None else ""
