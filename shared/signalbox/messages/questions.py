"""Questions that are answered: a query of the recorder's database, how a process is."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from signalbox.messages.words import Utc


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
