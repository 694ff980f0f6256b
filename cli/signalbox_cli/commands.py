"""How a command is declared: its help in one place, examples kept as they are written."""

from __future__ import annotations

import argparse
from textwrap import dedent
from typing import NoReturn

EXIT_FAILED, EXIT_USAGE, EXIT_DENIED, EXIT_NO_ANSWER, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

EXIT_STATUSES = {
    0: "it was done; of `intent` and `cancel`: approved; of `status`: every service is ready; of `demo`: all adds up",
    EXIT_FAILED: "it failed: the desk does not answer, a query was refused, a service is not ready, a line is wrong",
    EXIT_USAGE: "the command line, a file that it names, or the settings are wrong: nothing was done",
    EXIT_DENIED: "of `intent` and `cancel`: denied, with the reason",
    EXIT_NO_ANSWER: "of `intent` and `cancel`: stored, but not decided within 10 s; it may be yet",
    EXIT_INTERRUPTED: "ended by Ctrl-C",
}
"""What a program may rely on."""


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line, not below a screen of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str, more: str
) -> argparse.ArgumentParser:
    """Add a command; `about` is its line in the list, `more` follows its options as it is (examples, exit status)."""
    return commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ("" if about.endswith("?") else "."),
        epilog=dedent(more).strip("\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
