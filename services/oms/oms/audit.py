"""Does a broker's statement add up: fills, as JSON lines, folded by the desk's own position maths.

Owns the shape of those lines and what is wrong with one. It must not know files, terminals or the bus: the command
`signalbox audit` reads and prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from signalbox.messages import Side

from oms.positions import FLAT, ZERO, Holding, add, plain, signed, trade

FIGURE_DIGITS_MAX = 18
"""Digits before and after the point of one figure: products then fit `DIGITS` exactly and print in a line."""

# BOT and SLD are what IBKR's statements and executions say.
_SIDES = {"BUY": Side.BUY, "BOT": Side.BUY, "SELL": Side.SELL, "SLD": Side.SELL}


class AuditError(ValueError):
    """The user's file has a bad line: nothing after it can be trusted. `line_number` counts from 1."""

    def __init__(self, line_number: int, reason: str) -> None:
        super().__init__(f"line {line_number}: {reason}")
        self.line_number = line_number
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Statement:
    """The running account of one symbol."""

    holding: Holding = FLAT
    multiplier: Decimal = Decimal(1)
    commission: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Line:
    """One fill as the file states it; `multiplier` None = not said."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    multiplier: Decimal | None


def audit_lines(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield, after each fill, `symbol, quantity, average_price, realized_pnl, commission` as plain decimal strings.

    Input lines are `{"symbol", "side", "quantity", "price", "commission"?, "multiplier"?}`; blank ones are skipped.
    `quantity` out is signed (short < 0), `average_price` is "0" when flat, `realized_pnl` (before commission) and
    `commission` are cumulative per symbol. A symbol's multiplier is 1 until a line says otherwise and then holds.
    Figures are exact; what does not end (4/3) is rounded at 20 decimals when shown, never in between.
    Raises `AuditError` at the first bad line, after everything before it has been yielded.
    """
    statements: dict[str, Statement] = {}
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = _parse(text)
            statement = _book(statements.get(line.symbol), line)
        except ValueError as error:
            raise AuditError(number, str(error)) from None
        statements[line.symbol] = statement
        yield {
            "symbol": line.symbol,
            "quantity": plain(statement.holding.quantity),
            "average_price": plain(statement.holding.average_price()),
            "realized_pnl": plain(statement.holding.realized_pnl(statement.multiplier)),
            "commission": plain(statement.commission),
        }


def _book(before: Statement | None, line: Line) -> Statement:
    if before is None:
        before = Statement(multiplier=Decimal(1) if line.multiplier is None else line.multiplier)
    if line.multiplier not in (None, before.multiplier):
        raise ValueError(
            f'"multiplier" is {line.multiplier}, but was {before.multiplier} for {line.symbol} before: '
            "give another contract another symbol"
        )
    return Statement(
        trade(before.holding, signed(line.quantity, line.side), line.price),
        before.multiplier,
        add(before.commission, line.commission),
    )


def _parse(text: str) -> Line:
    try:
        # A JSON number is taken digit by digit: never through a float.
        record = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(
            'not a JSON object such as {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "190.05"}'
        )
    symbol = record.get("symbol")
    if not isinstance(symbol, str) or not symbol.strip():
        raise ValueError('"symbol" is missing' if symbol is None else '"symbol" must be a text that is not empty')
    said = record.get("side")
    side = _SIDES.get(said.strip().upper()) if isinstance(said, str) else None
    if side is None:
        raise ValueError(
            '"side" is missing' if said is None else f'"side" must be BUY or SELL (or BOT, SLD), not {said!r}'
        )
    quantity = _figure(record, "quantity")
    if quantity <= 0:
        raise ValueError(f'"quantity" must be above 0 (the side says the direction), not {quantity}')
    multiplier = None if record.get("multiplier") is None else _figure(record, "multiplier")
    if multiplier is not None and multiplier <= 0:
        raise ValueError(f'"multiplier" must be above 0, not {multiplier}')
    commission = ZERO if record.get("commission") is None else _figure(record, "commission")
    return Line(symbol.strip(), side, quantity, _figure(record, "price"), commission, multiplier)


def _figure(record: dict[str, Any], name: str) -> Decimal:
    value = record.get(name)
    if value is None:
        raise ValueError(f'"{name}" is missing')
    if not isinstance(value, str | Decimal):
        raise ValueError(f'"{name}" must be a decimal as a string, such as "1.25"')
    try:
        if isinstance(value, str) and (not value.isascii() or "_" in value):  # which Decimal would read
            raise InvalidOperation
        figure = Decimal(value.strip()) if isinstance(value, str) else value
    except InvalidOperation:
        raise ValueError(f'"{name}" is not a decimal: {str(value)[:40]!r}') from None
    if not figure.is_finite():
        raise ValueError(f'"{name}" must be a finite number, not {figure}')
    _, digits, exponent = figure.as_tuple()
    if figure and isinstance(exponent, int):
        trailing_zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
        if figure.adjusted() >= FIGURE_DIGITS_MAX or -(exponent + trailing_zeros) > FIGURE_DIGITS_MAX:
            raise ValueError(f'"{name}" has more than {FIGURE_DIGITS_MAX} digits before or after the point')
    return figure
