"""What the chain does not forget: one line for each block, in one file.

Owns the file: JSON lines, each a whole block, so that a kill leaves a block or nothing of it. What the matching engine
keeps of the same orders lies in the world's own file. It must not know how a block is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from signalbox.errors import ConfigurationError
from signalbox.messages import decode, encode

from simulators.dydx.accounts import Account
from simulators.dydx.orders import PlacedOrder
from simulators.dydx.records import ChainFill, ChainFundingPayment, ChainFundingRate, ChainTransfer


class Committed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction that came into a block, whether it then did what it said (`code` 0) or not."""

    hash: str
    raw: bytes
    height: int
    time: datetime
    code: int = 0
    codespace: str = ""
    log: str = ""
    gas: int = 0


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One block. `executions` is how many of the world's executions the chain has taken in; `cash` what it moved."""

    height: int
    time: datetime
    executions: int = 0
    orders: tuple[PlacedOrder, ...] = ()
    fills: tuple[ChainFill, ...] = ()
    transfers: tuple[ChainTransfer, ...] = ()
    funding_rates: tuple[ChainFundingRate, ...] = ()
    funding_payments: tuple[ChainFundingPayment, ...] = ()
    accounts: tuple[Account, ...] = ()
    committed: tuple[Committed, ...] = ()
    cash: dict[str, Decimal] = {}
    tiers: dict[str, str] = {}

    def changes_anything(self) -> bool:
        """Say whether more than the height went on."""
        parts = (self.orders, self.fills, self.transfers, self.funding_rates, self.funding_payments)
        return any(parts) or bool(self.accounts or self.committed or self.cash or self.tiers)


class ChainJournal:
    """An append-only file of blocks; without a path it remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def open(self) -> list[Line]:
        """Return the blocks so far, rewrite the file without the empty ones, and open it for appending."""
        if self._path is None:
            return []
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = _read(self._path) if self._path.exists() else []
        kept = [*(line for line in lines[:-1] if line.changes_anything()), *lines[-1:]]
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("wb") as file:
            file.writelines(encode(line) + b"\n" for line in kept)
        os.replace(draft, self._path)
        self._file = self._path.open("ab", buffering=0)
        return kept

    def write(self, line: Line) -> None:
        """Append one block."""
        if self._file is not None:
            self._file.write(encode(line) + b"\n")

    def close(self) -> None:
        """Close the file; what is written later is not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _read(path: Path) -> list[Line]:
    lines: list[Line] = []
    rows: Iterable[bytes] = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline was cut short
    for number, row in enumerate(rows, start=1):
        try:
            lines.append(decode(row, Line))
        except msgspec.DecodeError as error:
            raise ConfigurationError([f"{path} line {number} is not of a simulated chain: {error}"]) from error
    return lines
