"""What the market data of 300 dYdX markets takes of the gateway: processor and memory, beside the bare client.

nats-server with the desk's users and permissions, gateway-dydx as a process of its own, and the dYdX simulator, whose
markets all trade at real speed. The gateway spreads them over ten websockets, keeps every book, sends every quote and
makes every bar; it begins with the bars of today and yesterday, and is measured when all of those are there. The bare
client (`bare_markets`) subscribes to the same, through the vendor's library, reads every message as JSON, and does
nothing with it; it runs in the same minute. Processor time is what the kernel counts for each process.

    python -m benchmarks.dydx_markets [MARKETS]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from dydx_v4_client.key_pair import KeyPair
from signalbox import messages, subjects
from signalbox.bus import Received
from signalbox.messages import Quote
from signalbox_cli.ports import free_port
from simulators.dydx.markets import tickers

from benchmarks.dydx_path import WORDS, address_of, answers, start, start_desk, until

MARKETS = 300
POLL_SECONDS = 2.0
LIVE_BARS = re.compile(r'signalbox_venue_bars_total{source="LIVE",symbol="([^"]+)",timeframe="1m"')
WINDOW_SECONDS = 60.0
CATCH_UP_SECONDS_MAX = 1_200.0
BEGIN_SECONDS_MAX = 300.0
"""The simulator makes up a day of each market first."""
MEMORY_MEGABYTES_MAX, PROCESSOR_SHARE_MAX = 250.0, 0.5


class Heard:
    """The quotes that the desk hears."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.without, self.quotes, self.all = set(symbols), 0, asyncio.Event()

    async def quote(self, received: Received) -> None:
        self.quotes += 1
        if self.without:
            self.without.discard(messages.decode(received.payload, Quote).symbol)
            if not self.without:
                self.all.set()


def symbols_with_live_bars(http_port: int) -> set[str]:
    """Of which the gateway says to have published a bar that it made itself."""
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics", timeout=10.0) as response:
        return set(LIVE_BARS.findall(response.read().decode()))


async def _measure(folder: Path, count: int) -> dict[str, float]:
    async with contextlib.AsyncExitStack() as stack:
        symbols, address = tickers(count), address_of(KeyPair.from_mnemonic(WORDS))
        grpc_port, http_port, log = free_port(), free_port(), folder / "simulator.log"
        command = [sys.executable, "-m", "simulators.dydx", "--markets", str(count), "--fund", f"{address}=1000000"]
        command += ["--grpc-port", str(grpc_port), "--http-port", str(http_port)]
        simulator = await start(command, stack, log)
        await until(
            "the simulator",
            lambda: answers(f"http://127.0.0.1:{http_port}/v4/height"),
            simulator,
            log,
            BEGIN_SECONDS_MAX,
        )
        began = time.monotonic()
        bus, processes = await start_desk(
            folder,
            stack,
            f"{address}-0",
            grpc_port,
            http_port,
            symbols=symbols,
            services=("gateway-dydx",),
            seconds_max=BEGIN_SECONDS_MAX,
        )
        heard = Heard(symbols)
        await bus.subscribe(subjects.ALL_QUOTES, heard.quote)
        await asyncio.wait_for(heard.all.wait(), CATCH_UP_SECONDS_MAX)
        quoted_seconds = time.monotonic() - began
        gateway, gateway_port = processes["gateway-dydx"].process.pid, processes["gateway-dydx"].http_port
        async with asyncio.timeout(CATCH_UP_SECONDS_MAX):
            while len(await asyncio.to_thread(symbols_with_live_bars, gateway_port)) < count:
                await asyncio.sleep(POLL_SECONDS)
        caught_up_seconds = time.monotonic() - began

        url = f"ws://127.0.0.1:{http_port}/v4/ws"
        bare = await start([sys.executable, "-m", "benchmarks.bare_markets", url, *symbols], stack)
        assert bare.stdout is not None
        assert b"subscribed" in await bare.stdout.readline()
        before, bare_before, quotes_before = processor_seconds(gateway), processor_seconds(bare.pid), heard.quotes
        await asyncio.sleep(WINDOW_SECONDS)
        return {
            "gateway": (processor_seconds(gateway) - before) / WINDOW_SECONDS,
            "bare": (processor_seconds(bare.pid) - bare_before) / WINDOW_SECONDS,
            "quotes": (heard.quotes - quotes_before) / WINDOW_SECONDS,
            "memory": resident_megabytes(gateway),
            "bare memory": resident_megabytes(bare.pid),
            "quoted": quoted_seconds,
            "caught up": caught_up_seconds,
        }


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """What a process holds at this moment."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def run(count: int = MARKETS) -> list[dict[str, Any]]:
    """The rows of many markets."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder), count))
    what = f"market data of {count} dYdX markets"
    client = "the bare client that reads the same messages"
    share, bare_share = found["gateway"], found["bare"]
    return [
        {
            "name": f"{what}, {found['quotes']:.0f} quotes/s: share of a processor",
            "value": round(share, 3),
            "unit": "",
            "reference": f"{client}: {bare_share:.3f}",
            "ratio": round(share / bare_share, 2),
            "goal": f"<= {PROCESSOR_SHARE_MAX:g}",
            "met": share <= PROCESSOR_SHARE_MAX,
        },
        {
            "name": f"{what}: resident memory of the gateway",
            "value": round(found["memory"], 1),
            "unit": "MB",
            "reference": f"{client}: {found['bare memory']:.1f} MB",
            "ratio": round(found["memory"] / found["bare memory"], 2),
            "goal": f"<= {MEMORY_MEGABYTES_MAX:g} MB",
            "met": found["memory"] <= MEMORY_MEGABYTES_MAX,
        },
        {
            "name": f"{what}: from the start until all have quotes",
            "value": round(found["quoted"], 1),
            "unit": "s",
            "reference": f"until all have live bars, those of two days first: {found['caught up']:.1f} s",
            "ratio": None,
            "goal": "",
            "met": None,
        },
    ]


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:])), indent=2))
