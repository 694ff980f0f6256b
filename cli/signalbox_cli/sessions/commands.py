"""The commands for a report that anybody can reproduce: `record` a session with a venue, `replay-session` it.

Owns their words, and what is said of a play. Recording is `recorders`', how a session is played `playing`'s.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalbox.desk import Mode, load_desk
from signalbox.errors import ConfigurationError

from signalbox_cli import settings
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.output import complain, printable, show_json
from signalbox_cli.sessions.recorders import record_dydx, record_ibkr, say
from signalbox_cli.sessions.session_file import read_session
from signalbox_cli.simulated_venues import DYDX, IBKR

if TYPE_CHECKING:
    from signalbox_cli.sessions.playing import Played

VENUES = (IBKR, DYDX)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    record = add_command(
        commands, "record", "write down a session between a gateway and its venue, without names, for a report", ""
    )
    venues = record.add_subparsers(dest="venue", required=True, metavar="VENUE")
    ibkr = add_command(
        venues,
        IBKR,
        "stand between gateway-ibkr and TWS or IB Gateway, and write down what they say",
        """
        It listens on loopback and hands every byte on as it came. Start it, then start gateway-ibkr with
        SIGNALBOX_IBKR_PORT set to the port of --listen; do what the report is about; Ctrl-C ends it. An order that is
        placed meanwhile is a real one. Stop the gateway before you stop this: it loses its link with it.

        In the file accounts, order references, whatever somebody has chosen, keys, addresses and links have other
        names, the same for the same thing; sizes, prices and times are as they were. Sentences of the venue are kept:
        name in --hide what else must not be in them (names of people, say). At the end they are listed: read them
        before you send the file. docs/recorded-sessions.md says what is kept, and what it still tells of you.

        Example:
          signalbox record ibkr --port 4002 --listen 4010 --desk desk.toml session.jsonl

        Exit status: 0 the file is whole, 1 something was left out, 2 nothing was recorded.
        """,
    )
    ibkr.add_argument("--host", default="127.0.0.1", help="where TWS or IB Gateway is (default 127.0.0.1)")
    ibkr.add_argument("--port", type=_port, default=4002, help="its API port (default 4002)")
    ibkr.add_argument("--listen", type=_port, default=4010, metavar="PORT", help="where to listen (default 4010)")
    ibkr.set_defaults(run=_record_ibkr)
    dydx = add_command(
        venues,
        DYDX,
        "stand between gateway-dydx and its node and indexer, and write down what they say",
        """
        It listens on two ports of loopback, for the node's gRPC and for the indexer's REST and websocket, and hands
        everything on as it came, to the venue with TLS. Start it, then start gateway-dydx with the three addresses
        that it names; do what the report is about; Ctrl-C ends it. An order that is placed meanwhile is a real one.
        Stop the gateway before you stop this: it loses its link with it.

        In the file addresses, orders, fills, transactions and whatever somebody has chosen have other names, the same
        for the same thing; of a transaction what it orders is kept, and nothing of who signed it; sizes, prices and
        times are as they were. But the chain is public: whoever knows a fill's time, size and price can look up whose
        it was. docs/recorded-sessions.md says what is kept, and what it still tells of you.

        Example:
          signalbox record dydx --network testnet --desk desk.toml session.jsonl

        Exit status: 0 the file is whole, 1 something was left out, 2 nothing was recorded.
        """,
    )
    add = dydx.add_argument
    add("--network", choices=("testnet", "mainnet", "local"), default="testnet", help="the network (default testnet)")
    add("--node-url", default="", metavar="URL", help="the node's gRPC, host:port (default: the network's public one)")
    add("--indexer-url", default="", metavar="URL", help="the indexer's REST, https://host")
    add("--websocket-url", default="", metavar="URL", help="the indexer's websocket, wss://host/v4/ws")
    add("--listen-node", type=_port, default=4020, metavar="PORT", help="where to be a node (default 4020)")
    add("--listen-indexer", type=_port, default=4021, metavar="PORT", help="where to be an indexer (default 4021)")
    dydx.set_defaults(run=_record_dydx)
    for venue in (ibkr, dydx):
        venue.add_argument("file", type=Path, metavar="FILE", help="the new file; it must not be there yet")
        venue.add_argument(
            "--desk", type=Path, metavar="DESK.toml", help="the gateway's desk file (default SIGNALBOX_DESK_FILE)"
        )
        venue.add_argument("--hide", type=Path, metavar="FILE", help="words to hide besides, one a line")
    replay = add_command(
        commands,
        "replay-session",
        "run the real gateway against a recorded session: does it publish what it should?",
        """
        A nats-server and the gateway are started on this machine, and a venue that says what was recorded, as soon as
        the gateway has asked what was asked then: minutes pass in seconds. Orders that were placed in the session are
        placed again, on that venue alone. What the gateway publishes is printed, a line each.

        Examples:
          signalbox replay-session session.jsonl
          signalbox replay-session session.jsonl --json --folder run/session     (keeps the gateway's log)

        Exit status: 0 the gateway placed and cancelled what was recorded, 1 it did not, or in other terms (which is
        said), 2 the file can not be played: it is no session, or damaged.
        """,
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="what `signalbox record` wrote")
    replay.add_argument("--folder", type=Path, help="where logs and streams go (default: a temporary folder)")
    replay.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    replay.set_defaults(run=_replay)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: it is a number from 1 to 65535")
    return int(text)


async def _record_ibkr(arguments: argparse.Namespace) -> int:
    venue = arguments.host, arguments.port
    return await record_ibkr(arguments.file, _desk(arguments), arguments.hide, arguments.listen, venue)


async def _record_dydx(arguments: argparse.Namespace) -> int:
    from gateway_dydx.settings import Network, endpoints

    desk = _desk(arguments)
    if desk.mode is Mode.PAPER and arguments.network == Network.MAINNET.value:
        raise ConfigurationError(['--network mainnet trades real money, but the desk file says mode = "paper"'])
    where = Where(arguments)
    listen = arguments.listen_node, arguments.listen_indexer
    return await record_dydx(arguments.file, desk, arguments.hide, listen, endpoints(where))


class Where:
    """The addresses of a command line as the gateway's settings have them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from gateway_dydx.settings import Network

        self.dydx_network = Network(arguments.network)
        self.dydx_node_url: str = arguments.node_url
        self.dydx_indexer_url: str = arguments.indexer_url
        self.dydx_websocket_url: str = arguments.websocket_url
        self.dydx_chain_id = ""


def _desk(arguments: argparse.Namespace) -> Any:
    return load_desk(arguments.desk or settings.desk_file())


async def _replay(arguments: argparse.Namespace) -> int:
    from signalbox_cli.sessions.playing import play

    session = read_session(arguments.file)
    if session.header.venue not in VENUES:
        raise ConfigurationError(
            [f"{arguments.file} is a session with {session.header.venue[:40]!r}: {' and '.join(VENUES)} are played"]
        )
    if session.cut:
        complain(session.cut)
    tell = complain if arguments.json else say
    if arguments.folder is not None:
        played = await play(session, arguments.folder, tell)
    else:
        with tempfile.TemporaryDirectory(prefix="signalbox-session-") as folder:
            played = await play(session, Path(folder), tell)
    _show(played, as_json=arguments.json)
    bars = sum(each.stream == "BARS" for each in played.published)
    reports = sum(each.stream == "REPORTS" for each in played.published)
    said = [*played.differences, *(f"this gateway asked {words}, the recorded one did not" for words in played.unasked)]
    complain(*said, *([played.departed] if played.departed else []))
    if not arguments.json:
        say(f"played {len(session.lines)} lines: {reports} reports, {bars} bars; {len(said)} differences")
    return EXIT_FAILED if played.departed else 0


def _show(played: Played, *, as_json: bool) -> None:
    for each in played.published:
        message = json.loads(each.payload)
        if as_json:
            show_json({"stream": each.stream, "subject": each.subject, "message": message})
        elif each.stream in ("REPORTS", "DEAD"):
            left_out = ("type", "id", "at", "cause", "venue", "account", "received_at")
            about = {
                name: value for name, value in message.items() if name not in left_out and value not in ("", [], None)
            }
            say(printable(f"{message.get('at', '')}  {message.get('type', '')}  {json.dumps(about)}"))
