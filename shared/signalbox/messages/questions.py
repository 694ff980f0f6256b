"""Questions that are answered: a query of the recorder's database, what risk would say, how a process is."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from signalbox.messages.basis import Basis
from signalbox.messages.decisions import Check, WouldPass
from signalbox.messages.intents import Intent, OrderIntent
from signalbox.messages.words import NEVER, Utc


class QueryRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One read-only SQL statement for the recorder's database."""

    sql: str
    row_limit: int = 1000


class QueryReply(Struct, frozen=True, kw_only=True):
    """Its result: JSON-safe values (Decimals and times as strings), or `error`, a sentence for a person.

    `types`: what each column is in DuckDB, as `DECIMAL(38,18)`; empty from a recorder of before they were told.
    """

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    truncated: bool = False
    error: str = ""


class WouldBe(StrEnum):
    """What would become of an intent if it were sent now. UNKNOWN: nobody can say, and `error` says why."""

    APPROVED = "APPROVED"
    DENIED = "DENIED"
    WAITING = "WAITING"
    UNKNOWN = "UNKNOWN"


class WhatIfAnswer(Struct, frozen=True, kw_only=True):
    """What risk would say to an intent, which it has only been asked about: no decision, and nobody acts upon it.

    `intent` is normalised, `order` what a wish for a position would come to. The others are as a decision has them:
    those that would fail, how many would pass, what would pass instead, what was looked at. `reason` says why it would
    be denied, or what it would wait for. `error`, a sentence for a person, says why there is no answer.
    """

    would_be: WouldBe
    at: Utc = NEVER
    intent: Intent | None = None
    order: OrderIntent | None = None
    reason: str = ""
    checks: tuple[Check, ...] = ()
    also_failed: tuple[str, ...] = ()
    passed: int = 0
    would_pass: WouldPass | None = None
    reference_price: Decimal | None = None
    estimated_commission: Decimal | None = None
    basis: Basis | None = None
    error: str = ""


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """A process's answer to `status.<service>`: `ready`, and if not, `waiting_for`; figures for a person.

    `instance` names the process; one that is not `active` stands by while the one named in `standing_by` works.
    """

    service: str
    ready: bool
    waiting_for: tuple[str, ...]
    at: Utc
    details: dict[str, str] = field(default_factory=dict)
    instance: str = ""
    active: bool = True
    standing_by: str = ""
