"""Who is subscribed to what, and the carrying of updates to them, at once or in batches.

Owns subscriptions, batches every 250 ms, and the faults of updates. It must not know what the updates hold.

Source: `indexer/services/socks/src/lib/{subscription,message-forwarder}.ts` of dydxprotocol/v4-chain.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from simulators.dydx.garbling import Garbling

BATCH_SECONDS = 0.25
UPDATES_HELD_MAX = 10_000

Key = tuple[str, str]
"""A channel and an id in it."""


class Subscriber(Protocol):
    """A connection, as far as updates are concerned."""

    def send_update(self, key: Key, update: Update) -> None: ...
    def send_batch(self, key: Key, version: str, subaccount_number: int | None, contents: list[Any]) -> None: ...


class Update(Struct, frozen=True):
    """One update, already encoded."""

    contents: msgspec.Raw
    version: str
    subaccount_number: int | None = None


class UpdateFaults(Struct):
    """What goes wrong with the next updates. `channel` "" = of any channel."""

    delay_ms: int = 0
    drop_count: int = 0
    drop_channel: str = ""
    duplicate_count: int = 0
    duplicate_channel: str = ""
    reorder_count: int = 0
    reorder_channel: str = ""
    lose_count: int = 0
    lose_channel: str = ""
    refuse_count: int = 0
    refuse_channel: str = ""
    refuse_id: str = ""

    def loses_message(self, channel: str) -> bool:
        """Tell whether a message that has its number is lost."""
        if not self.lose_count or self.lose_channel not in ("", channel):
            return False
        self.lose_count -= 1
        return True

    def refuses_subscription(self, key: Key) -> bool:
        """Tell whether the first contents of a subscription can not be fetched this time."""
        channel, id_ = self.refuse_channel or key[0], self.refuse_id or key[1]
        if not self.refuse_count or key != (channel, id_):
            return False
        self.refuse_count -= 1
        return True


class Feed:
    """Carries updates to subscribers. `flush` must be called every BATCH_SECONDS."""

    def __init__(self) -> None:
        self.faults, self.garbling = UpdateFaults(), Garbling()
        self._subscribers: dict[Key, dict[Subscriber, bool]] = {}
        self._batches: dict[Key, list[Update]] = {}
        self._overtaken: dict[Key, Update] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def is_wanted(self, channel: str, id_: str) -> bool:
        """Tell whether anybody is subscribed."""
        return bool(self._subscribers.get((channel, id_)))

    def add(self, subscriber: Subscriber, key: Key, *, batched: bool) -> None:
        """Begin to carry updates to a subscriber."""
        self._subscribers.setdefault(key, {})[subscriber] = batched

    def remove(self, subscriber: Subscriber, key: Key) -> None:
        """Carry no more updates."""
        subscribers = self._subscribers.get(key, {})
        subscribers.pop(subscriber, None)
        if not subscribers:
            self._subscribers.pop(key, None)
            self._batches.pop(key, None)
            self._overtaken.pop(key, None)

    def publish(
        self, channel: str, id_: str, contents: object, version: str, subaccount_number: int | None = None
    ) -> None:
        """Carry an update to everybody who is subscribed, unless a fault is set."""
        key = (channel, id_)
        if key not in self._subscribers:
            return
        contents = self.garbling.applied(contents, id_.partition("/")[0])
        update = Update(msgspec.Raw(msgspec.json.encode(contents)), version, subaccount_number)
        if self.faults.drop_count and self.faults.drop_channel in ("", channel):
            self.faults.drop_count -= 1
            return
        if self.faults.delay_ms and len(self._timers) < UPDATES_HELD_MAX:
            self._later(self.faults.delay_ms / 1000, key, update)
            return
        self._carry(key, update)

    def flush(self, key: Key | None = None) -> None:
        """Send the batches, of one channel and id or all."""
        for each in (key,) if key is not None else tuple(self._batches):
            updates = self._batches.pop(each, [])
            groups: dict[tuple[str, int | None], list[msgspec.Raw]] = {}
            for update in updates:
                groups.setdefault((update.version, update.subaccount_number), []).append(update.contents)
            for subscriber, batched in tuple(self._subscribers.get(each, {}).items()):
                if batched:
                    for (version, number), contents in groups.items():
                        subscriber.send_batch(each, version, number, contents)

    def close(self) -> None:
        """Forget what is held back."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _later(self, seconds: float, key: Key, update: Update) -> None:
        def carry() -> None:
            self._timers.discard(timer)
            self._carry(key, update)

        timer = asyncio.get_running_loop().call_later(seconds, carry)
        self._timers.add(timer)

    def _carry(self, key: Key, update: Update) -> None:
        faults = self.faults
        overtaken = self._overtaken.pop(key, None)
        if overtaken is None and faults.reorder_count and faults.reorder_channel in ("", key[0]):
            faults.reorder_count -= 1
            self._overtaken[key] = update
            return
        self._hand_over(key, update)
        if faults.duplicate_count and faults.duplicate_channel in ("", key[0]):
            faults.duplicate_count -= 1
            self._hand_over(key, update)
        if overtaken is not None:
            self._hand_over(key, overtaken)

    def _hand_over(self, key: Key, update: Update) -> None:
        subscribers = self._subscribers.get(key, {})
        if any(subscribers.values()):
            self._batches.setdefault(key, []).append(update)
        for subscriber, batched in tuple(subscribers.items()):
            if not batched:
                subscriber.send_update(key, update)
