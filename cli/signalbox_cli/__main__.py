"""The command line: `signalbox --help` lists what there is."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import sys

from signalbox.errors import ConfigurationError, SignalboxError

from signalbox_cli import backing_up, cluster_credentials, installing, looking, offline, running, trading
from signalbox_cli.commands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandParser
from signalbox_cli.connection import QueryFailedError
from signalbox_cli.doctor import commands as doctor
from signalbox_cli.grafana import commands as grafana
from signalbox_cli.output import complain
from signalbox_cli.people import commands as people
from signalbox_cli.settings import speak_as


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = CommandParser(
        prog="signalbox",
        description="A trading desk of small services on one NATS bus. Every command has --help.",
        epilog="A running desk is found by run/desk/desk.json (see `signalbox up`), or by SIGNALBOX_NATS_URL, "
        "SIGNALBOX_NATS_USER and SIGNALBOX_NATS_PASSWORD_FILE.",
    )
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="speak as this person (default SIGNALBOX_NATS_USER, user or operator)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    running.add_commands(commands)
    installing.add_commands(commands)
    people.add_commands(commands)
    trading.add_commands(commands)
    looking.add_commands(commands)
    doctor.add_commands(commands)
    offline.add_audit(commands)
    cluster_credentials.add_commands(commands)
    backing_up.add_commands(commands)
    grafana.add_commands(commands)
    return parser


def main(words: list[str] | None = None) -> None:
    arguments = build_parser().parse_args(words)
    if arguments.name:
        speak_as(arguments.name)
    try:
        result = arguments.run(arguments)
        status = asyncio.run(result) if inspect.iscoroutine(result) else result
        sys.stdout.flush()
    except ConfigurationError as error:
        complain(*error.mistakes)
        status = EXIT_USAGE
    except (SignalboxError, QueryFailedError, ValueError) as error:
        complain(str(error))
        status = EXIT_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone: say no more
        status = 0
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
