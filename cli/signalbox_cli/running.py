"""The commands that start a desk: up, demo."""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import replace
from pathlib import Path

from signalbox.client.wishes import venue_of
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.finding import RUN_FOLDER

from signalbox_cli import argument_types, run_folder, simulated_venues
from signalbox_cli.commands import add_command
from signalbox_cli.demo import DemoPlan, run_demo
from signalbox_cli.desk_files import replayed_symbol, write_desk_file
from signalbox_cli.local_desk import DeskNotReadyError, DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.ports import free_port

DEMO_FOLDER = Path("run/demo")
DEMO_BLOCK_MS = "100"
"""Faster than the real chain's 600, so that nobody waits for blocks."""
DEMO_START = "2024-03-05T14:00:00Z"
"""09:00 in New York, half an hour before the open of an ordinary Tuesday."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = add_command(
        commands,
        "up",
        "run the desk on this machine against the simulated venues, until Ctrl-C",
        """
        What it did is kept in its folder: `signalbox up` once more goes on from there, with its orders, its positions
        and at the same desk time. Remove the folder to begin anew.

        Examples:
          signalbox up                                           the market of the last whole session, in real time
          signalbox up --start 2024-03-05T14:00:00Z --speed 60   a minute of that day each second
          signalbox up --bars SPY_2024.parquet                   real 1-minute bars instead of a synthetic market
          signalbox up --bars BTC-USD_2024.parquet               the same for a perpetual, at dYdX
        """,
    )
    _add_market(up)
    up.add_argument("--speed", type=argument_types.speed, default=1.0, help="desk seconds per second (default 1)")
    up.add_argument(
        "--start",
        type=argument_types.time,
        metavar="TIME",
        help="desk time to begin at, the first time, with zone (default: the open of the last session that is over, "
        "half days left out)",
    )
    up.add_argument(
        "--port",
        type=argument_types.count,
        metavar="N",
        help="where NATS listens (default: where it did when the folder's desk ran last)",
    )
    up.add_argument("--folder", type=Path, default=RUN_FOLDER, help=f"where its files go (default {RUN_FOLDER})")
    up.set_defaults(run=_up)
    demo = add_command(
        commands,
        "demo",
        "run a trading day faster than real time, trade, and check that all adds up",
        """
        Exit status 0 only if every order had the outcome that it must have, and the streams, the database and the
        simulator's own books agree.

        Examples:
          signalbox demo
          signalbox demo --bars SPY_2011-01_eth.parquet --days 2
          signalbox demo --bars BTC-USD_2026-01-01.parquet
        """,
    )
    _add_market(demo)
    demo.add_argument(
        "--days", type=argument_types.count, default=1, metavar="N", help="trading days to run (default 1)"
    )
    demo.add_argument(
        "--folder",
        type=Path,
        default=DEMO_FOLDER,
        help=f"where its files go; what an earlier demo left there is removed (default {DEMO_FOLDER})",
    )
    demo.set_defaults(run=_demo)


def _add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bars",
        type=Path,
        metavar="FILE",
        help="replay these 1-minute bars (Parquet or CSV, named after their symbol: SPY_2011.parquet) instead of a "
        "synthetic market",
    )
    parser.add_argument("--seed", type=int, default=7, help="of the synthetic market (default 7)")
    parser.add_argument("--desk", type=Path, metavar="DESK.toml", help="the desk file (default deploy/desk.toml)")


def _require_bars(bars: Path | None) -> None:
    if bars is not None and not bars.is_file():
        raise ConfigurationError([f"{bars} is not there: name a Parquet or CSV file of 1-minute bars"])


def _plan(arguments: argparse.Namespace, lock: int, *simulator_arguments: str) -> DeskPlan:
    source = arguments.desk or deploy_folder() / "desk.toml"
    desk_file = write_desk_file(source, arguments.folder, arguments.bars)
    desk = load_desk(desk_file)
    market = [*simulated_venues.market_arguments(desk), "--seed", str(arguments.seed), *simulator_arguments]
    if arguments.bars is not None:
        market += ["--bars", str(arguments.bars)]
    return DeskPlan(directory=arguments.folder, desk_file=desk_file, simulator_arguments=tuple(market), lock=lock)


async def _up(arguments: argparse.Namespace) -> int:
    _require_bars(arguments.bars)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    start = ["--start", arguments.start.isoformat()] if arguments.start else []
    with run_folder.taken(arguments.folder) as lock:
        plan = _plan(arguments, lock, "--speed", str(arguments.speed), *start)
        if arguments.port:
            plan = replace(plan, nats_port=_free(arguments.port))
        desk = LocalDesk(plan, _say)
        try:
            if await _started(desk, stop):
                _welcome(desk, arguments.folder)
                await stop.wait()
            _say("stopping")
        finally:
            await desk.close()
    return 0


def _free(port: int) -> int:
    try:
        return free_port(port)
    except (OSError, OverflowError) as error:
        raise ConfigurationError([f"NATS can not listen on port {port} ({error}): choose another --port"]) from None


async def _started(desk: LocalDesk, stop: asyncio.Event) -> bool:
    """Start the desk; False when told to stop before it was up.

    One of which a service waits for a person stays up: `skip` and `resume` need its nats-server.
    """
    _say("starting nats-server, the simulated venues and the services")
    told = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(desk.start())
    try:
        await asyncio.wait((told, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        try:
            starting.result()
        except DeskNotReadyError as error:
            _say(f"{error}\nthe desk stays up, so that it can be set right: docs/runbooks/service-not-ready.md")
        return True
    finally:
        told.cancel()
        starting.cancel()
        await asyncio.gather(told, starting, return_exceptions=True)


def _say(text: str) -> None:
    print(text, flush=True)


def _welcome(desk: LocalDesk, folder: Path) -> None:
    _say(_WELCOME.format(nats=desk.nats_url, folder=folder))
    for name, port in desk.ports_told.items():
        _say(f"  {_PORTS[name]:<50} 127.0.0.1:{port}")
    _say(f"Metrics (`prometheus --config.file={folder}/prometheus.yml` scrapes them):")
    for service, port in desk.http_ports.items():
        _say(f"  {service:<13} http://127.0.0.1:{port}/metrics")


_WELCOME = """\
The desk runs. NATS: {nats} (users and passwords: {folder}/credentials). Logs: {folder}/logs.
Try, in another terminal (with .venv/bin on the PATH):
  signalbox status
  signalbox intent buy 100 SPY --follow
  signalbox intent buy 100 AAPL --limit 150      then: signalbox orders, signalbox cancel ID
  signalbox intent buy 0.01 BTC-USD --follow      a perpetual, at dYdX
  signalbox positions;  signalbox account;  signalbox scores
  signalbox watch                                 every decision and order event as it comes
  signalbox halt "lunch";  signalbox resume
  signalbox query "SELECT * FROM fills"
Ctrl-C stops it. The simulated venues, for any other program:"""
_PORTS = {
    "ibkr_port": "IB Gateway, the TWS API",
    "dydx_grpc_port": "dYdX node, gRPC",
    "dydx_http_port": "dYdX indexer, REST (/v4) and websocket (/v4/ws)",
}


async def _demo(arguments: argparse.Namespace) -> int:
    _require_bars(arguments.bars)
    _require_ours(arguments.folder)
    with run_folder.taken(arguments.folder) as lock:
        run_folder.empty(arguments.folder)
        start = [] if arguments.bars is not None else ["--start", DEMO_START]
        symbols = _traded_symbols(arguments.bars)
        # a market that never closes ends with its day: the demo looks back on it from the next
        days = arguments.days + 1 if list(symbols) == [simulated_venues.DYDX] else arguments.days
        blocks = ["--block-ms", DEMO_BLOCK_MS] if simulated_venues.DYDX in symbols else []
        plan = _plan(arguments, lock, "--speed", "10", "--days", str(days), *blocks, *start)
        symbols = {venue: symbol for venue, symbol in symbols.items() if venue in plan.venues}
        return await run_demo(DemoPlan(desk=plan, symbols=symbols, days=arguments.days))


def _traded_symbols(bars: Path | None) -> dict[str, str]:
    """What the demo trades at each venue; the first one's exchange makes the day."""
    if bars is None:
        return {simulated_venues.IBKR: "SPY", simulated_venues.DYDX: "BTC-USD"}
    symbol = replayed_symbol(bars)
    return {venue_of(symbol): symbol}


def _require_ours(folder: Path) -> None:
    """The demo empties its folder: it must not be anybody's documents."""
    ours = (folder / run_folder.LOCK, folder / "desk.toml")
    if folder.is_dir() and any(folder.iterdir()) and not any(file.exists() for file in ours):
        raise ConfigurationError(
            [f"{folder} has files that no desk made, and the demo would remove them: name another"]
        )
