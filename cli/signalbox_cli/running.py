"""The commands that start processes: up, demo, simulate."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from signalbox.bus.bootstrap import bootstrap_server
from signalbox.desk import ClockSource, load_desk
from signalbox.errors import BusError, ConfigurationError
from signalbox.messages import TradingMode
from simulators.dydx import __main__ as dydx
from simulators.tws import __main__ as tws

from signalbox_cli import argument_types, run_folder, simulated_venues
from signalbox_cli.commands import add_command
from signalbox_cli.demo import DemoPlan, run_demo
from signalbox_cli.desk_files import replayed_symbol, venue_of_symbol, write_desk_file
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.settings import RUN_FOLDER, bootstrap_seals, desk_file, nats_ca_file, server_address
from simulators import __main__ as both

DEMO_FOLDER = Path("run/demo")
BOOTSTRAP_AGAIN_SECONDS = 1.0
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
          signalbox up                                           the market of the last session, in real time
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
        help="desk time to begin at, the first time, with zone (default: the open of the last session that is over)",
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
    simulate = add_command(
        commands, "simulate", "run one simulated venue on its own, for any program that speaks its API", ""
    )
    venues = simulate.add_subparsers(dest="venue", required=True, metavar="VENUE")
    ibkr = add_command(
        venues,
        "ibkr",
        "an IB Gateway: the TWS socket protocol, server version 178",
        """
        Examples:
          signalbox simulate ibkr --port 4002 --symbols SPY,AAPL,0700.HK --speed 60
          signalbox simulate ibkr --control-port 4003      and then:  echo '{"do": "help"}' | nc 127.0.0.1 4003
        """,
    )
    tws.add_arguments(ibkr)
    ibkr.set_defaults(run=tws.run)
    chain = add_command(
        venues,
        "dydx",
        "a dYdX v4 chain: the node's gRPC, the indexer's REST and websocket, the faucet",
        """
        Anybody's account is made by a deposit: --fund dydx1...=10000 at the start, or the faucet at any time:
          curl http://127.0.0.1:3002/faucet/tokens -d '{"address": "dydx1...", "subaccountNumber": 0, "amount": 10000}'
        The public Python client finds it with
          make_local(node_url="127.0.0.1:9090", rest_indexer="http://127.0.0.1:3002",
                     websocket_indexer="ws://127.0.0.1:3002/v4/ws")
        Any key will do. Transactions are signed for the chain id localdydxprotocol, or that of --chain-id.

        Examples:
          signalbox simulate dydx --grpc-port 9090 --http-port 3002 --block-ms 600 --price BTC-USD=100000
          signalbox simulate dydx --control-port 3003      and then:  echo '{"do": "help"}' | nc 127.0.0.1 3003
        """,
    )
    dydx.add_arguments(chain)
    chain.set_defaults(run=dydx.run)
    pair = add_command(
        venues, "both", "the two of them over one market, as `signalbox up` and `signalbox demo` run them", ""
    )
    both.add_arguments(pair)
    pair.set_defaults(run=both.run)
    bootstrap = add_command(
        commands,
        "bootstrap",
        "make or update every stream, consumer and bucket on a NATS server of your own",
        """
        Needs SIGNALBOX_NATS_URL and the password of the user `bootstrap` in SIGNALBOX_NATS_PASSWORD or
        SIGNALBOX_NATS_PASSWORD_FILE, and its key in SIGNALBOX_SEALS or SIGNALBOX_SEALS_FILE. It may be run again at any
        time, and deletes nothing. Where there is no trading state yet it writes HALTED: `signalbox resume` lets orders
        through. (`signalbox up` does all this by itself.)

        Examples:
          signalbox bootstrap
          signalbox bootstrap --store 8GB      on a disk too small for what nats.conf says (DESK_STORE_MAX)
          signalbox bootstrap --replicas 3     on a cluster of three servers: each of them holds every stream
        """,
    )
    bootstrap.add_argument(
        "--replicas",
        type=int,
        choices=(1, 3, 5),
        help="how many servers of a cluster hold each stream (default: as many as now, at first 1)",
    )
    bootstrap.add_argument(
        "--store",
        type=argument_types.size,
        metavar="SIZE",
        help="what one copy of all streams may take, 8GB say; each has a part of it that no other can take "
        "(default: all that NATS lets the desk store)",
    )
    bootstrap.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="try for so long while the server or its cluster does not answer yet (default 0)",
    )
    bootstrap.add_argument(
        "--active-if-simulated",
        action="store_true",
        help="the first trading state is ACTIVE where the desk file (SIGNALBOX_DESK_FILE) says clock = simulated",
    )
    bootstrap.add_argument(
        "--believe-unsealed",
        action="store_true",
        help="let a history stand that was stored before messages bore seals (docs/nats.md, Seals, says when)",
    )
    bootstrap.set_defaults(run=_bootstrap)


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
        desk = LocalDesk(plan, _say)
        try:
            if await _started(desk, stop):
                _welcome(desk, arguments.folder)
                await stop.wait()
            _say("stopping")
        finally:
            await desk.close()
    return 0


async def _started(desk: LocalDesk, stop: asyncio.Event) -> bool:
    """Start the desk; False when told to stop before it was up."""
    _say("starting nats-server, the simulated venues and the services")
    told = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(desk.start())
    try:
        await asyncio.wait((told, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        starting.result()
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


async def _bootstrap(arguments: argparse.Namespace) -> int:
    url, password = server_address()
    seals = bootstrap_seals()
    mode = _first_mode(arguments)
    deadline = asyncio.get_running_loop().time() + arguments.wait
    told = ""
    while True:
        try:
            notes = await bootstrap_server(
                *(url, password.reveal(), mode, seals, arguments.replicas, nats_ca_file(), arguments.store),
                believe_unsealed=arguments.believe_unsealed,
            )
            break
        except BusError as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            if str(error) != told:
                _say(f"not yet: {error}")
            told = str(error)
        await asyncio.sleep(BOOTSTRAP_AGAIN_SECONDS)
    more = "" if mode is TradingMode.ACTIVE else "; `signalbox resume` lets orders through"
    for note in notes:
        _say(note)
    _say(f"every stream, consumer and bucket is there on {url}{more}")
    return 0


def _first_mode(arguments: argparse.Namespace) -> TradingMode:
    """Only a desk that no real venue can serve may begin without a person's word: its clock is a simulator's."""
    if arguments.active_if_simulated and load_desk(desk_file()).clock is ClockSource.SIMULATED:
        return TradingMode.ACTIVE
    return TradingMode.HALTED


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
    return {venue_of_symbol(symbol): symbol}


def _require_ours(folder: Path) -> None:
    """The demo empties its folder: it must not be anybody's documents."""
    ours = (folder / run_folder.LOCK, folder / "desk.toml")
    if folder.is_dir() and any(folder.iterdir()) and not any(file.exists() for file in ours):
        raise ConfigurationError(
            [f"{folder} has files that no desk made, and the demo would remove them: name another"]
        )
