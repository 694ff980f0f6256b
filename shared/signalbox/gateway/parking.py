"""What a venue has said that makes no sense: parked with its reason, told once, and what depends on it named.

Owns which facts stand unread, for how long, and whose symbol nothing is sent for meanwhile. Nothing that a venue says
ends a gateway, and nothing is guessed from it: everything else goes on. It must not know what makes sense (a venue's
`sense`, `fields`), nor what follows from a fact that does.

A fact stands under its kind and key until a later one of the same key can be read, or a complete answer of its kind
does not have it any more. One that passes (a bar, a tick) is told and does not stand. Each is kept in DEAD.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from signalbox import subjects
from signalbox.bus import Bus
from signalbox.errors import BusError
from signalbox.gateway.actions import Park
from signalbox.messages import DeadLetter
from signalbox.metrics import VENUE_FACTS_PARKED, VENUE_FACTS_UNREAD
from signalbox.venue_figures import show_part
from signalbox.venues import gateway_of

log = logging.getLogger(__name__)

STREAM = "VENUE"
"""Named in a dead letter as where the fact stands: it came over a venue's connection and is in no stream."""

STANDING_MAX = 500
"""More unread facts than these are counted and not kept, but for their symbols: somebody should look long before."""
LETTERS_WAITING_MAX = 200
TEXT_CHARACTERS_MAX = 1_000
REASON_CHARACTERS_MAX = 200
PASSING_TOLD_SECONDS_MIN = 60.0
"""Between two dead letters of what passes, of one key."""
RETRY_DELAY_SECONDS = 1.0


class Parking:
    """The facts of one account's venue that could not be read."""

    def __init__(
        self, venue: str, on_symbols: Callable[[dict[str, str]], None] = lambda symbols: None, account: str = ""
    ) -> None:
        self._venue, self._account, self._on_symbols = venue, account, on_symbols
        self._standing: dict[tuple[str, str], Park] = {}
        self._told_seconds: dict[tuple[str, str, str], float] = {}
        """By kind, key and reason: when it was told (monotonic)."""
        self._letters: deque[DeadLetter] = deque(maxlen=LETTERS_WAITING_MAX)
        self._filled = asyncio.Event()
        show_part(VENUE_FACTS_UNREAD, venue, account, 0)

    def park(self, fact: Park) -> None:
        """Keep a fact aside. The same again says nothing."""
        place = fact.kind, fact.key
        VENUE_FACTS_PARKED.labels(self._venue, fact.kind).inc()
        if not fact.passes and (place in self._standing or len(self._standing) < STANDING_MAX):
            self._standing[place] = fact
            self._show()
        now, told = time.monotonic(), (*place, "" if fact.passes else fact.reason)
        if now - self._told_seconds.get(told, -math.inf) < (PASSING_TOLD_SECONDS_MIN if fact.passes else math.inf):
            return
        self._told_seconds[told] = now
        while len(self._told_seconds) > STANDING_MAX:
            del self._told_seconds[next(iter(self._told_seconds))]
        log.error(
            "a fact of the venue makes no sense: it is set aside",
            extra={"kind": fact.kind, "key": fact.key, "symbol": fact.symbol, "reason": fact.reason},
        )
        self._letters.append(letter(self._venue, fact))
        self._filled.set()

    def read(self, kind: str, key: str) -> None:
        """A fact of that key can be read: what stood there does not any more."""
        if self._standing.pop((kind, key), None) is not None:
            self._told_seconds = {
                told: seconds for told, seconds in self._told_seconds.items() if told[:2] != (kind, key)
            }
            self._show()

    def answered(self, kinds: Collection[str], unread: Iterable[Park]) -> None:
        """A complete answer has come: of its kinds only what is unread in it stands."""
        still = {(fact.kind, fact.key) for fact in unread}
        for kind, key in [*self._standing]:
            if kind in kinds and (kind, key) not in still:
                self.read(kind, key)

    @property
    def symbols(self) -> dict[str, str]:
        """The symbols that nothing is sent for, and why."""
        return {fact.symbol: f"{fact.kind}: {fact.reason}" for fact in self._standing.values() if fact.symbol}

    def described(self) -> str:
        """What stands unread, for a person."""
        return "; ".join(
            f"{fact.kind} {fact.key}{f' of {fact.symbol}' * bool(fact.symbol)}: {fact.reason}"
            for fact in self._standing.values()
        )

    async def keep(self, bus: Bus) -> None:
        """Store what was parked in DEAD, for ever. While NATS is away the newest wait; `status` has all that stand."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._letters:
                with suppress(BusError, TimeoutError):
                    await bus.publish(subjects.dead(STREAM, gateway_of(self._venue)), self._letters[0])
                    self._letters.popleft()
                    continue
                await asyncio.sleep(RETRY_DELAY_SECONDS)

    def _show(self) -> None:
        show_part(VENUE_FACTS_UNREAD, self._venue, self._account, len(self._standing))
        self._on_symbols(self.symbols)


def letter(venue: str, fact: Park) -> DeadLetter:
    """The dead letter of a fact; the same fact makes the same id."""
    payload = fact.text.encode("utf-8", "backslashreplace")
    about = hashlib.sha256(f"{fact.kind}/{fact.key}/{fact.reason}/{fact.text}".encode("utf-8", "replace")).hexdigest()
    service = gateway_of(venue)
    return DeadLetter(
        id=f"dead/{STREAM}/{service}/{about[:32]}",
        at=datetime.now(UTC),
        service=service,
        stream=STREAM,
        sequence=0,
        subject=f"{venue}.{fact.kind.replace(' ', '-')}",
        error=f"{fact.key}: {fact.reason}",
        payload=payload,
        payload_bytes=len(payload),
    )


def parked(kind: str, key: object, reason: str, fact: object, *, symbol: str = "", passes: bool = False) -> Park:
    """Make the action; every text is cut to what a line takes."""
    return Park(
        kind=kind,
        key=_shortened(key, 100),
        reason=_shortened(reason, REASON_CHARACTERS_MAX),
        text=_shortened(fact, TEXT_CHARACTERS_MAX),
        symbol=symbol,
        passes=passes,
    )


def _shortened(value: object, characters_max: int) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = "".join(each if each.isprintable() else "?" for each in text[: characters_max + 1])
    return text if len(text) <= characters_max else f"{text[: characters_max - 3]}..."
