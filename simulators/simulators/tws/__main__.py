"""Runs the IB Gateway simulator: `python -m simulators.tws --port 4002`, or `signalbox simulate ibkr`.

Owns the command line and the wiring. It must not know the protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import sys
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from signalbox.errors import CalendarError, ConfigurationError, SignalboxError, SymbolError
from signalbox.instruments import parse_symbol
from signalbox.sessions import previous_session

from simulators.control import ControlServer, WorldControl
from simulators.listings import IBKR
from simulators.tws.commands import TwsControl
from simulators.tws.gateway import Gateway
from simulators.tws.server import TwsServer
from simulators.world import World, WorldOptions

HOST = "127.0.0.1"  # an API without passwords listens on loopback only, as a gateway does by default
DEFAULT_PORT = 4002
CONTROL_OFF = -1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this simulator's options to a parser."""
    add = parser.add_argument
    add("--host", default=HOST, help="address to listen on (default: loopback; the API has no password)")
    add("--port", type=_port, default=DEFAULT_PORT, help="port of the API, 0 = any free one (default: %(default)s)")
    add("--control-port", type=_port, default=CONTROL_OFF, help="port for commands, 0 = any free one (default: none)")
    add("--symbols", default="SPY,AAPL,0700.HK", help="stocks there are, comma separated (default: %(default)s)")
    add("--accounts", default="DU1234567", help="account codes, comma separated (default: %(default)s)")
    add("--cash", type=_amount, default=Decimal(1_000_000), help="USD in each account (default: %(default)s)")
    add("--speed", type=_speed, default=1.0, help="market seconds per second, 0 = paused, inf = no waits (default: 1)")
    add("--seed", type=int, default=1, help="of the synthetic market; the same seed, the same prices (default: 1)")
    add("--start", type=_time, help="market time to begin at (default: the open of the last session that is over)")
    add("--days", type=int, default=0, help="trading days to run for, 0 = without end (default: 0)")
    add("--bars", action="append", default=[], metavar="[SYMBOL=]FILE", help="replay bars (Parquet, CSV); repeatable")
    add("--books", type=Path, metavar="FILE", help="keep orders and accounts in this file over restarts")
    add("--nats-url", default="", help="publish the market's time to a desk on this NATS server")
    add("--nats-user", default="simulator", help="NATS user (default: %(default)s)")
    add("--nats-password-file", type=Path, help="file that holds the user's password")


def run(args: argparse.Namespace) -> int:
    """Run until a signal, the `shutdown` command or a mistake; return the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        options = options_of(args)
        asyncio.run(_serve(args, options))
    except (ConfigurationError, SymbolError, CalendarError) as error:
        sys.stderr.write(f"signalbox simulate ibkr: {error}\n")
        return 2
    except SignalboxError as error:
        sys.stderr.write(f"signalbox simulate ibkr: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def options_of(args: argparse.Namespace, now: datetime | None = None) -> WorldOptions:
    """Make the world's options of the command line. Raises ConfigurationError, SymbolError or CalendarError."""
    files = tuple(_bar_file(each) for each in args.bars)
    stated = [*(symbol for symbol, _ in files if symbol), *(each.strip() for each in args.symbols.split(","))]
    symbols = tuple(dict.fromkeys(parse_symbol(each).canonical for each in stated if each))
    accounts = tuple(dict.fromkeys(each.strip() for each in args.accounts.split(",") if each.strip()))
    mistakes = {
        "--accounts names no account": not accounts,
        "--days must be 0 or more": args.days < 0,
        "--symbols names no symbol": not (symbols or files),
    }
    if any(mistakes.values()):
        raise ConfigurationError([sentence for sentence, made in mistakes.items() if made])
    start = args.start
    if start is None and not files:
        calendar = parse_symbol(symbols[0]).calendar
        start = previous_session(calendar, now or datetime.now(UTC)).open
    return WorldOptions(
        symbols=symbols,
        seed=args.seed,
        speed=args.speed,
        accounts=accounts,
        starting_cash=args.cash,
        start=start,
        days=args.days,
        bar_files=files,
        books_file=args.books,
    )


async def _serve(args: argparse.Namespace, options: WorldOptions) -> None:
    try:
        world = World(options)
    except OSError as error:
        raise ConfigurationError([f"{error.filename}: {error.strerror}"]) from error
    async with AsyncExitStack() as stack:
        stack.callback(world.close)
        server = TwsServer(Gateway(world), args.host, args.port)
        await _listen(stack, server, "--port")
        told = f"API on {args.host}:{server.port}"
        if args.control_port != CONTROL_OFF:
            commands = [*WorldControl(world, world.stop).commands(), *TwsControl(server).commands()]
            control = ControlServer(commands, HOST, args.control_port)
            await _listen(stack, control, "--control-port")
            told += f", control on {HOST}:{control.port}"
        publisher = await _publisher(args, world, stack)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, world.stop)
        begins = f"{world.now():%Y-%m-%d %H:%M:%S} UTC, speed {options.speed:g}"
        symbols = ",".join(listing.key for listing in world.listings_of(IBKR))
        sys.stdout.write(f"IB Gateway simulator: {told}; {symbols} from {begins}\n")
        sys.stdout.flush()
        await world.run()
        if publisher is not None:
            await _end(publisher)


async def _listen(stack: AsyncExitStack, server: TwsServer | ControlServer, option: str) -> None:
    try:
        await stack.enter_async_context(server)
    except OSError as error:
        raise ConfigurationError(
            [f"port {server.port} can not be listened on ({error.strerror}): choose another with {option}"]
        ) from error


async def _publisher(args: argparse.Namespace, world: World, stack: AsyncExitStack) -> asyncio.Task[None] | None:
    if not args.nats_url:
        return None
    from signalbox.bus import Bus, BusSettings  # a simulator on its own needs no NATS

    from simulators.clock_publisher import ClockPublisher

    if args.nats_password_file is None:
        raise ConfigurationError(["--nats-url needs --nats-password-file"])
    try:
        password = args.nats_password_file.read_text().strip()
    except OSError as error:
        raise ConfigurationError([f"{args.nats_password_file}: {error.strerror}"]) from error
    settings = BusSettings(url=args.nats_url, user=args.nats_user, password=password, name="simulator-ibkr")
    bus = await Bus.connect(settings)
    stack.push_async_callback(bus.drain)
    task = asyncio.get_running_loop().create_task(ClockPublisher(world, bus).run())
    task.add_done_callback(lambda _: world.stop())  # a desk without its clock must not trade on
    return task


async def _end(publisher: asyncio.Task[None]) -> None:
    """End the publisher, or raise what it failed with."""
    publisher.cancel()
    with suppress(asyncio.CancelledError):
        await publisher


def _bar_file(text: str) -> tuple[str, Path]:
    symbol, separator, path = text.rpartition("=")
    return (symbol, Path(path)) if separator and not Path(text).exists() else ("", Path(text))


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return number


def _speed(text: str) -> float:
    number = float(text)
    if math.isnan(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a speed: 0 or more")
    return number


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is not an amount") from None
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"{text} is not an amount: 0 or more")
    return amount


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as 2024-03-05T14:30:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.tws", description="An IB Gateway to develop against.")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
