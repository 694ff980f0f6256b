"""What a desk with 300 dYdX markets and 100 IBKR lines takes of a machine: processor and memory of each service.

The whole desk as `signalbox up` runs it: nats-server, both gateways, indicators, risk, OMS and recorder, with the two
simulated venues over one market that trades at real speed. The markets are an hour old, so that the window begins when
the desk does what it does all day. 100 is what TWS gives an account of market data lines: a stock takes one for its
quotes and one for its bars. 300 is more markets than dYdX has. Processor time is what the kernel counts for a process
and those that it has started. The simulators' own share stands beside it: they make every trade and every book, and say
them on every connection.

    python -m benchmarks.wide_desk [MARKETS LINES]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.desk import load_desk
from signalbox.messages import Bar, BarSource, Quote
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.simulated_venues import market_arguments
from simulators.dydx.markets import tickers

from benchmarks.dydx_markets import processor_seconds, resident_megabytes

MARKETS, LINES, LINES_PER_STOCK = 300, 100, 2
START = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
HISTORY = timedelta(hours=1)
WINDOW_SECONDS = 60.0
ALL_HEARD_SECONDS_MAX = 900.0
SIMULATOR = "simulator"


class Heard:
    """The quotes and the live minutes that the desk hears, by symbol."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._without_quote, self._without_bar = set(symbols), set(symbols)
        self.quotes = self.bars = 0
        self.all = asyncio.Event()

    async def quote(self, received: Received) -> None:
        self.quotes += 1
        if self._without_quote:
            self._without_quote.discard(messages.decode(received.payload, Quote).symbol)
            self._look()

    async def bar(self, received: Received) -> None:
        self.bars += 1
        if self._without_bar:
            bar: Bar = messages.decode(received.payload, Bar)
            if bar.source is BarSource.LIVE:
                self._without_bar.discard(bar.symbol)
                self._look()

    def missing(self) -> str:
        return f"{len(self._without_quote)} without a quote, {len(self._without_bar)} without a live bar"

    def _look(self) -> None:
        if not (self._without_quote or self._without_bar):
            self.all.set()


def desk_file(text: str, markets: tuple[str, ...], stocks: tuple[str, ...]) -> str:
    """The demo's desk with these instruments."""
    head, _, rest = text.partition("[[instruments]]")
    rest = rest[rest.index("[indicators]") :]
    rows = [("dydx", symbol) for symbol in markets] + [("ibkr", symbol) for symbol in stocks]
    listed = "".join(f'[[instruments]]\nvenue = "{venue}"\nsymbol = "{symbol}"\n\n' for venue, symbol in rows)
    return head + listed + rest


def stocks_on(line_count: int) -> tuple[str, ...]:
    """As many stocks as so many lines are for: SPY, and others that the simulator makes up."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = line_count // LINES_PER_STOCK - 1
    return ("SPY", *(f"Q{letters[number // 26]}{letters[number % 26]}" for number in range(others)))


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


async def _measure(folder: Path, market_count: int, line_count: int) -> dict[str, dict[str, float]]:
    markets, stocks = tickers(market_count), stocks_on(line_count)
    async with contextlib.AsyncExitStack() as stack:
        path = folder / "desk.toml"
        path.write_text(desk_file((deploy_folder() / "desk.toml").read_text(), markets, stocks))
        listed = (START - HISTORY).isoformat().replace("+00:00", "Z")
        arguments = (*market_arguments(load_desk(path)), "--start", START.isoformat().replace("+00:00", "Z"))
        arguments += ("--listed", listed, "--speed", "1")
        desk = LocalDesk(DeskPlan(directory=folder, desk_file=path, simulator_arguments=arguments), _say)
        stack.push_async_callback(desk.close)
        await desk.start()
        bus = await Bus.connect(desk.bus_settings("user"))
        stack.push_async_callback(bus.drain)
        heard = Heard((*markets, *stocks))
        await bus.subscribe(subjects.ALL_QUOTES, heard.quote)
        await bus.subscribe(subjects.ALL_MINUTE_BARS, heard.bar)
        try:
            await asyncio.wait_for(heard.all.wait(), ALL_HEARD_SECONDS_MAX)
        except TimeoutError:
            raise RuntimeError(f"after {ALL_HEARD_SECONDS_MAX:g} s: {heard.missing()}") from None
        names = ("nats", *desk.plan.services, SIMULATOR)
        pids = {name: family(pid) for name in names if (pid := desk.pid(name)) is not None}
        before = {name: sum(map(processor_seconds, each)) for name, each in pids.items()}
        quotes, bars = heard.quotes, heard.bars
        await asyncio.sleep(WINDOW_SECONDS)
        after = {name: sum(map(processor_seconds, each)) for name, each in pids.items()}
        return {
            "share": {name: (after[name] - before[name]) / WINDOW_SECONDS for name in pids},
            "memory": {name: sum(map(resident_megabytes, each)) for name, each in pids.items()},
            "heard": {"quotes": (heard.quotes - quotes) / WINDOW_SECONDS, "bars": heard.bars - bars},
        }


def _say(line: str) -> None:
    if re.search(r"ended|restart", line):
        print(line, file=sys.stderr)


def run(market_count: int = MARKETS, line_count: int = LINES) -> list[dict[str, Any]]:
    """The rows of a wide desk: each process's share of a processor with its memory, then the desk's together."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder), market_count, line_count))
    heard, shares, memory = found["heard"], found["share"], found["memory"]
    what = f"{market_count} dYdX markets and {line_count} IBKR lines"
    told = f"{heard['quotes']:.0f} quotes/s, {heard['bars']:.0f} minute bars in {WINDOW_SECONDS:g} s"
    services = [name for name in shares if name != SIMULATOR]
    rows = [_row(f"{what}: {name}", shares[name], f"{memory[name]:.0f} MB") for name in shares]
    all_share, all_memory = sum(shares[name] for name in services), sum(memory[name] for name in services)
    return [*rows, _row(f"{what}: the desk together", all_share, f"{all_memory:.0f} MB; {told}")]


def _row(name: str, share: float, reference: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(share, 3),
        "unit": "of a processor",
        "reference": reference,
        "ratio": None,
        "goal": "",
        "met": None,
    }


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=2))
