"""What becomes of options without an order: they are exercised, assigned or expire, and leave the account at 0.

IBKR's users report it both ways (ib_async issue 93, Lean issues 5880 and 6820): as executions, of the option at 0 and
of the underlying at the strike, or as nothing but other positions, overnight. Executions are booked as any. This file
owns the second way: the trades that alone explain how the positions changed. Two things are needed. The executions that
the venue lists do not explain it; and one set of options, no other, whose exercise makes just the difference in the
shares: what has expired may also have lapsed, what has not must have been exercised. Where that can not be told the
difference stays one, and is told as such.

Pure but for `state`, as `decide`. Execution ids are `settled-...`: the venue's own, should one come later, is the same.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import combinations

from signalbox.errors import CalendarError, SymbolError
from signalbox.expiry import end_of_trading
from signalbox.gateway import reports
from signalbox.gateway.state import ZERO
from signalbox.instruments import OptionRight, Symbol, parse_symbol
from signalbox.messages import Fill, Report, Side, VenueFill

from gateway_ibkr.facts import ExecutionSeen
from gateway_ibkr.state import SETTLED, State, remember_fill
from gateway_ibkr.translate import decimal_of, execution_key

log = logging.getLogger(__name__)

CONTRACT_SHARES = Decimal(100)
"""What the OCC's name of an option stands for, unless its root ends in a digit: then it was adjusted."""
OPTIONS_MAX = 8
"""Of one root that are settled together: more have too many combinations, and no single one would be sure."""


@dataclass(frozen=True)
class Gone:
    """An option of which the account holds, or owes, less than its executions explain."""

    name: str
    symbol: Symbol
    held: Decimal
    quantity: Decimal
    """How many are gone."""

    @property
    def shares(self) -> Decimal:
        """What exercise, or assignment, of them changes in the underlying's position."""
        terms = self.symbol.option
        assert terms is not None
        buys = (self.held > 0) is (terms.right is OptionRight.CALL)
        return self.quantity * CONTRACT_SHARES * (1 if buys else -1)

    def has_expired(self, at: datetime) -> bool:
        try:
            ends = end_of_trading(self.symbol)
        except CalendarError:
            return False
        return ends is not None and at >= ends


def settle(state: State, stated: Mapping[str, Decimal], at: datetime) -> list[Report]:
    """The fills that explain how the account came from what its executions say to the positions `stated`."""
    held = state.own.positions
    differences = {name: stated.get(name, ZERO) - held.get(name, ZERO) for name in {**held, **stated}}
    told: list[Report] = []
    for root, gone in _gone(held, differences).items():
        shares = [name for name in differences if name == root or name.startswith(f"{root}:USD:")]
        moved = {name: differences[name] for name in shares if differences[name]}
        exercised = _exercised(gone, sum(moved.values(), ZERO), at)
        if exercised is None or len(moved) > 1:
            continue
        for option in gone:
            side = Side.SELL if option.held > 0 else Side.BUY
            told += _told(state, option, option.name, side, option.quantity, ZERO, CONTRACT_SHARES, at)
        for option in exercised:
            terms = option.symbol.option
            assert terms is not None
            name = next(iter(moved), root)
            side = Side.BUY if option.shares > 0 else Side.SELL
            told += _told(state, option, name, side, abs(option.shares), terms.strike, Decimal(1), at)
    return told


def tell(told: Sequence[Report]) -> None:
    """Say what was booked because the positions, and nothing else, told it."""
    for report in told:
        if isinstance(report, VenueFill):
            fill = report.fill
            fields = {"symbol": fill.symbol, "side": fill.side, "quantity": fill.quantity, "price": fill.price}
            log.warning("an option was exercised, assigned or has expired, by the positions alone", extra=fields)


def is_gone(state: State, stated: Mapping[str, Decimal]) -> bool:
    """Whether there are fewer of an option than the executions explain."""
    held = state.own.positions
    return bool(_gone(held, {name: stated.get(name, ZERO) - held.get(name, ZERO) for name in {**held, **stated}}))


def _gone(held: Mapping[str, Decimal], differences: Mapping[str, Decimal]) -> dict[str, list[Gone]]:
    """By root, in order of name."""
    found: dict[str, list[Gone]] = defaultdict(list)
    for name, difference in sorted(differences.items()):
        before = held.get(name, ZERO)
        if not difference or difference * before >= 0 or abs(difference) > abs(before):
            continue
        symbol = _option(name)
        if symbol is not None and symbol.option is not None and symbol.option.root.isalpha():
            found[symbol.option.root].append(Gone(name, symbol, before, abs(difference)))
    return found


def _option(name: str) -> Symbol | None:
    """The option that a position is in; one that is not the desk's own bears its currency and number too."""
    try:
        symbol = parse_symbol(name.partition(":")[0])
    except SymbolError:
        return None
    return symbol if symbol.option is not None else None


def _exercised(gone: list[Gone], shares: Decimal, at: datetime) -> tuple[Gone, ...] | None:
    """Which of them were exercised or assigned, by the shares that came or went; None = it can not be told."""
    if len(gone) > OPTIONS_MAX:
        return None
    must = [option for option in gone if not option.has_expired(at)]
    fitting = [each for each in _subsets(gone) if sum((option.shares for option in each), ZERO) == shares]
    fitting = [each for each in fitting if all(option in each for option in must)]
    return fitting[0] if len(fitting) == 1 else None


def _subsets(gone: list[Gone]) -> Iterator[tuple[Gone, ...]]:
    for size in range(len(gone) + 1):
        yield from combinations(gone, size)


def _told(
    state: State, option: Gone, name: str, side: Side, quantity: Decimal, price: Decimal, units: Decimal, at: datetime
) -> list[Report]:
    """One fill, which moves what the executions explain."""
    leg = "" if name == option.name else "-shares"
    fill = Fill(
        execution_id=f"{SETTLED}{option.symbol.canonical.replace(' ', '')}-{at:%Y%m%dT%H%M%S}{leg}",
        revision=1,
        order_id="",
        symbol=name,
        side=side,
        quantity=quantity,
        price=price,
        at=at,
    )
    told = [*reports.filled(state, fill, "", "USD", units)]
    if told:
        remember_fill(state, fill)
    return told


def settled_as(state: State, fact: ExecutionSeen, symbol: str, side: Side) -> bool:
    """Whether an execution of nobody's order was booked already, as the settlement that its positions showed.

    Of an option any at 0; of shares one of just their number at the strike.
    """
    base, _ = execution_key(fact.execution_id)
    if base in state.own.settled_as:
        return True
    quantity, price = decimal_of(fact.shares), decimal_of(fact.price)
    for fill in state.own.settled:
        same = (fill.symbol, fill.side, fill.price) == (symbol, side, price)
        if not same or (price and (fill.quantity != quantity or fill.execution_id in state.own.settled_as.values())):
            continue
        state.own.settled_as[base] = fill.execution_id
        return True
    return False
