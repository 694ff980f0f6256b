"""Reads a local desk for the consistency check: its streams, the simulator's books, the database once it is free."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal

import duckdb
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.messages import Book, LedgerEntry, Position
from signalbox.streams import RECORDED_STREAMS

from signalbox_cli import consistency
from signalbox_cli.connection import call_control, query
from signalbox_cli.consistency import Trade, VenueBooks, VenueOrderSeen
from signalbox_cli.local_desk import LocalDesk
from signalbox_cli.simulated_venues import DYDX, IBKR

SETTLE_SECONDS_MAX = 30.0
POLL_SECONDS = 0.25
RECORDER = "recorder"


@dataclass(frozen=True)
class Audit:
    """What was found: sentences about what is wrong, and the figures of the summary line."""

    wrong: list[str]
    bars: int
    scores: int
    intents: int
    approved: int
    denied: int
    fills: int
    rows: int

    def line(self) -> str:
        verdict = "ok" if not self.wrong else "WRONG"
        return (
            f"desk: bars={self.bars} scores={self.scores} intents={self.intents} approved={self.approved} "
            f"denied={self.denied} fills={self.fills} rows={self.rows} {verdict}"
        )


async def audit_trading(desk: LocalDesk, bus: Bus, *, settle_seconds_max: float = SETTLE_SECONDS_MAX) -> list[str]:
    """Check decisions, orders, fills, positions and cash; ask again until they fit or `settle_seconds_max` is over."""
    deadline = asyncio.get_running_loop().time() + settle_seconds_max
    while True:
        trade = consistency.read_trade([message async for message in bus.read("TRADE")])
        positions: list[Position] = []
        async for message in bus.read("STATE", subjects.ALL_POSITIONS):
            positions.append(messages.decode(message.payload, Position))
        books: list[Book] = [messages.decode(m.payload, Book) async for m in bus.read("STATE", subjects.ALL_BOOKS)]
        venues = await _venue_books(desk, bus)
        wrong = [
            *consistency.check_decisions(trade),
            *consistency.check_orders(trade),
            *(wrong for venue in venues for wrong in consistency.check_venue(trade, positions, books, venue)),
        ]
        if not wrong or asyncio.get_running_loop().time() > deadline:
            return wrong
        await asyncio.sleep(POLL_SECONDS)


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
            found += consistency.check_record(stream.name, streams[stream.name], later, recorded, replaces=replaces)
    trade: Trade = consistency.read_trade(streams["TRADE"])
    approved = len(trade.approved)
    return Audit(
        wrong=found,
        bars=len(streams["BARS"]),
        scores=len(streams["SCORES"]),
        intents=len(trade.intents),
        approved=approved,
        denied=len(trade.decisions) - approved,
        fills=len(trade.fills),
        rows=rows,
    )


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
    rows = database.execute(
        "SELECT sequence, subject, coalesce(payload_bytes, encode(payload)) FROM recorded WHERE stream = ?", [stream]
    ).fetchall()
    recorded = {sequence: (subject, bytes(payload)) for sequence, subject, payload in rows}
    assert len(recorded) == len(rows), f"the database has a message of {stream} twice"
    return recorded


async def _venue_books(desk: LocalDesk, bus: Bus) -> list[VenueBooks]:
    told = await call_control(desk.control_port, do="books")
    found = []
    for venue in desk.plan.venues:
        accounts = desk.plan.desk.venues[venue].accounts
        books = {account: book for account, book in told["books"].items() if account in accounts}
        executions = [each["execution_id"] for each in told["executions"] if each["account"] in accounts]
        seen = await (_dydx(desk, bus) if venue == DYDX else _ibkr(desk, executions))
        cash = {account: _decimals(book["cash"]) for account, book in books.items()}
        positions = {account: _decimals(book["positions"]) for account, book in books.items()}
        found.append(replace(seen, cash=cash, positions=positions))
    return found


async def _ibkr(desk: LocalDesk, execution_ids: list[str]) -> VenueBooks:
    """Orders and executions are the world's own; the order's reference is the desk's order id."""
    accounts = desk.plan.desk.venues[IBKR].accounts
    told = await call_control(desk.control_port, do="orders")
    orders = [
        VenueOrderSeen(order["client_reference"], str(order["number"]))
        for order in told["orders"]
        if order["account"] in accounts
    ]
    return VenueBooks(venue=IBKR, orders=orders, execution_ids=execution_ids)


async def _dydx(desk: LocalDesk, bus: Bus) -> VenueBooks:
    """Orders and fills are the chain's; the ledger says which order id the gateway had computed an order's uuid for."""
    claimed: dict[str, str] = {}
    async for received in bus.read("LEDGER", subjects.ledger_of(DYDX)):
        entry: LedgerEntry = messages.decode(received.payload, LedgerEntry)
        if entry.venue_order_id:
            claimed[entry.venue_order_id] = entry.order.order_id
    orders = (await call_control(desk.control_port, do="chain_orders"))["orders"]
    told = await call_control(desk.control_port, do="chain_fills")
    funding: dict[str, dict[str, Decimal]] = {}
    for payment in told["funding"]:
        by_symbol = funding.setdefault(payment["account"], {})
        paid = Decimal(payment["payment"])
        by_symbol[payment["symbol"]] = by_symbol.get(payment["symbol"], Decimal(0)) + paid
    return VenueBooks(
        venue=DYDX,
        orders=[VenueOrderSeen(claimed.get(order["id"], order["id"]), order["id"]) for order in orders],
        execution_ids=[fill["id"] for fill in told["fills"]],
        funding=funding,
    )


def _decimals(figures: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in figures.items()}
