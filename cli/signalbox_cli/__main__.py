"""The command line: `signalbox --help` lists what there is."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import sys
from collections.abc import Coroutine
from typing import Any

from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.last_resort import LastResort

from signalbox_cli import backing_up, cluster_credentials, installing, looking, offline, running, setting_aside, trading
from signalbox_cli.commands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandParser
from signalbox_cli.connection import QueryFailedError
from signalbox_cli.doctor import commands as doctor
from signalbox_cli.grafana import commands as grafana
from signalbox_cli.output import complain
from signalbox_cli.people import commands as people
from signalbox_cli.settings import check_names, speak_as

CLEAN_UP_SECONDS_MAX = 2.0


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
    setting_aside.add_commands(commands)
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
    # A library that still looks a name up when all is said must not keep anybody waiting
    last_resort = LastResort(tell=lambda seconds, status: None)
    try:
        check_names(but_for_the_doctor=arguments.command == "doctor")
        result = arguments.run(arguments)
        status = asyncio.run(_said(result, last_resort)) if inspect.iscoroutine(result) else result
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone: say no more
        status = 0
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except Exception as error:
        status = _complaint(error)
    sys.exit(status)


async def _said(result: Coroutine[Any, Any, int], last_resort: LastResort) -> int:
    """The exit status of a command, which has said everything when this returns."""
    try:
        status = await result
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except asyncio.CancelledError:
        last_resort.within(CLEAN_UP_SECONDS_MAX, EXIT_INTERRUPTED)
        raise
    except Exception as error:
        status = _complaint(error)
    last_resort.within(CLEAN_UP_SECONDS_MAX, status)
    return status


def _complaint(error: Exception) -> int:
    """Say what went wrong; the exit status. What is no mistake of anybody's but ours is raised."""
    if isinstance(error, ConfigurationError):
        complain(*error.mistakes)
        return EXIT_USAGE
    if isinstance(error, SignalboxError | QueryFailedError | ValueError):
        complain(str(error))
        return EXIT_FAILED
    raise error


if __name__ == "__main__":
    main()
