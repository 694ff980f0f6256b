"""A fuzzer of a whole desk at the level of NATS's protocol: `make fuzz SECONDS=600 SEED=7`.

It starts a desk of its own, speaks with every credential (people's and services') on raw sockets, and sends whatever
bytes come to its mind on every subject that the credential may publish: subjects, header blocks, payloads, sizes, and
reply subjects of others. Every few seconds a good intent must be decided, every service be ready, and none have ended;
at the end so once more after a restart of everything, and a query must be answered.

A service's credential is spared what is that service's own way to work: its lease, and where it pulls and acknowledges.
The same seed sends the same bytes, as far as the desk's answers take the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from secrets import token_hex

from signalbox import messages, services, subjects
from signalbox.accounts import ACCOUNTS, BOOTSTRAP, CONTROLS, SERVER_ID
from signalbox.bus import Bus, Received
from signalbox.client.record import query
from signalbox.messages import Decision, OrderIntent, OrderType, Side, TimeInForce, TradingMode, TradingState
from signalbox_cli.connection import desk_time
from signalbox_cli.local_desk import DeskNotReadyError, LocalDesk

from tests.chaos.flow import desk_in

BETWEEN_LOOKS_SECONDS = 5.0
DECIDED_SECONDS_MAX, READY_SECONDS_MAX = 60.0, 90.0
BURST_MESSAGES_MAX = 200
SENT_SECONDS_MAX = 10.0

OWN_WAY = ("$KV.LEASES.", "$JS.ACK.", "$JS.API.CONSUMER.MSG.NEXT.")
DISCOVERY = tuple(subjects.discovery(verb, *of) for verb in subjects.DISCOVERY_VERBS for of in ((), ("risk",)))
ASKED = ("query.sql", "whatif.intent", *(f"status.{service}" for service in services.SERVICES), *DISCOVERY, SERVER_ID)
MAY_PUBLISH: dict[str, tuple[str, ...]] = {
    "user": ("intent.*.*", *ASKED),
    "operator": ("intent.*.*", *CONTROLS, *ASKED),
    BOOTSTRAP: ("$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$KV.CONTROL.trading-state.bootstrap"),
    **{
        account.name: tuple(
            subject
            for subject in (*account.stores, *account.tells, *(f"$JS.API.DIRECT.GET.{read}" for read in account.reads))
            if not subject.startswith(OWN_WAY)
        )
        for account in ACCOUNTS
    },
}
REPLIES = (
    *("decision.approved.ibkr.DU1234567", "$KV.CONTROL.trading-state", "command.ibkr.o.0", "$JS.API.STREAM.PURGE.DEAD"),
    *("_R_.x", "_INBOX.user.x", "$JS.ACK.TRADE.oms.1.1.1.1.1", "\xff\xfe", "a" * 900),
)
TOKENS = (
    *(b"\xff\xfe", b"\x00", b"*", b">", b"%", b"$JS", b"ibkr", b"dydx", b"SPY", b"DU1234567", b"risk", b"TRADE"),
    *(b"1", b"-1", b"9" * 30, b"x" * 500, "Ä\u202e".encode(), b"\x0b", b"~1", b"_baseline"),
)
HEADERS = (
    *(b"Status: 100", b"Status: 503", b"Description: Idle Heartbeat", b"no colon", b": no name", b"\x00\xff\xfe"),
    *(b"Nats-Msg-Id: a", b"Nats-Msg-Id: \xff", b"Nats-Msg-Id: " + b"y" * 9000, b"nats-msg-id: a", b"Nats-Msg-Id:"),
    *(b"Nats-Rollup: all", b"Nats-Rollup: sub", b"Nats-TTL: 1", b"Nats-Marker-Reason: Purge", b"Nats-Incr: 1"),
    *(b"Nats-Schedule: @at 2020-01-01T00:00:00Z", b"Nats-Schedule-Target: decision.approved.ibkr.DU1234567"),
    *(b"Nats-Batch-Id: b", b"Nats-Batch-Sequence: 1", b"Nats-Batch-Commit: 1", b"Nats-Expected-Stream: TRADE"),
    *(b"Nats-Expected-Last-Subject-Sequence: 0", b"Nats-Expected-Last-Subject-Sequence-Subject: >"),
    *(b"Nats-Expected-Last-Sequence: 1", b"Nats-Expected-Last-Msg-Id: a", b"Nats-Consumer-Stalled: decision.a.b.c"),
    *(
        b"Nats-Stream: TRADE",
        b"Nats-Sequence: 1",
        b"Nats-Subject: a",
        b"Nats-Time-Stamp: never",
        b"Nats-Num-Pending: 0",
    ),
    *(b"Nats-Trace-Dest: decision.approved.ibkr.DU1234567", b"Nats-Trace-Only: true", b"traceparent: 00-1-2-01"),
    *(b"Signalbox-Seal: 1::" + b"0" * 64, b"Signalbox-Seal: 1:operator:" + b"0" * 64, b"Signalbox-Seal: \xff"),
    *(b"Signalbox-Question: 0", b"Nats-Last-Consumer: 9", b"Nats-Pending-Messages: 9", b"Reply-To: a", b" folded"),
)
FIRSTS = (b"NATS/1.0", b"NATS/1.0", b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 409 Consumer Deleted", b"NATS/9", b"")
ENDS = (b"\r\n\r\n", b"\r\n\r\n", b"\r\n", b"", b"\n\n", b"\r\r\n")
VALUES = (
    *('"x"', "null", "true", "-1", "1e400", "NaN", "9" * 400, "[]", "{}", '"\\ud800"', '"2026-01-05T15:00:00Z"'),
    *('"9999-12-31T23:59:59Z"', '"BUY"', '"ibkr"', '"SPY"', '"1E+999999"', '"\u0661"', '"ACTIVE"', '"DU1234567"'),
)
NAMES = (
    *("type", "id", "at", "cause", "venue", "symbol", "account", "quantity", "order_id", "status", "order", "intent"),
    *(
        "checks",
        "limit_price",
        "mode",
        "reason",
        "by",
        "holder",
        "epoch",
        "sequence",
        "stream",
        "service",
        "sql",
        "seq",
    ),
    *("batch", "next_by_subj", "last_by_subj", "multi_last", "max_bytes", "price", "positions", "fill", "bid", "ask"),
)
KINDS = (
    *("OrderIntent", "CancelIntent", "IntentApproved", "OrderCreated", "SubmitOrder", "VenueFill", "VenueSnapshot"),
    *("TradingState", "SetAside", "Quote", "Bar", "Instrument", "AccountState", "VenueLink", "Score", "DeadLetter"),
)


class Words:
    """Makes protocol commands of chance alone."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def command(self, user: str) -> bytes:
        subject, payload = self._subject(self.chance.choice(MAY_PUBLISH[user])), self._payload()
        reply = self.chance.choice(REPLIES).encode("latin-1") if self.chance.random() < 0.2 else b""
        if self.chance.random() < 0.4:
            return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(payload), payload)
        block = self._block()
        if user == BOOTSTRAP and len(block) == 1:
            block = b""  # nats-server 2.15.1 ends on that where a stream is told again: docs/nats.md
        return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (
            subject, reply, len(block), len(block) + len(payload), block, payload
        )  # fmt: skip

    def _subject(self, pattern: str) -> bytes:
        words = [
            self.chance.choice(TOKENS) if word in "*>" else word.encode()
            for word in pattern.replace("{name}", "operator").split(".")
        ]
        return b".".join(words)

    def _block(self) -> bytes:
        if self.chance.random() < 0.1:
            return self.chance.randbytes(self.chance.randrange(200))
        lines = self.chance.choices(HEADERS, k=self.chance.randrange(5))
        if self.chance.random() < 0.02:
            lines += [b"x: " + b"z" * 50_000]
        return b"\r\n".join([self.chance.choice(FIRSTS), *lines]) + self.chance.choice(ENDS)

    def _payload(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.1:
            return b""
        if kind < 0.2:
            return self.chance.randbytes(self.chance.randrange(300))
        if kind < 0.25:
            size = self.chance.choice((20_000, 131_073, 900_000))
            return self.chance.choice((b"[", b'{"a":', b"0", b"\xff", b'"')) * (size // 5)
        fields = [f'"type":"{self.chance.choice(KINDS)}"'] if self.chance.random() < 0.8 else []
        fields += [
            f'"{self.chance.choice(NAMES)}":{self.chance.choice(VALUES)}' for _ in range(self.chance.randrange(9))
        ]
        self.chance.shuffle(fields)
        return b"\xef\xbb\xbf" * (self.chance.random() < 0.05) + ("{" + ",".join(fields) + "}").encode()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def send(desk: LocalDesk, user: str, data: bytes) -> None:
    """Write it on a socket of its own; return when the server has dealt with it, or has closed the connection."""
    settings = desk.bus_settings(user)
    host, _, port = settings.url.rpartition("/")[2].partition(":")
    connect = {"user": user, "pass": settings.password, "headers": True, "verbose": False, "no_responders": True}
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        async with asyncio.timeout(SENT_SECONDS_MAX):
            reader, writer = await asyncio.open_connection(host, int(port), limit=64 * 1024 * 1024)
            writer.write(b"CONNECT " + json.dumps(connect).encode() + b"\r\n" + data + b"PING\r\n")
            await reader.readuntil(b"PONG")
    with contextlib.suppress(ConnectionError, UnboundLocalError):
        writer.close()
        await writer.wait_closed()


class Looks:
    """Sees whether the desk works: what is wrong is in `wrong`."""

    def __init__(self, desk: LocalDesk, prefix: str) -> None:
        self.desk, self._prefix, self._number = desk, f"{prefix}-{token_hex(4)}", 0
        self.slowest_seconds = 0.0
        self.wrong: list[str] = []

    async def look(self) -> None:
        await self._good_intent()
        for service in self.desk.plan.services:
            await self._ready(service)
        self.wrong += [f"{name} ended" for name in self.desk.unexpected_exits]

    async def _good_intent(self) -> None:
        self._number += 1
        began = time.monotonic()
        bus = await Bus.connect(self.desk.bus_settings("user"))
        decided = asyncio.Event()
        at = await desk_time(bus, simulated=True)
        intent = OrderIntent(
            id=f"{self._prefix}-{self._number}", at=at, venue="ibkr", symbol="SPY", side=Side.BUY,
            quantity=Decimal(1), order_type=OrderType.MARKET, time_in_force=TimeInForce.DAY,
        )  # fmt: skip

        async def decision(received: Received) -> None:
            with contextlib.suppress(ValueError):
                made: Decision = messages.decode(received.payload, Decision)
                if made.cause == intent.id:
                    decided.set()

        try:
            await bus.subscribe(subjects.ALL_DECISIONS, decision)
            await bus.publish(subjects.intent(intent), intent)
            async with asyncio.timeout(DECIDED_SECONDS_MAX):
                await decided.wait()
        except TimeoutError:
            self.wrong.append(f"{intent.id} was not decided within {DECIDED_SECONDS_MAX:g} s")
        finally:
            await bus.drain()
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)

    async def _ready(self, service: str) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while (answer := await self.desk.http_get(service, "/readyz"))[0] != 200:
            if time.monotonic() > deadline:
                self.wrong.append(f"{service} is not ready: {answer[1].strip() or 'no answer'}")
                return
            await asyncio.sleep(0.5)


async def fuzz(folder: Path, seconds: float, seed: int) -> list[str]:
    """Attack a desk in `folder` for so long; what was wrong."""
    words, sent = Words(seed), Counter[str]()
    desk = desk_in(folder)
    looks = Looks(desk, f"good-{seed}")
    try:
        await desk.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not looks.wrong:
            next_look = time.monotonic() + BETWEEN_LOOKS_SECONDS
            while time.monotonic() < next_look:
                user = words.chance.choice(sorted(MAY_PUBLISH))
                burst = [words.command(user) for _ in range(words.chance.randrange(1, BURST_MESSAGES_MAX))]
                await send(desk, user, b"".join(burst))
                sent[user] += len(burst)
            await looks.look()
    finally:
        await desk.close()
    say(f"sent {sum(sent.values())}: {dict(sent)}; the slowest decision took {looks.slowest_seconds:.1f} s")
    if looks.wrong:
        return looks.wrong
    return [f"after a restart: {each}" for each in await _again(folder, seed)]


async def _resume(desk: LocalDesk) -> None:
    """Say a genuine word behind all that was sent in its place."""
    at = datetime.now(UTC)
    word = TradingState(id=f"state/{token_hex(4)}", at=at, mode=TradingMode.ACTIVE, reason="fuzzed", by="operator")
    bus = await Bus.connect(desk.bus_settings("operator"))
    await bus.publish(subjects.TRADING_STATE, word)
    await bus.drain()


async def _again(folder: Path, seed: int) -> list[str]:
    """What is wrong with the desk once all of it has been started again."""
    desk = desk_in(folder)
    looks = Looks(desk, f"again-{seed}")
    try:
        with contextlib.suppress(DeskNotReadyError):  # so much was sent as a trading state that none of them counts
            await desk.start()
        await _resume(desk)
        await looks.look()
        bus = await Bus.connect(desk.bus_settings("user"))
        reply = await query(bus, "SELECT count(*) FROM decisions")
        await bus.drain()
        if reply.rows[0][0] < 1:
            looks.wrong.append("the recorder knows no decision")
    finally:
        await desk.close()
    return looks.wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default 600)")
    parser.add_argument("--seed", type=int, default=7, help="of what is sent (default 7)")
    parser.add_argument("--folder", type=Path, default=Path("run/fuzz"), help="of its desk (default run/fuzz)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    wrong = asyncio.run(fuzz(arguments.folder, arguments.seconds, arguments.seed))
    for each in wrong:
        say(f"wrong: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
