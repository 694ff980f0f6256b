"""The parameters of a REST request, checked as the indexer checks them.

Owns the rules, their texts and the body of a refusal. It must not know what is asked for.

Source: `indexer/services/comlink/src/lib/validation/schemas.ts` of dydxprotocol/v4-chain (express-validator).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from bech32 import bech32_decode

LIMIT_MAX = 1000
SUBACCOUNT_NUMBER_MAX = 128_000
PARENT_SUBACCOUNTS = 128
CHILDREN_OF_PARENT = 1000

INVALID = "Invalid value"
_LIMIT = f"limit must be a positive integer that is not greater than max: {LIMIT_MAX}"
_NUMBER = "subaccountNumber must be a non-negative integer less than 128001"
_PARENT = "parentSubaccountNumber must be a non-negative integer less than 128"


class RefusedQueryError(Exception):
    """400: the errors, each with `msg`, and `param` and `location` where one parameter is at fault."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(error["msg"] for error in errors))
        self.errors = errors


class NotFoundError(Exception):
    """404: the text says what is not there."""


class Query:
    """The parameters of one request. Every question notes what is wrong; `check` raises it all at once."""

    def __init__(self, path: Mapping[str, str], query: Mapping[str, str]) -> None:
        self._path, self._query = path, query
        self._errors: list[dict[str, str]] = []

    def check(self) -> None:
        """Raise RefusedQueryError if any parameter was wrong."""
        if self._errors:
            raise RefusedQueryError(self._errors)

    def refuse(self, name: str, message: str) -> None:
        """Note an error about a parameter."""
        value = self.raw(name)
        # A parameter that may be in the path or in the query, and is in neither, is missed in the path.
        location = "query" if name in self._query or name not in ("address", *_NUMBERS) else "params"
        location = "params" if name in self._path else location
        error = {"msg": message, "param": name, "location": location}
        self._errors.append(error if value is None else {"value": value, **error})

    def raw(self, name: str) -> str | None:
        """Return a parameter as it came."""
        return self._path.get(name, self._query.get(name))

    # ------------------------------------------------------------------------------------------- kinds of parameter

    def address(self, name: str = "address", message: str = "address must be a valid dydx address") -> str:
        """Return an address of letters and digits: the indexer's own check is no stricter."""
        value = self.raw(name)
        if value is None or len(value) > 90 or not re.fullmatch("[a-zA-Z0-9]*", value):
            self.refuse(name, message)
            return ""
        return value

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.raw(name)
        if value is None:
            self.refuse(name, INVALID)
        return value or ""

    def uuid(self, name: str) -> str:
        """Return a UUID of any version, in small letters."""
        value = self.text(name)
        if value and not re.fullmatch("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
            self.refuse(name, INVALID)
        return value.lower()

    def subaccount_number(self, name: str = "subaccountNumber") -> int:
        """Return a subaccount's number."""
        return self._required_integer(name, SUBACCOUNT_NUMBER_MAX, _NUMBER)

    def parent_number(self) -> int:
        """Return a parent subaccount's number."""
        return self._required_integer("parentSubaccountNumber", PARENT_SUBACCOUNTS - 1, _PARENT)

    def limit(self) -> int:
        """Return how many results at most."""
        value = self.raw("limit")
        if value is None:
            return LIMIT_MAX
        if not re.fullmatch(r"\d+(\.0*)?", value) or not 0 < int(float(value)) <= LIMIT_MAX:
            self.refuse("limit", _LIMIT)
            return LIMIT_MAX
        return int(float(value))

    def integer(self, name: str, least: int, message: str = INVALID) -> int | None:
        """Return a whole number of at least `least`, or None."""
        value = self.raw(name)
        if value is None:
            return None
        if not re.fullmatch(r"[+-]?\d{1,18}", value) or int(value) < least:
            self.refuse(name, message)
            return None
        return int(value)

    def height(self, name: str) -> int | None:
        """Return a block's height, or None; 0 counts as none, as it does to the indexer."""
        return self.integer(name, 0, f"{name} must be a non-negative integer") or None

    def page(self) -> int | None:
        """Return a page's number, from 1, or None."""
        return self.integer("page", 1, "page must be a non-negative integer")

    def time(self, name: str) -> datetime | None:
        """Return a time, or None; one without a zone is UTC."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            # A plus sign that was not escaped came as a space.
            at = datetime.fromisoformat(value.replace(" 0", "+0") if "T" in value else value)
        except ValueError:
            self.refuse(name, INVALID)
            return None
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def flag(self, name: str) -> bool | None:
        """Return true or false, or None."""
        value = self.raw(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false", "1", "0"):
            self.refuse(name, INVALID)
        return value.lower() in ("true", "1")

    def choice(self, name: str, choices: Collection[str], message: str = "", *, required: bool = False) -> str | None:
        """Return one of `choices`, or None."""
        value = self.raw(name)
        if value is None and not required:
            return None
        if value not in choices:
            self.refuse(name, message or f"{name} must be one of {','.join(choices)}")
            return None
        return value

    def choices(self, name: str, choices: Collection[str]) -> frozenset[str] | None:
        """Return some of `choices`, separated by commas or given more than once; or None."""
        given: list[str] = []
        getall: Any = getattr(self._query, "getall", None)
        for value in getall(name, ()) if getall else [self._query[name]] if name in self._query else []:
            given += value.split(",")
        if not given:
            return None
        if not set(given) <= set(choices):
            self.refuse(name, f"{name} must be one of {','.join(choices)}")
        return frozenset(given)

    def ticker(self, tickers: Collection[str], name: str = "ticker", *, required: bool = False) -> str | None:
        """Return a market's ticker, or None."""
        return self.choice(name, tickers, "ticker must be a valid ticker (BTC-USD, etc)", required=required)

    def _required_integer(self, name: str, most: int, message: str) -> int:
        value = self.raw(name)
        if value is None or not re.fullmatch(r"[+-]?\d{1,9}", value) or not 0 <= int(value) <= most:
            self.refuse(name, message)
            return 0
        return int(value)


_NUMBERS = (
    "subaccountNumber",
    "parentSubaccountNumber",
    "sourceAddress",
    "sourceSubaccountNumber",
    "recipientAddress",
    "recipientSubaccountNumber",
)


def children(parent_number: int) -> frozenset[int]:
    """Return the numbers of a parent subaccount and its children."""
    return frozenset(range(parent_number, PARENT_SUBACCOUNTS * CHILDREN_OF_PARENT, PARENT_SUBACCOUNTS))


def parent_of(number: int) -> int:
    """Return the number of a subaccount's parent."""
    return number % PARENT_SUBACCOUNTS


def is_dydx_address(address: str) -> bool:
    """Tell whether an address is a dYdX account's, checksum included."""
    prefix, data = bech32_decode(address)
    return prefix == "dydx" and data is not None
