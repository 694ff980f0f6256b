"""The prompt of `signalbox sql`: statements and what is said to the prompt itself, a line at a time.

Owns when a statement is whole, what Tab completes, and what is remembered of it. It must not know how an answer is
shown (`querying`). Each statement is asked over a connection of its own: a prompt may stand for hours.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from signalbox.client.record import sql_text
from signalbox.errors import SignalboxError
from signalbox.messages import QueryReply

from signalbox_cli.output import complain, show
from signalbox_cli.settings import state_folder

FIRST, GOING_ON = "sql> ", "...> "
HISTORY_LINES_MAX = 1000
_KEYWORDS = """
SELECT FROM WHERE GROUP BY ORDER HAVING LIMIT JOIN LEFT USING ON AS AND OR NOT IN IS NULL BETWEEN LIKE CASE WHEN THEN
ELSE END DISTINCT UNION ALL WITH DESC ASC QUALIFY OVER PARTITION count sum avg min max round coalesce date_trunc
INTERVAL TIMESTAMPTZ
"""
HELP = """\
A statement ends with ; and may have many lines. To the prompt itself:
  .views            what can be asked about
  .columns VIEW     the columns of a view and their types
  .mode MODE        how answers are shown: table, json or csv
  .out FILE         write the next answer to FILE (.parquet, .csv or .json, every digit)
  .rows N           at most N rows of an answer
  .quit             end, as Ctrl-D does
Ctrl-C forgets what has been typed of a statement."""
VIEWS = """
SELECT table_name AS "view", count(*) AS columns FROM information_schema.columns
WHERE table_schema = 'main' GROUP BY 1 ORDER BY 1
"""
COLUMNS = """
SELECT column_name AS "column", data_type AS "type" FROM information_schema.columns
WHERE table_schema = 'main' AND lower(table_name) = lower({view}) ORDER BY ordinal_position
"""
NAMES = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'main'"
_TOKEN = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | /\*.*?\*/  # texts, names, comments
    | ['"] | \$\$ | /\*  # the beginning of one that has no end
    | ; | [^'";$/-]+ | .
    """,
    re.VERBOSE | re.DOTALL,
)

Ask = Callable[[str, int], Awaitable[QueryReply]]
"""One statement and how many rows at most. Raises `SignalboxError`."""
Tell = Callable[[QueryReply, int, str, Path | None], None]
"""Show an answer, or write it to a file: the answer, how many rows were asked for, the mode, the file."""


def statements(text: str) -> tuple[list[str], str]:
    """The statements of a text that have come to their semicolon, and the rest: what is not whole yet.

    A semicolon in a string, a quoted name or a comment ends nothing; where one of those has no end, nothing does.
    """
    whole: list[str] = []
    begun = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            statement = text[begun : token.start()].strip()
            begun = token.end()
            if _says_something(statement):
                whole.append(statement)
        elif token[0] in ("'", '"', "$$", "/*"):
            break
    rest = text[begun:].strip()
    return whole, rest if _says_something(rest) else ""


def _says_something(text: str) -> bool:
    """Whether there is more in it than comments."""
    return any(not token[0].isspace() and not token[0].startswith(("--", "/*")) for token in _TOKEN.finditer(text))


@dataclass
class Prompt:
    """What has been typed and said so far; no terminal is needed for it."""

    ask: Ask
    tell: Tell
    out_file: Callable[[str], Path]
    rows: int
    mode: str = "table"
    file: Path | None = None
    typed: str = ""
    ended: bool = False

    async def take(self, line: str) -> None:
        """Take a line, and run the statements that it completes. Raises `SignalboxError`; the next line may come."""
        if not self.typed and line.strip().startswith("."):
            await self._told(line.strip())
            return
        whole, self.typed = statements(f"{self.typed}\n{line}" if self.typed else line)
        for statement in whole:
            await self.run(statement)

    async def run(self, statement: str) -> None:
        reply = await self.ask(statement, self.rows)
        file, self.file = self.file, None
        self.tell(reply, self.rows, self.mode, file)

    async def _told(self, line: str) -> None:
        """What is said to the prompt itself."""
        try:
            word, *rest = shlex.split(line)
        except ValueError as error:
            complain(f"{line}: {error}")
            return
        match word, rest:
            case ".help", []:
                print(HELP)
            case ".quit", []:
                self.ended = True
            case ".views", []:
                self._list(await self.ask(VIEWS, self.rows), "no views")
            case ".columns", [view]:
                reply = await self.ask(COLUMNS.format(view=sql_text(view)), self.rows)
                self._list(reply, f"there is no view {view}: .views lists them")
            case ".mode", ["table" | "json" | "csv" as mode]:
                self.mode = mode
            case ".rows", [number] if number.isascii() and number.isdecimal() and int(number) > 0:
                self.rows = int(number)
            case ".out", [name]:
                try:
                    self.file = self.out_file(name)
                except Exception as error:  # argparse's own, with a sentence
                    complain(str(error))
            case _:
                complain(f"{line} is nothing that the prompt knows: .help lists what it does")

    def _list(self, reply: QueryReply, empty: str) -> None:
        show(reply.columns, reply.rows, as_json=False, empty=empty)


async def run_prompt(prompt: Prompt) -> int:
    """Talk with whoever sits at the terminal until there is an end; or run what comes from a pipe or a file."""
    if not sys.stdin.isatty():
        whole, rest = statements(sys.stdin.read())
        for statement in [*whole, *([rest] if rest else [])]:
            await prompt.run(statement)
        return 0
    print("SQL on the desk's record. A statement ends with ; and .help says what else there is.")
    with contextlib.ExitStack() as stack:
        names: tuple[str, ...] = ()
        with contextlib.suppress(SignalboxError):
            reply = await prompt.ask(NAMES, 10_000)
            names = tuple(sorted({str(name) for row in reply.rows for name in row}))
        remember = _readline(stack, (*names, *_KEYWORDS.split()))
        while not prompt.ended:
            try:
                line = _line(GOING_ON if prompt.typed else FIRST)
            except EOFError:
                print()
                break
            except KeyboardInterrupt:
                prompt.typed = ""
                print()
                continue
            if line.strip():
                remember(line)
            try:
                await prompt.take(line)
            except SignalboxError as error:
                complain(str(error))
    return 0


def _line(prompt: str) -> str:
    """A line of the terminal. Ctrl-C ends it here and now: the event loop, which has nothing else to do, waits."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(prompt)
    finally:
        signal.signal(signal.SIGINT, before)


def completions(words: Iterable[str], begun: str) -> list[str]:
    """The words that begin so, whatever their case."""
    return sorted({word for word in words if word.lower().startswith(begun.lower())}, key=str.lower)


def _readline(stack: contextlib.ExitStack, words: tuple[str, ...]) -> Callable[[str], None]:
    """Give the terminal its completion and its memory, where Python has them; what adds a line to the memory."""
    try:
        import readline
    except ImportError:  # a Python that was built without it: typing works all the same
        return lambda _: None

    def complete(begun: str, number: int) -> str | None:
        found = completions(words, begun)
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,;()=<>+-*/'\".")
    readline.parse_and_bind("tab: complete")
    readline.set_auto_history(False)
    readline.set_history_length(HISTORY_LINES_MAX)
    file = state_folder() / "sql_history"
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        readline.read_history_file(file)

    def keep() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(file)

    stack.callback(keep)
    return readline.add_history
