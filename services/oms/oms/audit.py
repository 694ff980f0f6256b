"""Does a broker's statement add up: fills, as JSON lines, folded by the desk's own position maths.

Owns the shape of those lines and what is wrong with one. It must not know files, terminals or the bus: the command
`signalbox audit` reads and prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from signalbox.messages import Side

from oms.positions import FLAT, ZERO, Holding, add, plain, signed, trade

FIGURE_DIGITS_MAX, REVISION_MAX = 18, 10**9
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
    """One fill as the file states it, on its line `number`; `multiplier`, `at` None and `execution` "" = not said."""

    number: int
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    multiplier: Decimal | None
    at: datetime | None
    execution: str
    revision: int


def nobody_listens(_: str) -> None:
    """Tell nobody."""


def audit_lines(lines: Iterable[str], tell: Callable[[str], None] = nobody_listens) -> Iterator[dict[str, str]]:
    """Yield, after each fill, `symbol, quantity, average_price, realized_pnl, commission` as plain decimal strings.

    Input lines are `{"symbol", "side", "quantity", "price", "commission"?, "multiplier"?, "at"?, "execution_id"?,
    "revision"?}`; blank ones are skipped. Where they say `at` they are folded by it, whatever order they come in. An
    execution that comes again counts once, as its highest revision has it. `tell` gets a sentence about either.
    `quantity` out is signed (short < 0), `average_price` is "0" when flat, `realized_pnl` (before commission) and
    `commission` are cumulative per symbol. A symbol's multiplier is 1 until a line says otherwise and then holds.
    Figures are exact; what does not end (4/3) is rounded at 20 decimals when shown, never in between.
    Raises `AuditError` at the first bad line, after everything before it has been yielded.
    """
    statements: dict[str, Statement] = {}
    found, bad = _read(lines)
    for line in _in_time(_once(found, tell), tell):
        try:
            statement = _book(statements.get(line.symbol), line)
        except ValueError as error:
            raise AuditError(line.number, str(error)) from None
        statements[line.symbol] = statement
        yield {
            "symbol": line.symbol,
            "quantity": plain(statement.holding.quantity),
            "average_price": plain(statement.holding.average_price()),
            "realized_pnl": plain(statement.holding.realized_pnl(statement.multiplier)),
            "commission": plain(statement.commission),
        }
    if bad is not None:
        raise bad


def _read(lines: Iterable[str]) -> tuple[list[Line], AuditError | None]:
    """Every line up to the first bad one, and what is wrong with that."""
    found: list[Line] = []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = replace(_parse(text), number=number)
            if found and (line.at is None) is not (found[0].at is None):
                raise ValueError('"at" must stand in every line, or in none: else nobody knows which fill was first')
        except ValueError as error:
            return found, AuditError(number, str(error))
        found.append(line)
    return found, None


def _once(found: list[Line], tell: Callable[[str], None]) -> list[Line]:
    """Each execution once; of several revisions the last."""
    kept: dict[str, Line] = {}
    for line in found:
        key = line.execution or f"line {line.number}"
        known = kept.get(key)
        if known is not None and known.revision == line.revision and not _same(known, line):
            raise AuditError(
                line.number,
                f"execution {line.execution} stands in line {known.number} with other figures: which holds?",
            )
        if known is None or line.revision > known.revision:
            kept[key] = line
    if dropped := len(found) - len(kept):
        tell(f"{dropped} {'line repeats' if dropped == 1 else 'lines repeat'} an execution that counts once")
    return list(kept.values())


def _same(one: Line, other: Line) -> bool:
    return replace(one, number=0) == replace(other, number=0)


def _in_time(found: list[Line], tell: Callable[[str], None]) -> list[Line]:
    """By time, where it is said; at one time as they stand in the file."""
    in_file = sorted(found, key=lambda line: line.number)
    in_time = sorted(in_file, key=lambda line: line.at or datetime.min.replace(tzinfo=UTC))
    if in_time != in_file:
        tell("the lines are not in the order of their times: they are folded by time")
    return in_time


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
    named = _words(record, "execution_id")
    return Line(
        number=0,
        symbol=symbol.strip(),
        side=side,
        quantity=quantity,
        price=_figure(record, "price"),
        commission=commission,
        multiplier=multiplier,
        at=_time(record),
        execution="/".join([*(_words(record, name) for name in ("venue", "account")), named]) if named else "",
        revision=_revision(record),
    )


def _words(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f'"{name}" must be a text, not {value!r}')
    return value or ""


def _revision(record: dict[str, Any]) -> int:
    value = record.get("revision", Decimal(0))
    if not isinstance(value, Decimal) or value != value.to_integral_value() or abs(value) > REVISION_MAX:
        raise ValueError('"revision" must be a whole number')
    return int(value)


def _time(record: dict[str, Any]) -> datetime | None:
    """When it was; a time without a zone is UTC."""
    said = record.get("at")
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f'"at" must be a time such as "2024-03-05T15:00:00Z", not {str(said)[:40]!r}') from None


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
