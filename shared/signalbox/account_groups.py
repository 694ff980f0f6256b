"""`[[groups]]` of a desk file: accounts of a venue that one order is shared out among.

Owns its shape, and what is wrong with one. How a quantity is shared out: `signalbox.allocation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from signalbox.toml_shape import instead_of, shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class AccountGroup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name for some of the desk's accounts at a venue."""

    venue: str
    name: str
    accounts: tuple[str, ...]


def mistakes(tables: object, venues: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with `[[groups]]` of a desk file beyond the shape, each a sentence."""
    seen: set[tuple[object, object]] = set()
    for number, table in enumerate(tables if isinstance(tables, list) else [], 1):
        if not isinstance(table, dict):
            continue
        path, venue, name = f"groups[{number}]", table.get("venue"), table.get("name")
        if isinstance(venue, str) and venue not in venues:
            yield f"{path}.venue is {shown(venue)}, which is not under [venues]: {instead_of(venue, venues)}"
        if isinstance(name, str) and not NAME.fullmatch(name):
            yield f"{path}.name is {shown(name)}: use letters, digits, - and _, up to 32 of them."
        if (str(venue), str(name)) in seen:
            yield f"groups names {name} at {venue} more than once: name it once."
        seen.add((str(venue), str(name)))
        yield from _account_mistakes(path, table.get("accounts"), venues.get(str(venue)))


def _account_mistakes(path: str, accounts: object, venue: object) -> Iterator[str]:
    known = venue.get("accounts") if isinstance(venue, dict) else None
    if not isinstance(accounts, list) or not isinstance(known, list):
        return
    if not accounts:
        yield f"{path}.accounts is empty: name at least one account."
    for number, account in enumerate(accounts, 1):
        if isinstance(account, str) and account not in known:
            listed = [each for each in known if isinstance(each, str)]
            instead = instead_of(account, listed)
            yield f"{path}.accounts[{number}] is {shown(account)}, no account of its venue: {instead}"
        if account in accounts[: number - 1]:
            yield f"{path}.accounts names {shown(account)} more than once: name it once."
