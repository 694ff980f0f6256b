"""The commands `query` and `sql`: one statement on the record, or many at a prompt; what is answered, to a file.

Owns how an answer is shown or written down. The prompt itself is `sql_prompt`.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from signalbox.client.record import query
from signalbox.errors import ConfigurationError
from signalbox.messages import QueryReply

from signalbox_cli import argument_types
from signalbox_cli.commands import add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.output import complain, csv_value, printable, show
from signalbox_cli.sql_prompt import Prompt, run_prompt

ROWS = 1000
FILE_ENDINGS = (".parquet", ".csv", ".json")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ask = add_command(
        commands,
        "query",
        "one read-only SQL statement on everything that was recorded",
        """
        The views and their columns: docs/database.md. A statement may take 10 s. Many of them: `signalbox sql`.

        A file has every digit, and a Parquet file the columns' own types: pandas, polars and DuckDB read it as it is.

        Examples:
          signalbox query "SELECT * FROM fills"
          signalbox query "SELECT reason, count(*) FROM decisions WHERE verdict = 'DENIED' GROUP BY 1" --json
          signalbox query "SELECT * FROM fills" --rows 10000 --out fills.parquet
        """,
    )
    ask.add_argument("sql", help="one SELECT in DuckDB's SQL")
    _add_rows(ask)
    form = ask.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, for programs: every digit")
    form.add_argument("--csv", action="store_true", help="comma-separated, with a line of names: every digit")
    form.add_argument(
        "--out", type=out_file, metavar="FILE", help=f"write to this file, by its name: {', '.join(FILE_ENDINGS)}"
    )
    ask.set_defaults(run=_query)
    prompt = add_command(
        commands,
        "sql",
        "SQL on everything that was recorded, statement by statement, at a prompt",
        """
        A statement ends with a semicolon and may have many lines. Tab completes views, columns and SQL's words; the
        arrows go through what was asked before (kept in $XDG_STATE_HOME/signalbox, else ~/.local/state/signalbox).
        `.help` lists what else can be said: the views, their columns, where answers go. A failed statement ends
        nothing. From a pipe or a file each statement is run, and the first that fails ends it with status 1.

        Examples:
          signalbox sql
          signalbox sql < questions.sql
        """,
    )
    _add_rows(prompt)
    prompt.set_defaults(run=_prompt)


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=argument_types.count, default=ROWS, metavar="N", help=f"at most N rows (default {ROWS})"
    )


def out_file(text: str) -> Path:
    """The file that an answer is written to; its name says how. Raises `ArgumentTypeError`."""
    path = Path(text).expanduser()
    if path.suffix not in FILE_ENDINGS:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(FILE_ENDINGS[:-1])} or .json")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{str(path.parent)!r} is no folder")
    return path


async def _query(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, _):
        reply = await query(bus, arguments.sql, arguments.rows)
    _tell(reply, arguments.rows, "json" if arguments.json else "csv" if arguments.csv else "table", arguments.out)
    return 0


async def _prompt(arguments: argparse.Namespace) -> int:
    async def ask(statement: str, rows: int) -> QueryReply:
        async with desk_bus() as (bus, _):
            return await query(bus, statement, rows)

    return await run_prompt(Prompt(ask, _tell, out_file, arguments.rows))


def _tell(reply: QueryReply, rows: int, mode: str, file: Path | None) -> None:
    """Show or write down what a statement at the prompt was answered."""
    if file is None:
        show_reply(reply, rows, as_json=mode == "json", as_csv=mode == "csv", empty="no rows")
    else:
        write_reply(reply, file)
        complain(f"{len(reply.rows)} rows written to {file}")
        tell_if_cut(reply, rows)


def show_reply(reply: QueryReply, row_limit: int, *, as_json: bool, as_csv: bool, empty: str) -> None:
    """Print an answer, and say so if it is not all."""
    show(reply.columns, reply.rows, as_json=as_json, as_csv=as_csv, empty=empty)
    tell_if_cut(reply, row_limit)


def tell_if_cut(reply: QueryReply, row_limit: int) -> None:
    """Say that an answer is not all, and what helps: more rows help only if their number was the bound."""
    if not reply.truncated:
        return
    more = "or ask for more with --rows" if len(reply.rows) >= row_limit else "or select fewer columns: it is full"
    complain(f"only the first {len(reply.rows)} rows are shown: narrow the question, {more}")


def write_reply(reply: QueryReply, path: Path) -> None:
    """Write an answer to a file of the form that its name says. Raises `ConfigurationError`: it can not be written."""
    try:
        if path.suffix == ".parquet":
            _write_parquet(reply, path)
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                lines = csv.writer(file, lineterminator="\n")
                lines.writerow(reply.columns)
                lines.writerows([[csv_value(value) for value in row] for row in reply.rows])
        else:
            names = _once_each(reply.columns)
            with path.open("w", encoding="utf-8") as file:
                for row in reply.rows:
                    file.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")
    except OSError as error:
        raise ConfigurationError([f"{path} can not be written: {error.strerror or error}"]) from None


def _write_parquet(reply: QueryReply, path: Path) -> None:
    """With the columns' own types, which DuckDB reads from what JSON has of them."""
    import duckdb

    if len(reply.types) != len(reply.columns):
        raise ConfigurationError(["the recorder is older than this command, and does not say its columns' types"])
    names = [f"c{number}" for number in range(len(reply.columns))]
    kinds = {name: kind.replace('"NULL"', "INTEGER") for name, kind in zip(names, reply.types, strict=True)}
    shown = ", ".join(
        f'{name} AS "{column.replace(chr(34), chr(34) * 2)}"'
        for name, column in zip(names, _once_each(reply.columns), strict=True)
    )
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        lines = Path(folder) / "rows.json"
        with lines.open("w", encoding="utf-8") as file:
            for row in reply.rows:
                file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
        connection.execute("SET TimeZone = 'UTC'")
        columns = (
            "{" + ", ".join(f"{name}: '{kind.replace(chr(39), chr(39) * 2)}'" for name, kind in kinds.items()) + "}"
        )
        source = f"read_json(?, format = 'newline_delimited', columns = {columns})"
        try:
            connection.execute(f"CREATE TABLE answer AS SELECT {shown} FROM {source}", [str(lines)])
            connection.table("answer").write_parquet(str(path))
        except duckdb.IOException as error:
            raise ConfigurationError([f"{path} can not be written: {printable(str(error))}"]) from None


def _once_each(columns: tuple[str, ...]) -> list[str]:
    """The names, each once whatever its case: a table has no two of one name."""
    taken: set[str] = set()
    names = []
    for column in columns:
        name, number = column or "column", 1
        while name.lower() in taken:
            name, number = f"{column}_{number}", number + 1
        taken.add(name.lower())
        names.append(name)
    return names
