"""Writes docs/commands.md from the command line itself: `python -m signalbox_cli.reference > docs/commands.md`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from signalbox_cli.__main__ import build_parser
from signalbox_cli.commands import EXIT_STATUSES

HEAD = """\
# Commands

<!-- Written by `python -m signalbox_cli.reference`; a test fails when this is not what it writes. -->

`signalbox COMMAND --help` has the options, their units and defaults, and examples. `--json` prints one JSON
object a line.

| command | what it does |
|---|---|
"""
FOOT = """
| exit status | meaning |
|---|---|
"""


def render(parser: argparse.ArgumentParser) -> str:
    """The whole page."""
    commands = "".join(f"| `{words}` | {about} |\n" for words, about in _commands(parser))
    statuses = "".join(f"| {status} | {meaning} |\n" for status, meaning in EXIT_STATUSES.items())
    return HEAD + commands + FOOT + statuses


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in nested:
        for command in action.choices.values():
            yield from _commands(command)
    if not nested:
        yield " ".join([parser.prog, *_words(parser)]).replace("|", "\\|"), parser.description or ""


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.option_strings:
            continue
        word = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
        yield f"[{word}]" if action.nargs in ("?", "*") else str(word)


if __name__ == "__main__":
    print(render(build_parser()), end="")
