"""The command line: `signalbox --help` lists what there is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Coroutine, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.last_resort import LastResort

from signalbox_cli.commands import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandParser
from signalbox_cli.listed import ABOUT
from signalbox_cli.output import complain
from signalbox_cli.settings import at_folder, check_names, speaking_as

CLEAN_UP_SECONDS_MAX = 2.0

COMMANDS = {
    "running": ("up", "demo"),
    "simulating": ("simulate",),
    "bootstrapping": ("bootstrap",),
    "installing": ("secrets", "preflight", "check"),
    "people.commands": ("people",),
    "trading": ("intent", "cancel", "halt", "resume"),
    "bracket": ("bracket",),
    "modifying": ("modify",),
    "positioning": ("target", "position"),
    "flattening": ("flatten",),
    "looking": ("orders", "positions", "account", "scores", "status"),
    "querying": ("query", "sql"),
    "whatif": ("whatif",),
    "watching": ("watch",),
    "day": ("today", "pnl", "fills"),
    "story": ("order",),
    "setting_aside": ("dead", "skip"),
    "books": ("books",),
    "limits": ("limits",),
    "doctor.commands": ("doctor",),
    "offline": ("audit",),
    "why": ("why",),
    "replaying": ("replay", "explain"),
    "chain": ("chain",),
    "sessions.commands": ("record", "replay-session"),
    "cluster_credentials": ("cluster-credentials",),
    "backing_up": ("backup", "restore"),
    "dydx_keys": ("dydx-key",),
    "dydx_leverage": ("dydx-leverage",),
    "grafana.commands": ("grafana",),
    "completing": ("completion",),
}
"""The commands of each module. Only the module of a command that is named is imported: `status` needs no simulator."""
COMMANDS_NAMED = tuple(name for names in COMMANDS.values() for name in names)


def build_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of what `words` begin with; where that is no command, of the list of them alone; None = of them all.

    To import every module takes a second: who asks what there is waits for none of them.
    """
    parser: argparse.ArgumentParser = CommandParser(
        prog="signalbox",
        description="A trading desk of small services on one NATS bus. Every command has --help.",
        epilog="A running desk is found by run/desk/desk.json (see `signalbox up`), or by SIGNALBOX_NATS_URL, "
        "SIGNALBOX_NATS_USER and SIGNALBOX_NATS_PASSWORD_FILE.",
    )
    parser.add_argument(
        "--as", dest="name", metavar="NAME", help="speak as this person (default SIGNALBOX_NATS_USER, user or operator)"
    )
    parser.add_argument(
        "--folder", dest="desk_folder", metavar="FOLDER", help="the desk that `signalbox up --folder` runs from there"
    )
    parser.add_argument("--version", action="store_true", help="say which version this is")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    named = set(COMMANDS_NAMED if words is None else _command(words))
    modules = [module for module, names in COMMANDS.items() if named & set(names)]
    for module in modules:
        import_module(f"signalbox_cli.{module}").add_commands(commands)
    if not modules:
        for name in COMMANDS_NAMED:
            commands.add_parser(name, help=ABOUT.get(name, ""))
    return parser


def _command(words: Sequence[str]) -> Sequence[str]:
    """The word that is to be a command; none, where there are options alone."""
    while words[:1] and words[0] in ("--as", "--folder"):
        words = words[2:]
    return words[:1]


def _version() -> str:
    from importlib import metadata  # as slow as all the rest of `signalbox help`

    try:
        return f"signalbox {metadata.version('signalbox-cli')}"
    except metadata.PackageNotFoundError:
        return "signalbox, run from a folder that is not installed: `git describe` there says which"


def _help(words: list[str]) -> list[str]:
    """What `signalbox help` and `signalbox help COMMAND` mean."""
    return [*words[1:2], "--help"] if words[:1] == ["help"] else words


def _no_command(words: Sequence[str]) -> str:
    """What to say of a word that is no command; "" = it is one, or there is none."""
    for word in _command(words):
        if not word.startswith("-") and word not in COMMANDS_NAMED:
            meant = get_close_matches(word, COMMANDS_NAMED, 3, 0.6)
            told = f"did you mean {' or '.join(meant)}? " if meant else ""
            return f"there is no command {word[:60]!a}: {told}`signalbox help` lists them"
    return ""


def main() -> None:
    """The command as a process of its own."""
    # A library that still looks a name up when all is said must not keep anybody waiting
    carry_out(sys.argv[1:], LastResort(tell=lambda seconds, status: None))


def carry_out(words: list[str], last_resort: LastResort | None = None) -> NoReturn:
    """Do what `words` say, and raise `SystemExit`; `last_resort` ends a process that does not end by itself then."""
    if strange := [word for word in words if not _is_text(word)]:
        complain(f"{strange[0]!a} is no text in UTF-8, which is all that a desk can be told")
        sys.exit(EXIT_USAGE)
    if not words:
        build_parser(words).print_help()
        sys.exit(EXIT_USAGE)
    if words == ["--version"]:
        print(_version())
        sys.exit(0)
    words = _help(words)
    if mistake := _no_command(words):
        complain(mistake)
        sys.exit(EXIT_USAGE)
    arguments = build_parser(words).parse_args(words)
    with at_folder(arguments.desk_folder), speaking_as(arguments.name):
        status = _status(arguments, last_resort)
    sys.exit(status)


def _is_text(word: str) -> bool:
    """Whether an argument can be sent: bytes that are no UTF-8 are surrogates here."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _status(arguments: argparse.Namespace, last_resort: LastResort | None) -> int:
    """Run a command; its exit status."""
    import asyncio  # half of the time that a command takes to say what it is
    import inspect

    try:
        check_names(but_for_the_doctor=arguments.command == "doctor")
        result = arguments.run(arguments)
        status: int = asyncio.run(_said(result, last_resort)) if inspect.iscoroutine(result) else result
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone: say no more
        status = 0
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except Exception as error:
        status = _complaint(error)
    return status


async def _said(result: Coroutine[Any, Any, int], last_resort: LastResort | None) -> int:
    """The exit status of a command, which has said everything when this returns."""
    import asyncio

    try:
        status = await result
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except asyncio.CancelledError:
        if last_resort is not None:
            last_resort.within(CLEAN_UP_SECONDS_MAX, EXIT_INTERRUPTED)
        raise
    except Exception as error:
        status = _complaint(error)
    if last_resort is not None:
        last_resort.within(CLEAN_UP_SECONDS_MAX, status)
    return status


def _complaint(error: Exception) -> int:
    """Say what went wrong; the exit status. What is no mistake of anybody's but ours is raised."""
    if isinstance(error, ConfigurationError):
        complain(*error.mistakes)
        return EXIT_USAGE
    if isinstance(error, OSError) and error.strerror:  # a file, a disk, a socket: no fault of ours either
        complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
        return EXIT_FAILED
    if isinstance(error, SignalboxError | ValueError):
        complain(str(error))
        return EXIT_FAILED
    raise error


if __name__ == "__main__":
    main()
