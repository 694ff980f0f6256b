"""The commands `signalbox grafana push` and `signalbox grafana annotate`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.messages import Decision, OrderEvents, TradingState, VenueLink
from signalbox.settings import read_secret_file

from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.grafana.annotations import Annotation, Links, of_decision, of_order, of_trading_state
from signalbox_cli.local_desk import deploy_folder
from signalbox_cli.output import complain

if TYPE_CHECKING:
    from signalbox_cli.grafana.feed import Feed
    from signalbox_cli.grafana.server import Grafana

LINK_CHECK_SECONDS = 1.0
LAST_WORDS_SECONDS_MAX = 5.0
"""How long the end waits for what has not been written yet."""

TOKEN = """
        The token is that of a service account there (Administration, Service accounts), in a file of mode 600.
        The account needs the role Editor; to push the data source too, Admin. Exit status 1 when Grafana refuses.
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    grafana = add_command(commands, "grafana", "the dashboards and annotations of a Grafana of your own", "")
    actions = grafana.add_subparsers(dest="action", required=True, metavar="ACTION")
    push = add_command(
        actions,
        "push",
        "bring folder, data source and dashboards of a Grafana to those of this checkout",
        f"""
        What differs is written, by fixed uids; a second push changes nothing. What somebody changed by hand in one of
        these dashboards is overwritten: copy a dashboard to change it. (A Grafana of the same machine rather reads
        deploy/grafana/provisioning.)
        {TOKEN}
        Examples:
          signalbox grafana push --url http://127.0.0.1:3000 --token-file grafana-token
          signalbox grafana push --url https://grafana.example --token-file grafana-token \\
              --datasource-url http://prometheus:9090 --annotate
        """,
    )
    _add_server(push)
    push.add_argument("--folder", default="Signalbox", metavar="TITLE", help="the folder's title (default Signalbox)")
    push.add_argument(
        "--datasource-url",
        default="",
        metavar="URL",
        help="Prometheus, as that Grafana reaches it; without it no data source is pushed: choose one in a dashboard",
    )
    push.add_argument(
        "--runbooks-url", default="", metavar="URL", help="where docs/runbooks is to be read: links go there"
    )
    push.add_argument("--annotate", action="store_true", help="then go on as `signalbox grafana annotate`")
    push.set_defaults(run=_push)
    annotate = add_command(
        actions,
        "annotate",
        "write fills, halts, limits that deny and lost links to a Grafana as annotations, live, until Ctrl-C",
        f"""
        Reads the desk with the user's credentials, and never holds it up: while Grafana is away up to 1000 annotations
        wait, then the oldest are dropped. What happened before the start is not written.
        {TOKEN}
        Example:
          signalbox grafana annotate --url http://127.0.0.1:3000 --token-file grafana-token
        """,
    )
    _add_server(annotate)
    annotate.set_defaults(run=_annotate)


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="the Grafana: http://127.0.0.1:3000")
    parser.add_argument(
        "--token-file", required=True, type=Path, metavar="FILE", help="its token, in a file of mode 600"
    )


def _say(text: str) -> None:
    print(text, flush=True)


def _server(arguments: argparse.Namespace) -> Grafana:
    from signalbox_cli.grafana.server import Grafana

    return Grafana(arguments.url, read_secret_file(arguments.token_file))


def _push(arguments: argparse.Namespace) -> int | Coroutine[Any, Any, int]:
    from signalbox_cli.grafana.push import push, read_dashboards

    server = _server(arguments)
    dashboards = read_dashboards(deploy_folder() / "grafana" / "dashboards", arguments.runbooks_url)
    changes = push(server, dashboards, arguments.folder, arguments.datasource_url, _say)
    _say(f"{changes} changed" if changes else "nothing to change")
    return _annotate(arguments) if arguments.annotate else 0


async def _annotate(arguments: argparse.Namespace) -> int:
    from signalbox_cli.grafana.feed import Feed

    feed = Feed(_server(arguments), _say)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with desk_bus() as (bus, _):
        links = Links()
        await listen(bus, feed, links)
        _say(f"annotating at {arguments.url}; Ctrl-C ends it")
        await _until(stop, feed, links)
    tally = feed.tally
    _say(f"annotations: {tally.written} written, {tally.refused} refused, {tally.dropped} dropped")
    return 0


async def listen(bus: Bus, feed: Feed, links: Links) -> None:
    """Have what is heard from now on annotated. What can not be read is told and left: the services park it."""

    async def annotate(subject: str, kind: Any, tell: Callable[[Any, datetime], Annotation | None]) -> None:
        async def received(message: Received) -> None:
            try:
                said = messages.decode(message.payload, kind)
                if name := subjects.operator_of(message.subject):
                    said = msgspec.structs.replace(said, by=name)
                annotation = tell(said, datetime.now(UTC))
            except msgspec.DecodeError as error:
                complain(f"a message on {message.subject} can not be read: {error}")
                return
            if annotation is not None:
                feed.add(annotation)

        await bus.subscribe(subject, received)

    await annotate(subjects.ALL_ORDERS, OrderEvents, of_order)
    await annotate(subjects.ALL_DENIALS, Decision, of_decision)
    await annotate(subjects.ALL_LINKS, VenueLink, links.of_link)
    await annotate(subjects.ALL_TRADING_STATES, TradingState, of_trading_state)


async def _until(stop: asyncio.Event, feed: Feed, links: Links) -> None:
    """Run the feed until told to stop; raises what no retry mends."""

    async def watch_links() -> None:
        while True:
            await asyncio.sleep(LINK_CHECK_SECONDS)
            for annotation in links.overdue(datetime.now(UTC)):
                feed.add(annotation)

    told = asyncio.create_task(stop.wait())
    work = [asyncio.create_task(feed.run()), asyncio.create_task(watch_links())]
    try:
        done, _ = await asyncio.wait([told, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {told}:
            task.result()
        last_words = asyncio.create_task(feed.until_idle())
        await asyncio.wait([last_words, work[0]], timeout=LAST_WORDS_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        last_words.cancel()
    finally:
        for task in (told, *work):
            task.cancel()
        await asyncio.gather(told, *work, return_exceptions=True)
