"""How long until 500 symbols' bars that close at the same instant are all scored.

A nats-server with the desk's streams and permissions, and the indicator service as a process of its own. Each round
publishes one minute's bar of every symbol at once, as a gateway does; its time runs from the first publish to the
storing of the last score, by JetStream's own stamp. The slowest round counts.

    python -m benchmarks.scores_at_once
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from signalbox import subjects
from signalbox.accounts import password_variable
from signalbox.bus import Bus, BusSettings, Received
from signalbox.bus.bootstrap import USERS, bootstrap, complete_seals
from signalbox.bus.client import BusClient
from signalbox.messages import Bar, TradingMode, TradingState
from signalbox.seals import NO_SEALS, parse
from signalbox_cli.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SYMBOLS = tuple("".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), 500))
WARM_UP_ROUNDS, ROUNDS = 12, 5
SECONDS_MAX = 1.0
WAIT_SECONDS_MAX = 60.0
OPEN = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

LIMITS = """
[limits]
order_quantity_max = "1"
order_notional_max = "1"
position_quantity_max = "1"
position_notional_max = "1"
gross_exposure_max = "1"
price_collar_fraction = "0.05"
price_age_seconds_max = 1
account_age_seconds_max = 1
intent_age_seconds_max = 1
intents_per_minute_max = 1
open_orders_max = 1
"""


def a_bar(symbol: str, minute: int) -> Bar:
    start, price = OPEN + MINUTE * minute, Decimal(100 + (minute * 7 + len(symbol)) % 11)
    return Bar(
        id=f"bar/ibkr/{symbol}/1m/{start.isoformat()}",
        at=start + MINUTE,
        venue="ibkr",
        symbol=symbol,
        timeframe="1m",
        start=start,
        open=price,
        high=price + 1,
        low=price - 1,
        close=price,
        volume=Decimal(100),
        received_at=datetime.now(UTC),
    )


class Bench:
    """A nats-server and the indicator service, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passwords = {user: secrets.token_hex(16) for user in USERS}
        self.seals = complete_seals({})
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def process(self, command: Sequence[str], environment: dict[str, str]) -> AsyncIterator[None]:
        with (self.folder / "log").open("ab") as log:
            running = await asyncio.create_subprocess_exec(
                *command, env=os.environ | environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            running.terminate()
            await running.wait()

    def nats_server(self) -> contextlib.AbstractAsyncContextManager[None]:
        binary = str(Path(sys.executable).parent / "nats-server")
        options = ("-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.folder / "store"))
        passwords = {password_variable(user): password for user, password in self.passwords.items()}
        return self.process((binary, "-c", str(ROOT / "deploy/nats/nats.conf"), *options), passwords)

    def indicators(self) -> contextlib.AbstractAsyncContextManager[None]:
        desk_file = self.folder / "desk.toml"
        instruments = "".join(f'[[instruments]]\nvenue = "ibkr"\nsymbol = "{symbol}"\n' for symbol in SYMBOLS)
        desk_file.write_text(f'name = "bench"\n[venues.ibkr]\naccounts = ["DU1"]\n{instruments}{LIMITS}')
        environment = {
            "SIGNALBOX_NATS_URL": self.url,
            "SIGNALBOX_NATS_USER": "indicators",
            "SIGNALBOX_NATS_PASSWORD": self.passwords["indicators"],
            "SIGNALBOX_DESK_FILE": str(desk_file),
        }
        return self.process((sys.executable, "-m", "indicators"), environment)

    async def bootstrap(self) -> None:
        """Wait for the server, and make the streams."""
        await (await self.connect("bootstrap")).drain()
        client = BusClient()
        await client.connect(
            self.url, user="bootstrap", password=self.passwords["bootstrap"], inbox_prefix=b"_INBOX.bootstrap"
        )
        state = TradingState(id="bench", at=OPEN, mode=TradingMode.HALTED, reason="benchmark", by="bench")
        await bootstrap(client, state, NO_SEALS)
        await client.close()

    async def connect(self, user: str) -> Bus:
        seals = parse(self.seals[user]) if user in self.seals else NO_SEALS
        password = self.passwords[user]
        return await Bus.connect(BusSettings(url=self.url, user=user, password=password, name=user, seals=seals))


async def one_round(gateway: Bus, recorder: Bus, scored: asyncio.Queue[Received], minute: int) -> float:
    """Publish one bar of every symbol; give the seconds until the last score was stored."""
    bars = [a_bar(symbol, minute) for symbol in SYMBOLS]
    begun = datetime.now(UTC)
    await asyncio.gather(*(gateway.publish(subjects.bar("ibkr", bar.symbol, "1m"), bar) for bar in bars))
    stored: list[datetime] = []
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        for _ in bars:
            await scored.get()
        while len(stored) < len(bars):  # a listener hears of a score a little before it is stored
            stored = [one.stored_at async for one in recorder.read("SCORES", from_sequence=len(bars) * minute + 1)]
    if len(stored) > len(bars):
        raise AssertionError(f"{len(bars)} bars gave {len(stored)} scores")
    return (max(stored) - begun).total_seconds()


async def measure() -> float:
    """The slowest round, in seconds."""
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        bench = Bench(Path(folder))
        async with bench.nats_server():
            await bench.bootstrap()
            async with bench.indicators():
                gateway, recorder = await bench.connect("gateway-ibkr"), await bench.connect("recorder")
                user = await bench.connect("user")  # only people hear scores as they come
                scored: asyncio.Queue[Received] = asyncio.Queue()
                await user.subscribe("ind.score.>", scored.put)
                seconds = [
                    await one_round(gateway, recorder, scored, minute) for minute in range(WARM_UP_ROUNDS + ROUNDS)
                ]
            for bus in (gateway, recorder, user):
                await bus.drain()
    return max(seconds[WARM_UP_ROUNDS:])


def run() -> list[dict[str, Any]]:
    """Measure; one row, in seconds."""
    value = asyncio.run(measure())
    return [
        {
            "name": f"{len(SYMBOLS)} symbols scored at once",
            "value": round(value, 3),
            "unit": "s",
            "reference": None,
            "ratio": None,
            "goal": f"value <= {SECONDS_MAX:g}",
            "met": value <= SECONDS_MAX,
        }
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
