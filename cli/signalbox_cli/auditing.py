"""Reads a desk for the consistency check: its streams, the simulated venues' books, the database.

Of a desk on this machine the database is opened once it is free; of any other the recorder is asked, while it goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.bus.follow import stream_facts
from signalbox.client.record import query, sql_text
from signalbox.desk import Desk
from signalbox.messages import Book, LedgerChangeClaimed, LedgerEntry, Position, RefusedBy
from signalbox.streams import RECORDED_STREAMS

from signalbox_cli import consistency
from signalbox_cli.connection import call_control
from signalbox_cli.consistency import Intake, Trade, VenueBooks, VenueOrderSeen
from signalbox_cli.local_desk import LocalDesk
from signalbox_cli.simulated_venues import DYDX, IBKR, venues_of

SETTLE_SECONDS_MAX = 30.0
POLL_SECONDS, POLL_SECONDS_MAX = 0.25, 4.0
"""Between two looks at everything that was ever decided: what does not fit at once is looked at less and less often."""
RECORDER = "recorder"
WORKING_AT_DYDX = ("BEST_EFFORT_OPENED", "OPEN", "UNTRIGGERED")
"""The words of the chain for an order that may still trade."""
PAGE_ROWS = 4_000
_DIGEST = "coalesce(payload_md5, md5(coalesce(payload_bytes, encode(payload))))"
"""Of a payload too long to be kept whole, the record has the MD5."""
_PAGE = f"""
SELECT sequence, subject, {_DIGEST} FROM recorded
WHERE stream = {{stream}} AND sequence > {{after}} AND sequence <= {{last}}
  AND generation = (SELECT max(generation) FROM watermarks WHERE stream = {{stream}})
ORDER BY sequence LIMIT 4000
"""


@dataclass(frozen=True)
class Audit:
    """What was found: sentences about what is wrong, and the figures of the summary line.

    `refused` are approved orders that the desk itself refused: nothing has gone astray, but a healthy desk has none.
    `rejected` counts all rejections of approved orders by who refused them.
    """

    wrong: list[str]
    bars: int
    scores: int
    intents: int
    approved: int
    denied: int
    fills: int
    rows: int
    refused: list[str] = field(default_factory=list)
    rejected: dict[RefusedBy, int] = field(default_factory=dict)

    def line(self) -> str:
        verdict = "ok" if not self.wrong and not self.refused else "WRONG"
        return (
            f"desk: bars={self.bars} scores={self.scores} intents={self.intents} approved={self.approved} "
            f"denied={self.denied} fills={self.fills} rows={self.rows} {verdict}"
        )

    def who_refused(self) -> str:
        """Of the approved orders that were rejected, how many by whom; "" = none was."""
        who = {RefusedBy.UNSTATED: "nobody said by whom"} | {by: f"by the {by.lower()}" for by in _NAMED}
        return ", ".join(f"{count} {who[by]}" for by, count in sorted(self.rejected.items()))


_NAMED = (RefusedBy.VENUE, RefusedBy.GATEWAY, RefusedBy.DESK)


@dataclass(frozen=True)
class SimulatedVenues:
    """Where the venues of a desk tell of their own books."""

    desk: Desk
    port: int
    host: str = "127.0.0.1"

    async def ask(self, command: str) -> dict[str, Any]:
        return await call_control(self.port, self.host, do=command)


async def audit_trading(desk: LocalDesk, bus: Bus, *, settle_seconds_max: float = SETTLE_SECONDS_MAX) -> list[str]:
    """Check decisions, orders, fills, positions and cash; ask again until they fit or `settle_seconds_max` is over."""
    venues = SimulatedVenues(desk.plan.desk, desk.control_port)
    return await audit_books(venues, bus, settle_seconds_max=settle_seconds_max)


async def audit_books(
    venues: SimulatedVenues | None, bus: Bus, *, settle_seconds_max: float = SETTLE_SECONDS_MAX
) -> list[str]:
    """The same, of any desk; without `venues`, whose books nobody can read, only what the desk says of itself."""
    deadline, pause_seconds = asyncio.get_running_loop().time() + settle_seconds_max, POLL_SECONDS
    while True:
        before = await stream_facts(bus, "INTENTS")
        waiting = [message async for message in bus.read("INTENTS")]
        trade = consistency.read_trade([message async for message in bus.read("TRADE")])
        after = await stream_facts(bus, "INTENTS")
        created = msgspec.convert(before.created, datetime)
        intake = Intake(created, before.last_sequence, waiting, after.last_sequence)
        positions: list[Position] = []
        async for message in bus.read("STATE", subjects.ALL_POSITIONS):
            positions.append(messages.decode(message.payload, Position))
        books: list[Book] = [messages.decode(m.payload, Book) async for m in bus.read("STATE", subjects.ALL_BOOKS)]
        wrong = [
            *consistency.check_decisions(trade, intake),
            *consistency.check_orders(trade),
            *consistency.check_flattens(trade),
            *(
                wrong
                for venue in (await _venue_books(venues, bus) if venues is not None else [])
                for wrong in consistency.check_venue(trade, positions, books, venue)
            ),
        ]
        if not wrong or asyncio.get_running_loop().time() > deadline:
            return wrong
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, POLL_SECONDS_MAX)


async def audit_record(desk: LocalDesk, auditor: Bus, user: Bus, wrong: list[str]) -> Audit:
    """Stop the services, the recorder last, compare its database with the streams, and add up. NATS goes on."""
    await asyncio.gather(*(desk.stop(service) for service in desk.plan.services if service != RECORDER))
    streams = {stream.name: [message async for message in auditor.read(stream.name)] for stream in RECORDED_STREAMS}
    await _recorded_up_to(user, {name: messages[-1].sequence for name, messages in streams.items() if messages})
    await desk.stop(RECORDER)
    found = list(wrong)
    rows = 0
    with duckdb.connect(str(desk.database_file), read_only=True) as database:
        for stream in RECORDED_STREAMS:
            recorded = _recorded(database, stream.name)
            rows += len(recorded)
            after = streams[stream.name][-1].sequence if streams[stream.name] else 0
            later = [message async for message in auditor.read(stream.name, from_sequence=after + 1)]
            replaces = bool(stream.per_subject_max) or stream.schedules
            now = _digested(streams[stream.name])
            found += consistency.check_record(stream.name, now, later, recorded, replaces=replaces)
    trade: Trade = consistency.read_trade(streams["TRADE"])
    approved = len(trade.approved)
    return Audit(
        wrong=found,
        bars=len(streams["BARS"]),
        scores=_scores(streams["SCORES"]),
        intents=len(trade.intents),
        approved=approved,
        denied=len(trade.decisions) - approved,
        fills=len(trade.fills),
        rows=rows,
        refused=consistency.check_refusals(trade),
        rejected=Counter(event.refused_by for event in consistency.rejections(trade).values()),
    )


async def audit_running(auditor: Bus, user: Bus, wrong: list[str]) -> Audit:
    """Compare what the streams hold now with what the recorder has of it, and add up; the desk goes on meanwhile."""
    found, rows, counts = list(wrong), 0, {stream.name: 0 for stream in RECORDED_STREAMS}
    trade_messages: list[Received] = []
    for stream in RECORDED_STREAMS:
        stored = [message async for message in auditor.read(stream.name)]
        counts[stream.name] = _scores(stored) if stream.name == "SCORES" else len(stored)
        if stream.name == "TRADE":
            trade_messages = stored
        if not stored:
            continue
        last = stored[-1].sequence
        await _recorded_up_to(user, {stream.name: last})
        recorded = await _digests(user, stream.name, last)
        rows += len(recorded)
        recorded = {each: row for each, row in recorded.items() if each >= stored[0].sequence}  # older ones are too old
        replaces = bool(stream.per_subject_max) or stream.schedules
        found += consistency.check_record(stream.name, _digested(stored), [], recorded, replaces=replaces)
    trade: Trade = consistency.read_trade(trade_messages)
    approved = len(trade.approved)
    return Audit(
        wrong=found,
        bars=counts["BARS"],
        scores=counts["SCORES"],
        intents=len(trade.intents),
        approved=approved,
        denied=len(trade.decisions) - approved,
        fills=len(trade.fills),
        rows=rows,
        refused=consistency.check_refusals(trade),
        rejected=Counter(event.refused_by for event in consistency.rejections(trade).values()),
    )


def _scores(stored: list[Received]) -> int:
    """How many of SCORES are scores: levels stand there too."""
    return sum(subjects.is_score(message.subject) for message in stored)


def _digested(stored: list[Received]) -> list[Received]:
    """The messages with the MD5 of their payload in its place."""
    return [
        msgspec.structs.replace(message, payload=hashlib.md5(message.payload).hexdigest().encode())
        for message in stored
    ]


async def _digests(user: Bus, stream: str, last: int) -> dict[int, tuple[str, bytes]]:
    """What the recorder has of a stream up to `last`: subject and MD5 of the payload, by sequence, page by page."""
    found: dict[int, tuple[str, bytes]] = {}
    after = 0
    while True:
        reply = await query(user, _PAGE.format(stream=sql_text(stream), after=after, last=last), PAGE_ROWS)
        found |= {int(sequence): (subject, digest.encode()) for sequence, subject, digest in reply.rows}
        if len(reply.rows) < PAGE_ROWS and not reply.truncated:
            return found
        after = int(reply.rows[-1][0])


async def _recorded_up_to(user: Bus, sequences: dict[str, int]) -> None:
    """Wait until the recorder has committed each stream up to its sequence; what is late then shows as missing."""
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS_MAX
    while asyncio.get_running_loop().time() < deadline:
        reply = await query(user, "SELECT stream, max(sequence) FROM recorded GROUP BY stream")
        done = {stream: int(sequence) for stream, sequence in reply.rows}
        if all(done.get(stream, 0) >= sequence for stream, sequence in sequences.items()):
            return
        await asyncio.sleep(POLL_SECONDS)


def _recorded(database: duckdb.DuckDBPyConnection, stream: str) -> dict[int, tuple[str, bytes]]:
    rows = database.execute(f"SELECT sequence, subject, {_DIGEST} FROM recorded WHERE stream = ?", [stream]).fetchall()
    recorded = {sequence: (subject, digest.encode()) for sequence, subject, digest in rows}
    assert len(recorded) == len(rows), f"the database has a message of {stream} twice"
    return recorded


async def _venue_books(venues: SimulatedVenues, bus: Bus) -> list[VenueBooks]:
    told = await venues.ask("books")
    found = []
    for venue in venues_of(venues.desk):
        accounts = venues.desk.venues[venue].accounts
        books = {account: book for account, book in told["books"].items() if account in accounts}
        executions = [each["execution_id"] for each in told["executions"] if each["account"] in accounts]
        seen = await (_dydx(venues, bus) if venue == DYDX else _ibkr(venues, executions))
        cash = {account: _decimals(book["cash"]) for account, book in books.items()}
        positions = {account: _decimals(book["positions"]) for account, book in books.items()}
        found.append(replace(seen, cash=cash, positions=positions))
    return found


async def _ibkr(venues: SimulatedVenues, execution_ids: list[str]) -> VenueBooks:
    """Orders and executions are the world's own; the order's reference is the desk's order id."""
    accounts = venues.desk.venues[IBKR].accounts
    told = await venues.ask("orders")
    orders = [
        VenueOrderSeen(order["client_reference"], str(order["number"]))
        for order in told["orders"]
        if order["account"] in accounts
    ]
    return VenueBooks(venue=IBKR, orders=orders, execution_ids=execution_ids)


async def _dydx(venues: SimulatedVenues, bus: Bus) -> VenueBooks:
    """Orders and fills are the chain's; the ledger says whose each number of the chain is."""
    entries: list[LedgerEntry] = [
        messages.decode(received.payload, LedgerEntry)
        async for received in bus.read("LEDGER", subjects.ledger_of(DYDX))
    ]
    orders = (await venues.ask("chain_orders"))["orders"]
    told = await venues.ask("chain_fills")
    funding: dict[str, dict[str, Decimal]] = {}
    for payment in told["funding"]:
        by_symbol = funding.setdefault(payment["account"], {})
        paid = Decimal(payment["payment"])
        by_symbol[payment["symbol"]] = by_symbol.get(payment["symbol"], Decimal(0)) + paid
    return VenueBooks(
        venue=DYDX,
        orders=orders_of_chain(entries, orders),
        execution_ids=[fill["id"] for fill in told["fills"]],
        funding=funding,
    )


def orders_of_chain(entries: Sequence[LedgerEntry], orders: Sequence[Mapping[str, Any]]) -> list[VenueOrderSeen]:
    """The orders that the chain has, each under the desk's id, by the numbers that the ledger has claimed for it.

    One that was changed is on the chain under several numbers (decision 78). It is one order all the same: those of its
    numbers that work, of which there should be one, or the last.
    """
    owner: dict[str, str] = {}
    changed: set[str] = set()
    for entry in entries:
        if isinstance(entry, LedgerChangeClaimed):
            changed.add(entry.order.order_id)
            owner |= {each.venue_order_id: entry.order.order_id for each in entry.attempts}
        else:
            owner[entry.venue_order_id] = entry.order.order_id
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for order in orders:
        seen.setdefault(owner.get(order["id"], order["id"]), []).append(order)
    return [
        VenueOrderSeen(reference, order["id"])
        for reference, found in seen.items()
        for order in (
            ([each for each in found if each["status"] in WORKING_AT_DYDX] or found[-1:])
            if reference in changed
            else found
        )
    ]


def _decimals(figures: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in figures.items()}
