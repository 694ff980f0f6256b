"""The commands that start processes: up, demo, simulate."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import tomllib
from pathlib import Path

from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.instruments import parse_symbol
from simulators.tws import __main__ as tws

from signalbox_cli.demo import DemoPlan, run_demo
from signalbox_cli.local_desk import DeskPlan, LocalDesk, deploy_folder
from signalbox_cli.settings import RUN_FOLDER

DEMO_FOLDER = Path("run/demo")
DEMO_START = "2024-03-05T14:00:00Z"
"""09:00 in New York, half an hour before the open of an ordinary Tuesday."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = commands.add_parser("up", help="run the desk on this machine against the simulated venue, until Ctrl-C")
    _add_market(up)
    up.add_argument("--speed", type=float, default=1.0, help="desk seconds per second (default 1)")
    up.add_argument("--folder", type=Path, default=RUN_FOLDER, help=f"where its files go (default {RUN_FOLDER})")
    up.set_defaults(run=_up)
    demo = commands.add_parser(
        "demo", help="run a trading day faster than real time, trade, and check that all adds up"
    )
    _add_market(demo)
    demo.add_argument("--days", type=int, default=1, metavar="N", help="trading days to run (default 1)")
    demo.add_argument("--folder", type=Path, default=DEMO_FOLDER, help=f"where its files go (default {DEMO_FOLDER})")
    demo.set_defaults(run=_demo)
    simulate = commands.add_parser(
        "simulate", help="run one simulated venue on its own, for any program that speaks its API"
    )
    venues = simulate.add_subparsers(dest="venue", required=True, metavar="VENUE")
    ibkr = venues.add_parser("ibkr", help="an IB Gateway: the TWS socket protocol, server version 178")
    tws.add_arguments(ibkr)
    ibkr.set_defaults(run=tws.run)


def _add_market(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bars",
        type=Path,
        metavar="FILE",
        help="replay these 1-minute bars (Parquet or CSV) instead of a synthetic market",
    )
    parser.add_argument("--seed", type=int, default=7, help="of the synthetic market (default 7)")
    parser.add_argument("--desk", type=Path, metavar="DESK.toml", help="the desk file (default deploy/desk.toml)")


def replayed_symbol(bars: Path) -> str:
    """The symbol of a file of bars, by its name: `SPY_2011-01_eth.parquet` -> SPY."""
    return parse_symbol(bars.stem.split("_", 1)[0]).canonical


def write_desk_file(source: Path, folder: Path, bars: Path | None) -> Path:
    """Copy the desk file to `folder`; with a file of bars, the desk trades that symbol alone."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "desk.toml"
    text = source.read_text()
    if bars is not None:
        symbol = replayed_symbol(bars)
        kept = [entry for entry in tomllib.loads(text).get("instruments", []) if entry.get("symbol") == symbol]
        head, *rest = text.split("[[instruments]]\n")
        tail = rest[-1].partition("\n[")[2]
        venue = kept[0]["venue"] if kept else "ibkr"
        text = f'{head}[[instruments]]\nvenue = "{venue}"\nsymbol = "{symbol}"\n\n[{tail}'
    target.write_text(text)
    load_desk(target)
    return target


def _require_bars(bars: Path | None) -> None:
    if bars is not None and not bars.is_file():
        raise ConfigurationError([f"{bars} is not there: name a Parquet or CSV file of 1-minute bars"])


def _plan(arguments: argparse.Namespace, *simulator_arguments: str) -> DeskPlan:
    _require_bars(arguments.bars)
    source = arguments.desk or deploy_folder() / "desk.toml"
    desk_file = write_desk_file(source, arguments.folder, arguments.bars)
    desk = load_desk(desk_file)
    symbols = ",".join(instrument.symbol for instrument in desk.instruments)
    accounts = ",".join(desk.venues["ibkr"].accounts)
    market = ["--symbols", symbols, "--accounts", accounts, "--seed", str(arguments.seed), *simulator_arguments]
    if arguments.bars is not None:
        market += ["--bars", str(arguments.bars)]
    return DeskPlan(directory=arguments.folder, desk_file=desk_file, simulator_arguments=tuple(market))


async def _up(arguments: argparse.Namespace) -> int:
    if (arguments.folder / "desk.json").exists():
        raise ConfigurationError(
            [
                f"{arguments.folder}/desk.json says that a desk runs from there: stop it first, or remove that file if "
                "none does."
            ]
        )
    desk = LocalDesk(_plan(arguments, "--speed", str(arguments.speed)), lambda text: print(text, flush=True))
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await desk.start()
        print(_WELCOME.format(nats=desk.nats_url, folder=arguments.folder, ibkr=desk.ibkr_port), flush=True)
        for service, port in desk.http_ports.items():
            print(f"  {service:<13} http://127.0.0.1:{port}/metrics", flush=True)
        await stop.wait()
        print("stopping", flush=True)
    finally:
        await desk.close()
    return 0


_WELCOME = """\
The desk runs. NATS: {nats} (users and passwords: {folder}/credentials). Simulated IB Gateway: port {ibkr}. Logs:
{folder}/logs.
Try, in another terminal (with .venv/bin on the PATH):
  signalbox status
  signalbox intent buy 100 SPY --follow
  signalbox intent buy 100 AAPL --limit 150      then: signalbox orders, signalbox cancel ID
  signalbox positions;  signalbox account;  signalbox scores
  signalbox watch                                 every decision and order event as it comes
  signalbox halt "lunch";  signalbox resume
  signalbox query "SELECT * FROM fills"
Ctrl-C stops it. Metrics:"""


async def _demo(arguments: argparse.Namespace) -> int:
    shutil.rmtree(arguments.folder, ignore_errors=True)
    start = [] if arguments.bars is not None else ["--start", DEMO_START]
    plan = _plan(arguments, "--speed", "1", "--days", str(arguments.days), *start)
    symbol = replayed_symbol(arguments.bars) if arguments.bars is not None else "SPY"
    return await run_demo(DemoPlan(desk=plan, symbol=symbol, days=arguments.days))
