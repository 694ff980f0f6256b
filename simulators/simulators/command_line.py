"""The command line that every simulator has, and the running of one world behind one or several venues' fronts.

Owns the options of the world, what is printed and how the process ends. It must not know any venue's protocol: a front
brings its own options, servers and commands.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from signalbox.errors import CalendarError, ConfigurationError, SignalboxError, SymbolError
from signalbox.instruments import parse_symbol, parse_symbols
from signalbox.sessions import ALWAYS, previous_whole_session

from simulators.control import Command, ControlServer, WorldControl
from simulators.desk_market import add_desk_argument, follow_desk
from simulators.dydx.markets import tickers
from simulators.listings import DYDX, IBKR, listing_of
from simulators.options import STEPS_SECONDS
from simulators.replay import symbol_of
from simulators.world import World, WorldOptions

HOST = "127.0.0.1"
_OFF = -1
_SIMULATED = {IBKR: "an IB Gateway (it has stocks only)", DYDX: "dYdX (it has perpetuals only)"}


@dataclass(frozen=True, kw_only=True)
class OpenFront:
    """A venue's front that listens: what to say of it, its commands, and what runs beside the world."""

    venue: str
    told: str
    commands: Sequence[Command] = ()
    runs: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=tuple)


FrontMaker = Callable[[World, argparse.Namespace, AsyncExitStack], Awaitable[OpenFront]]
"""Opens a front; what must be closed at the end goes to the stack."""


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A program that runs one world: its names, the fronts that show it and the venues that those are."""

    program: str
    title: str
    fronts: Sequence[FrontMaker]
    venues: Sequence[str]


def add_world_arguments(parser: argparse.ArgumentParser, symbols: str) -> None:
    """Add the options of the world to a parser."""
    add = parser.add_argument
    add("--host", default=HOST, help="address of every port (default: loopback; none of them asks for a password)")
    add_desk_argument(parser)
    add("--control-port", type=port, default=_OFF, help="port for commands, 0 = any free one (default: none)")
    add("--symbols", default=symbols, help="what can be traded, comma separated (default: %(default)s)")
    add("--speed", type=_speed, default=1.0, help="market seconds per second, 0 = paused, inf = no waits (default: 1)")
    add("--seed", type=int, default=1, help="of the synthetic market; the same seed, the same prices (default: 1)")
    add("--start", type=_time, help="market time to begin at (default: see above, or that of the bars)")
    add("--listed", type=_time, help="when the markets began to trade: no history is from before (default: long ago)")
    add("--days", type=int, default=0, help="trading days to run for, 0 = without end (default: 0)")
    add("--bars", action="append", default=[], metavar="[SYMBOL=]FILE", help="replay bars (Parquet, CSV); repeatable")
    add(
        "--price",
        action="append",
        default=[],
        type=_price,
        metavar="SYMBOL=PRICE",
        help="the price that a symbol has at the start, and goes on from; repeatable",
    )
    add(
        "--step-seconds",
        type=int,
        choices=STEPS_SECONDS,
        help="market seconds from quote to quote (default: 5; perpetuals alone: 1)",
    )
    add("--books", type=Path, metavar="FILE", help="keep orders and accounts in this file over restarts")
    add("--nats-url", default="", help="publish the market's time to a desk on this NATS server")
    add("--nats-user", default="simulator", help="NATS user (default: %(default)s)")
    add("--nats-ca-file", type=Path, help="whose certificates NATS at a tls:// address must show")
    add("--nats-password-file", type=Path, help="file that holds the user's password")


def add_stock_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of accounts that hold stocks."""
    parser.add_argument(
        "--accounts",
        default="DU1234567",
        help="account codes, comma separated; an advisor's own comes first, DF7654321,DU1 (default: %(default)s)",
    )
    parser.add_argument(
        "--cash", type=amount, default=Decimal(1_000_000), help="USD in each account (default: %(default)s)"
    )


def world_options(args: argparse.Namespace, now: datetime | None = None) -> WorldOptions:
    """Make the world's options of the command line. Raises ConfigurationError, SymbolError or CalendarError.

    Without a start and without files: stocks begin at the open of the last whole session that is over (half days have
    other hours and cut-offs, which nobody expects who has not asked for one); perpetuals alone begin now, and follow
    the wall's clock at speed 1.
    """
    files = tuple(_bar_file(each) for each in args.bars)
    stated = [parse_symbol(symbol) for symbol, _ in files if symbol] + [*parse_symbols(args.symbols)]
    stated += map(parse_symbol, tickers(getattr(args, "markets", 0)))
    symbols = tuple(dict.fromkeys(each.canonical for each in stated))
    accounts = tuple(dict.fromkeys(each.strip() for each in getattr(args, "accounts", "").split(",") if each.strip()))
    has_stocks = any(listing_of(symbol).venue == IBKR for symbol in symbols)
    mistakes = {
        "--accounts names no account": has_stocks and hasattr(args, "accounts") and not accounts,
        "--days must be 0 or more": args.days < 0,
        "--symbols names no symbol": not (symbols or files),
    }
    if any(mistakes.values()):
        raise ConfigurationError([sentence for sentence, made in mistakes.items() if made])
    start, now = args.start, now or datetime.now(UTC)
    follows_wall = start is None and not files and not has_stocks and args.speed == 1
    if start is None and not files:
        calendars = [calendar for symbol in symbols if (calendar := parse_symbol(symbol).calendar) != ALWAYS]
        start = previous_whole_session(calendars[0], now).open if calendars else now
    return WorldOptions(
        symbols=symbols,
        seed=args.seed,
        speed=args.speed,
        step_seconds=args.step_seconds or (5 if has_stocks else 1),
        accounts=accounts,
        starting_cash=getattr(args, "cash", Decimal(0)),
        start=start,
        days=args.days,
        bar_files=files,
        books_file=args.books,
        prices=tuple((parse_symbol(symbol).canonical, price) for symbol, price in args.price),
        follow_wall=follows_wall,
        listed=args.listed,
    )


def run(simulator: Simulator, args: argparse.Namespace) -> int:
    """Run until a signal, the `shutdown` command or a mistake; return the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        follow_desk(args, simulator.venues)
        options = world_options(args)
        require_shown(simulator, options)
        asyncio.run(_serve(simulator, args, options))
    except (ConfigurationError, SymbolError, CalendarError) as error:
        sys.stderr.write(f"{simulator.program}: {error}\n")
        return 2
    except SignalboxError as error:
        sys.stderr.write(f"{simulator.program}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def require_shown(simulator: Simulator, options: WorldOptions) -> None:
    """Raise ConfigurationError if a symbol would be in the world, and no front would show it."""
    symbols = dict.fromkeys((*options.symbols, *(symbol or symbol_of(path) for symbol, path in options.bar_files)))
    hidden = [symbol for symbol in symbols if listing_of(symbol).venue not in simulator.venues]
    if not hidden:
        return
    here, there = _SIMULATED[simulator.venues[0]], listing_of(hidden[0]).venue
    raise ConfigurationError(
        [
            f"{', '.join(hidden)} can not be traded at {here}: leave it out of --symbols and --bars, "
            f"or run `signalbox simulate {there}`, which has it, or `signalbox simulate both`"
        ]
    )


def commands_of(fronts: Sequence[OpenFront]) -> list[Command]:
    """Return the commands of all fronts; a name that two of them have gets its venue before it (`dydx_half_open`)."""
    times = Counter(command.name for front in fronts for command in front.commands)
    return [
        replace(command, name=f"{front.venue}_{command.name}") if times[command.name] > 1 else command
        for front in fronts
        for command in front.commands
    ]


async def listen(stack: AsyncExitStack, server: Any, number: int, option: str) -> None:
    """Open a server that listens on port `number`. Raises ConfigurationError when the port is taken."""
    try:
        await stack.enter_async_context(server)
    except OSError as error:
        raise ConfigurationError(
            [f"port {number} can not be listened on ({error.strerror}): choose another with {option}"]
        ) from error


async def _serve(simulator: Simulator, args: argparse.Namespace, options: WorldOptions) -> None:
    try:
        world = World(options)
    except OSError as error:
        raise ConfigurationError([f"{error.filename}: {error.strerror}"]) from error
    async with AsyncExitStack() as stack:
        stack.callback(world.close)
        fronts = [await make(world, args, stack) for make in simulator.fronts]
        told = [front.told for front in fronts]
        if args.control_port != _OFF:
            commands = [*WorldControl(world, world.stop).commands(), *commands_of(fronts)]
            control = ControlServer(commands, args.host, args.control_port)
            await listen(stack, control, args.control_port, "--control-port")
            told.append(f"control on {args.host}:{control.port}")
        beside = [publish] if (publish := await _publisher(simulator, args, world, stack)) is not None else []
        beside += [each for front in fronts for each in front.runs]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, world.stop)
        begins = f"{world.now():%Y-%m-%d %H:%M:%S} UTC, speed {options.speed:g}"
        symbols = ",".join(listing.key for listing in world.listings)
        sys.stdout.write(f"{simulator.title}: {', '.join(told)}; {symbols} from {begins}\n")
        sys.stdout.flush()
        await _run_beside(world, beside)


async def _run_beside(world: World, beside: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run the world until it stops; it stops when anything beside it ends. Raises what that failed with."""
    tasks = [asyncio.ensure_future(each()) for each in beside]
    for task in tasks:
        task.add_done_callback(lambda _: world.stop())  # a desk without its clock or venue must not trade on
    await world.run()
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


async def _publisher(
    simulator: Simulator, args: argparse.Namespace, world: World, stack: AsyncExitStack
) -> Callable[[], Awaitable[None]] | None:
    if not args.nats_url:
        return None
    from signalbox.addresses import nats_url_mistake
    from signalbox.bus import Bus, BusSettings  # a simulator on its own needs no NATS

    from simulators.clock_publisher import ClockPublisher

    if mistake := nats_url_mistake("--nats-url", args.nats_url):
        raise ConfigurationError([mistake])
    if args.nats_password_file is None:
        raise ConfigurationError(["--nats-url needs --nats-password-file"])
    try:
        password = args.nats_password_file.read_text().strip()
    except OSError as error:
        raise ConfigurationError([f"{args.nats_password_file}: {error.strerror}"]) from error
    name = simulator.program.rpartition(" ")[2]
    settings = BusSettings(
        url=args.nats_url,
        user=args.nats_user,
        password=password,
        name=f"simulator-{name}",
        ca_file=args.nats_ca_file,
    )
    bus = await Bus.connect(settings)
    stack.push_async_callback(bus.drain)
    return ClockPublisher(world, bus).run


# ------------------------------------------------------------------------------------------------ types of options


def port(text: str) -> int:
    """Read a port, 0 to 65535."""
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return number


def amount(text: str) -> Decimal:
    """Read an amount of money, 0 or more."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text} is not an amount") from None
    if not number.is_finite() or number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not an amount: 0 or more")
    return number


def _price(text: str) -> tuple[str, Decimal]:
    symbol, separator, number = text.rpartition("=")
    if not separator or not symbol or not (price := amount(number)):
        raise argparse.ArgumentTypeError(f"{text} is not a price such as BTC-USD=100000")
    return symbol, price


def _bar_file(text: str) -> tuple[str, Path]:
    symbol, separator, path = text.rpartition("=")
    return (symbol, Path(path)) if separator and not Path(text).exists() else ("", Path(text))


def _speed(text: str) -> float:
    number = float(text)
    if math.isnan(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a speed: 0 or more")
    return number


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as 2024-03-05T14:30:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
