"""Writes listed.py beside it from the commands themselves: `python -m signalbox_cli.listing`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from textwrap import wrap

from signalbox_cli.__main__ import COMMANDS_NAMED, build_parser

LINE_CHARACTERS_MAX = 120
HEAD = '''"""What each command is for, as `signalbox help` lists it without importing any of them.

Written by `python -m signalbox_cli.listing`; a test fails when this is not what it writes.
"""

ABOUT = {
'''


def render() -> str:
    """The whole module."""
    [commands] = [each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction)]
    about = {each.dest: each.help or "" for each in commands._choices_actions}
    return HEAD + "".join(_line(name, about[name]) for name in COMMANDS_NAMED) + "}\n"


def _line(name: str, about: str) -> str:
    line = f"    {json.dumps(name)}: {json.dumps(about)},\n"
    if len(line) <= LINE_CHARACTERS_MAX:
        return line
    parts = wrap(about, LINE_CHARACTERS_MAX - 12)
    told = [json.dumps(part + " " * (part is not parts[-1])) for part in parts]
    return f"    {json.dumps(name)}: (\n" + "".join(f"        {each}\n" for each in told) + "    ),\n"


if __name__ == "__main__":
    Path(__file__).with_name("listed.py").write_text(render())
