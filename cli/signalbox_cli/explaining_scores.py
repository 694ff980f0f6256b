"""`scores explain`: where the figures of one bar's score come from, and the same computed again from the record.

The indicator service's own `step` takes all stored bars of the series, in their order in BARS, up to that bar: what the
service has stored and what comes out now are the same to the last digit, or it is said what is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from msgspec.structs import asdict
from signalbox import messages
from signalbox.bus import Bus
from signalbox.client.record import query, rows, sql_text
from signalbox.client.wishes import venue_of
from signalbox.desk import IndicatorParameters, load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import Bar, Score

from signalbox_cli import argument_types
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import cell, complain, printable, show, show_json

if TYPE_CHECKING:
    from indicators.state import Rules

PAGE_ROWS = 500
DIFFERENT = 1


async def run_explain(arguments: argparse.Namespace) -> int:
    """Exit status 1 where what is computed now is not what was stored."""
    from indicators.state import rules_of
    from indicators.study_files import find

    if arguments.bars is None or arguments.timeframe is None:
        raise ConfigurationError(["name the symbol and the timeframe: signalbox scores explain SPY --timeframe 5m"])
    symbol = argument_types.symbol(str(arguments.bars))
    venue, timeframe = venue_of(symbol), arguments.timeframe.text
    async with desk_bus() as (bus, found):
        desk_file: Path | None = arguments.desk or found.desk_file
        if desk_file is None:
            raise ConfigurationError(["name the desk file that has the indicators' parameters: --desk DESK.toml"])
        desk = load_desk(desk_file)
        rules = rules_of(desk, find(arguments.studies))
        series = f"venue = {sql_text(venue)} AND symbol = {sql_text(symbol)} AND timeframe = {sql_text(timeframe)}"
        stored = await _stored(bus, series, arguments.at)
        if stored is None:
            when = f"of the bar that starts at {arguments.at.isoformat()}" if arguments.at else "yet"
            complain(f"there is no score of {symbol} {timeframe} at {venue} {when}: see `signalbox scores`")
            return DIFFERENT
        bars = await _bars(bus, series, stored.bar_start)
    again = scored_again(bars, stored.bar_start, rules)
    different = differences(stored, again)
    if arguments.json:
        bar = bars[-1] if bars else None
        show_json(to_builtins({"score": stored, "bar": bar, "bars": len(bars), "different": different}))
    else:
        _tell(stored, bars, desk.indicators, different, desk_file)
    return DIFFERENT if different else 0


def scored_again(bars: Sequence[Bar], bar_start: datetime, rules: Rules) -> Score | None:
    """The score of the bar that starts then, from all bars in the order in which they were stored; None = no bar."""
    from indicators.state import Series
    from indicators.step import step

    series, found = Series(), None
    for bar in bars:
        series, score = step(series, bar, rules)
        if isinstance(score, Score) and score.bar_start == bar_start:
            found = score
    return found


def differences(stored: Score, again: Score | None) -> dict[str, tuple[Any, Any]]:
    """What is another one now, by its name: as it was stored, and as it comes out."""
    if again is None:
        return {"score": (stored.id, None)}
    was, now = asdict(stored), asdict(again)
    return {name: (was[name], now[name]) for name in was if was[name] != now[name]}


async def _stored(bus: Bus, series: str, bar_start: datetime | None) -> Score | None:
    which = f"AND bar_start = TIMESTAMPTZ {sql_text(bar_start.isoformat())}" if bar_start else ""
    found = rows(
        await query(
            bus,
            "SELECT payload FROM messages m JOIN scores USING (generation, sequence) "
            f"WHERE m.stream = 'SCORES' AND {series} {which} ORDER BY generation DESC, sequence DESC LIMIT 1",
            1,
        )
    )
    return messages.decode(found[0]["payload"].encode(), Score) if found else None


async def _bars(bus: Bus, series: str, last: datetime) -> list[Bar]:
    """The bars of a series in the order of the stream that is there now, up to the one that starts then."""
    found: list[Bar] = []
    after = 0
    while True:
        page = rows(
            await query(
                bus,
                "SELECT sequence, payload FROM messages m JOIN bars USING (generation, sequence) "
                f"WHERE m.stream = 'BARS' AND {series} AND sequence > {after} "
                "AND generation = (SELECT max(generation) FROM watermarks WHERE stream = 'BARS') "
                f"ORDER BY sequence LIMIT {PAGE_ROWS}",
                PAGE_ROWS,
            )
        )
        for row in page:
            found.append(messages.decode(row["payload"].encode(), Bar))
            if found[-1].start == last:
                return found
        if not page:
            return found
        after = int(page[-1]["sequence"])


def _tell(
    score: Score,
    bars: Sequence[Bar],
    parameters: IndicatorParameters,
    different: dict[str, tuple[Any, Any]],
    desk_file: Path,
) -> None:
    print(
        printable(f"{score.symbol} {score.timeframe} at {score.venue}, the bar of {cell(score.bar_start)} ({score.id})")
    )
    print(printable(f"{score.state}{': ' if score.why else ''}{score.why}"))
    if bars and bars[-1].start == score.bar_start:
        bar = bars[-1]
        print(f"open {bar.open:f}  high {bar.high:f}  low {bar.low:f}  close {bar.close:f}  volume {bar.volume:f}\n")
    show(("figure", "value", "of"), told(score, parameters), as_json=False, empty="")
    if not different:
        print(
            f"\ncomputed again from {len(bars)} bars, with the parameters of {desk_file}: the same, to the last digit"
        )
        return
    print(f"\ncomputed again from {len(bars)} bars, with the parameters of {desk_file}: NOT the same")
    rows_ = [(name, str(was), str(now)) for name, (was, now) in different.items()]
    show(("figure", "stored", "now"), rows_, as_json=False, empty="")


def told(score: Score, parameters: IndicatorParameters) -> list[tuple[str, Any, str]]:
    """Each figure with what it is of, in words that say how to get it."""
    where = {1: "below the closes: long", -1: "above the closes: short"}.get(score.direction, "not defined yet")
    bars = f"SuperTrend, ATR of {parameters.supertrend_period} bars x {parameters.supertrend_multiplier:g}; {where}"
    found = [
        ("supertrend", score.supertrend, bars),
        ("ema", score.ema, f"EMA of {parameters.ema_period} closes"),
        ("atr", score.atr, f"ATR of {parameters.atr_period} bars (Wilder)"),
        ("ema_deviation", score.ema_deviation, f"(close - ema) / atr = ({score.close} - {score.ema}) / {score.atr}"),
        ("trend_score", score.trend_score, "bars in a row in that direction, + long, - short"),
        ("new_high_score", score.new_high_score, "closes of the day above every close before, since the last below"),
    ]
    found += [(name, value, "a study of the desk file (docs/indicators.md)") for name, value in score.studies.items()]
    if score.levels is not None:
        found += [(name, value, "a level of its trading day") for name, value in asdict(score.levels).items()]
    return found
