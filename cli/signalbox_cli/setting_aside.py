"""The commands for messages that a service could not take: dead list, dead show, skip."""

from __future__ import annotations

import argparse
import base64
import json
import secrets
from datetime import UTC, datetime

from signalbox import messages, subjects
from signalbox.client.record import query, sql_text
from signalbox.messages import SetAside
from signalbox.services import SERVICES
from signalbox.streams import STREAMS

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import complain, printable, show, show_json

LETTERS = """
SELECT stored_at, service, stream, stream_sequence AS sequence, subject, error, payload_bytes AS bytes
FROM dead_letters {where} ORDER BY stored_at DESC LIMIT {last}
"""
LETTER = """
SELECT stored_at, service, stream, stream_sequence AS sequence, subject, error, payload_bytes AS bytes, payload_base64
FROM dead_letters WHERE lower(stream) = lower({stream}) AND stream_sequence = {sequence} ORDER BY stored_at
"""
NAMES = tuple(stream.name for stream in STREAMS)
SHOWN_BYTES_MAX = 4096


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    dead = add_command(
        commands,
        "dead",
        "the messages that a service could not take and has parked, with the reason",
        """
        Examples:
          signalbox dead list
          signalbox dead list --service risk --last 5
          signalbox dead show TRADE 1234
        """,
    )
    whats = dead.add_subparsers(dest="what", required=True, metavar="WHAT")
    listing = whats.add_parser("list", help="the latest ones")
    listing.add_argument("--service", choices=SERVICES, default="", help="only what this one has parked")
    listing.add_argument("--last", type=argument_types.count, default=20, metavar="N", help="how many (default 20)")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    listing.set_defaults(run=_list)
    showing = whats.add_parser("show", help="all that is known of one message")
    showing.add_argument("stream", type=str.upper, help="the stream that it stands in; LIVE: in none")
    showing.add_argument("sequence", type=int, help="where it stands there")
    showing.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    showing.set_defaults(run=_show)
    skip = add_command(
        commands,
        "skip",
        "have a service go on without one message that holds it up",
        """
        For the day when a service says that a message holds it (`signalbox status`): it names the stream and the
        sequence. The message stays where it is, is parked in DEAD, and is left out by that service for ever, also when
        it folds the stream anew and can not take it then either. What was in it is then not known to that service: read
        it first (docs/runbooks/service-not-ready.md says what is lost in each stream). It can not be taken back. What
        can be taken is never left out, nor is what is stored after this was said.

        Example:
          signalbox skip TRADE 1234 --service oms --by anna --reason "unreadable since the update, see ticket 17"
        """,
    )
    skip.add_argument("stream", type=str.upper, choices=NAMES, metavar="STREAM", help=", ".join(NAMES))
    skip.add_argument("sequence", type=argument_types.count, metavar="SEQUENCE", help="where it stands there")
    skip.add_argument("--service", required=True, choices=SERVICES, help="who is to go on without it")
    skip.add_argument("--reason", required=True, type=_reason, help="why, for the record")
    skip.add_argument("--by", default="operator", help="who, for the record (default operator)")
    skip.add_argument("--json", action="store_true", help="print the message itself, for programs")
    skip.set_defaults(run=_skip)


def _reason(text: str) -> str:
    if not text.strip() or len(text) > 500:
        raise argparse.ArgumentTypeError("say why, in up to 500 characters")
    return text


async def _list(arguments: argparse.Namespace) -> int:
    where = f"WHERE service = {sql_text(arguments.service)}" if arguments.service else ""
    async with desk_bus() as (bus, _):
        reply = await query(bus, LETTERS.format(where=where, last=arguments.last))
    show(reply.columns, reply.rows, as_json=arguments.json, empty="no message was parked")
    return 0


async def _show(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        reply = await query(bus, LETTER.format(stream=sql_text(arguments.stream), sequence=arguments.sequence))
    if not reply.rows:
        complain(f"no service has parked {arguments.stream} {arguments.sequence}: `signalbox dead list` lists them")
        return EXIT_FAILED
    for row in reply.rows:
        facts = dict(zip(reply.columns, row, strict=True))
        payload = base64.b64decode(facts.pop("payload_base64") or "")[:SHOWN_BYTES_MAX]
        if arguments.json:
            show_json({**facts, "payload": payload.decode("utf-8", "backslashreplace")})
            continue
        for name, value in facts.items():
            print(f"{name:<10} {printable(str(value))}")
        print(f"{'payload':<10} {printable(payload.decode('utf-8', 'backslashreplace'))}")
    return 0


async def _skip(arguments: argparse.Namespace) -> int:
    aside = SetAside(
        id=f"skip/{arguments.service}/{arguments.stream}/{arguments.sequence}/{secrets.token_hex(4)}",
        at=datetime.now(UTC),
        service=arguments.service,
        stream=arguments.stream,
        sequence=arguments.sequence,
        by=arguments.by,
        reason=arguments.reason,
    )
    async with desk_bus(operator=True) as (bus, _):
        await bus.publish(subjects.set_aside(aside.service, aside.stream, aside.sequence), aside)
    if arguments.json:
        show_json(json.loads(messages.encode(aside)))
    else:
        print(f"{aside.service} goes on without {aside.stream} {aside.sequence}, within seconds if it is held there")
    return 0
