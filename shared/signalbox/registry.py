"""What is on every subject: its message, who may write it, who reads it. The documents are made of this table.

Owns the table alone. How a subject is built and read is `signalbox.subjects`'s; what is stored, `signalbox.streams`'s.
What NATS itself says is not in it: consumers, acknowledgements, and the discovery of services (`$SRV`).
"""

from __future__ import annotations

from dataclasses import dataclass

from signalbox.checkpoints import CheckpointManifest
from signalbox.messages import (
    AccountState,
    Act,
    Bar,
    Book,
    BooksCompared,
    ClockTick,
    Command,
    DeadLetter,
    FundingRate,
    Instrument,
    Intent,
    Lease,
    LedgerEntry,
    Levels,
    LimitsProposed,
    OrderEvents,
    Position,
    QueryReply,
    QueryRequest,
    Quote,
    Report,
    Ruling,
    Score,
    ServiceStatus,
    SetAside,
    TimerFired,
    TradingState,
    VenueLink,
    WhatIfAnswer,
)
from signalbox.services import CHECKPOINTING_SERVICES, GATEWAYS, LEASED_SERVICES, SERVICES
from signalbox.subjects import ALL_BOOKS_ACTS, ALL_LIMITS_PROPOSED, ALL_TRADING_STATES
from signalbox.venues import VENUES


@dataclass(frozen=True)
class Declared:
    """One subject pattern of the registry: what is on it, who may write it, who reads it."""

    pattern: str
    message: object
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    about: str
    reply: object = None


FUNDING_GATEWAYS = tuple(row.gateway for row in VENUES if row.pays_funding)

REGISTRY: tuple[Declared, ...] = (
    Declared(
        "clock.desk", ClockTick, ("simulator",), (*SERVICES, "user"), "the simulator's time; nobody writes it live"
    ),
    Declared("md.quote.*.*", Quote, GATEWAYS, ("risk", "user"), "quotes: venue, symbol"),
    Declared(
        "md.bar.*.*.*", Bar, GATEWAYS, ("indicators", "oms", "recorder", "user"), "bars: venue, symbol, timeframe"
    ),
    Declared(
        "md.instrument.*.*", Instrument, GATEWAYS, ("risk", "oms", "recorder", "user"), "instruments: venue, symbol"
    ),
    Declared("md.funding.*.*", FundingRate, FUNDING_GATEWAYS, ("risk", "recorder", "user"), "funding: venue, symbol"),
    Declared("ind.score.*.*.*", Score, ("indicators",), ("recorder", "user"), "scores: venue, symbol, timeframe"),
    Declared(
        "ind.levels.*.*.*", Levels, ("indicators",), ("recorder", "user"), "levels of the day: venue, symbol, timeframe"
    ),
    Declared(
        "intent.*.*",
        Intent,
        ("user",),
        ("nats",),
        "intents as people publish them, with % for what a cancel of many leaves out: venue, symbol",
    ),
    Declared("intent.*.*.*", Intent, ("nats",), ("risk",), "intents as the server hands them on: name, venue, symbol"),
    Declared("decision.*.*.*", Ruling, ("risk",), ("oms", "recorder", "user"), "decisions: verdict, venue, account"),
    Declared(
        "order.*.*.*", OrderEvents, ("oms",), ("risk", "recorder", "user"), "order events: venue, account, order id"
    ),
    Declared("command.*.*.*", Command, ("oms",), (*GATEWAYS, "recorder"), "venue commands: venue, order id, revision"),
    Declared("ledger.*.*", LedgerEntry, GATEWAYS, (*GATEWAYS, "recorder"), "submission ledger: venue, order id"),
    Declared("report.*.*.*", Report, GATEWAYS, ("oms", "recorder", "user"), "execution reports: venue, account, kind"),
    Declared("position.*.*.*", Position, ("oms",), ("recorder", "user"), "positions: venue, account, symbol"),
    Declared("book.*.*", Book, ("oms",), ("recorder", "user"), "the desk's own cash: venue, account"),
    Declared("compared.*.*", BooksCompared, ("oms",), ("risk",), "the books beside a venue's snapshot: venue, account"),
    Declared("account.*.*", AccountState, GATEWAYS, ("risk", "oms", "recorder", "user"), "accounts: venue, account"),
    Declared("link.*.*", VenueLink, GATEWAYS, ("risk", "user"), "gateway heartbeats: venue, account"),
    Declared("timer.schedule.*", TimerFired, ("oms",), (), "timers set: order id"),
    Declared("timer.fired.*", TimerFired, ("nats",), ("oms", "recorder"), "timers fired: order id"),
    Declared("dead.*.*", DeadLetter, SERVICES, ("recorder", "user"), "dead letters: stream, service"),
    Declared(
        ALL_TRADING_STATES,
        TradingState,
        ("operator",),
        ("risk", "recorder", "user"),
        "the desk's main switch: operator",
    ),
    Declared(
        "$KV.CONTROL.skip.*.*.*.*",
        SetAside,
        ("operator",),
        (*SERVICES, "user"),
        "messages that a service goes on without: service, stream, sequence, operator",
    ),
    Declared(
        ALL_BOOKS_ACTS,
        Act,
        ("operator",),
        ("oms", "recorder", "user"),
        "an operator's acts on the books: venue, account, id, operator",
    ),
    Declared(
        ALL_LIMITS_PROPOSED,
        LimitsProposed,
        ("operator",),
        ("risk", "recorder", "user"),
        "what the limits are to be: operator",
    ),
    Declared(
        "$KV.LEASES.*.*",
        Lease,
        (*GATEWAYS, *LEASED_SERVICES),
        (*GATEWAYS, *LEASED_SERVICES),
        "who may trade an account, or (under the venue `service`) work as a service: venue, account",
    ),
    Declared(
        "checkpoint.*.*.*",
        CheckpointManifest,
        CHECKPOINTING_SERVICES,
        CHECKPOINTING_SERVICES,
        "what a service has folded of TRADE; parts are bytes, the last one says which: service, slot, part",
    ),
    Declared("status.*", None, ("user",), SERVICES, "is a service ready: service", reply=ServiceStatus),
    Declared(
        "whatif.intent",
        Intent,
        ("user",),
        ("risk",),
        "what risk would say to an intent; it is not sent, and nothing comes of it",
        reply=WhatIfAnswer,
    ),
    Declared("query.sql", QueryRequest, ("user",), ("recorder",), "read-only SQL on the recorder", reply=QueryReply),
)
