"""The commands that decide again: `replay decisions` over a whole record, `explain` one decision.

Owns where a record is read from: TRADE of a desk that runs, or a recorder's database file. What a difference is, and
how a decision is made again, risk says (`risk.replaying`, `risk.decide`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from signalbox import messages
from signalbox.client.record import query, sql_text
from signalbox.desk import load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import Decision, IntentApproved, LimitsSet

from signalbox_cli import argument_types
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.connection import desk_bus
from signalbox_cli.limit_versions import versions
from signalbox_cli.limits_then import LimitsThen, rules_with_limits
from signalbox_cli.output import complain, printable, show, show_json

if TYPE_CHECKING:
    from risk.replaying import Difference, Replay, Tally
    from risk.rules import Rules

Stored = tuple[int, str, bytes]
"""A message of TRADE: its sequence, subject and payload."""

_RECORD = """
SELECT sequence, subject, coalesce(payload_bytes, encode(payload)), payload_size FROM recorded
WHERE stream = 'TRADE' AND generation = (SELECT max(generation) FROM recorded WHERE stream = 'TRADE') ORDER BY sequence
"""
DECISIONS = """
SELECT sequence, payload FROM decisions JOIN messages USING (generation, sequence)
WHERE messages.stream = 'TRADE' AND (intent_id = {name} OR decision_id = {name}) ORDER BY sequence
"""
_SAID = """
SELECT "at", status, reason FROM order_events
WHERE order_id = {name} AND reason IS NOT NULL ORDER BY generation, sequence
"""
"""What has been said of the order since: by the venue, and by the desk in its name."""
ROWS_AT_ONCE = 10_000


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    replay = add_command(
        commands,
        "replay",
        "make every recorded decision again: would risk, as it is here, decide the same today?",
        """
        A decision keeps what it looked at. `replay decisions` makes each one again from that, and compares the bytes;
        and it adds up TRADE beside, which must come to what each decision kept of ids, positions and working orders.
        Of each decision that differs it says what is stored and what is made again. Prices, account figures, links, the
        switch and the clock are in no stream: they are as each decision kept them. What kept nothing is counted, and
        where TRADE has the first of them is named: denials in few words, and decisions of versions from before.

        TRADE is read from the desk that runs (with the password of the user `auditor`), or from a recorder's database,
        a file that no recorder has open. A decision names the limits that it was made under: name the desk files that
        have them, if they are not those of the desk.

        --limits asks another thing: what would these limits have said? FILE has limits by scope (profiles/), or is a
        desk file, or has its [limits] alone, of which what it does not state stays as it is in the desk's. Each
        decision is held against them by itself, on the desk as it was then, and what would have been denied, and what
        let through, is counted by check, with the money.

        Examples:
          signalbox replay decisions --from 2026-01-05T14:30:00Z --to 2026-01-05T21:00:00Z
          signalbox replay decisions --limits tighter.toml --each
          signalbox replay decisions
          signalbox replay decisions --database desk.duckdb --desk desk.toml --desk desk-of-last-week.toml

        Exit status: 0 no difference, 1 a difference, or limits that no desk file has, 2 no such file. With --limits: 0.
        """,
    )
    replay.add_argument("what", choices=("decisions",), help="what is made again")
    replay.add_argument("--database", type=Path, metavar="FILE", help="a recorder's database, instead of a desk")
    replay.add_argument(
        "--from",
        dest="since",
        type=argument_types.time,
        metavar="TIME",
        help="what was decided from then on, desk time",
    )
    replay.add_argument("--to", type=argument_types.time, metavar="TIME", help="what was decided before")
    replay.add_argument("--limits", type=Path, metavar="FILE", help="what would these limits have said?")
    replay.add_argument("--each", action="store_true", help="with --limits: a line for each that would be another")
    add_desk_files(replay)
    explain = add_command(
        commands,
        "explain",
        "every check of a decision: the limit beside the value observed, and where that came from",
        """
        A stored decision has the checks that failed, and all that it looked at: the others are made again from it.
        Behind them stands what was said of its order since: the venue's own words, a refusal, an end (not with --json).

        Exit status: 0 it was found, 1 there is no such decision, or its limits are those of another desk file.
        """,
    )
    explain.add_argument("id", metavar="ID", help="of the intent, or of the decision")
    add_desk_files(explain)
    replay.set_defaults(run=_replay)
    explain.set_defaults(run=_explain)


def add_desk_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--desk",
        type=Path,
        metavar="DESK.toml",
        action="append",
        default=[],
        help="a desk file whose limits decisions were made under; may be given several times (default: the desk's)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


async def _replay(arguments: argparse.Namespace) -> int:
    if arguments.each and arguments.limits is None:
        raise ConfigurationError(["--each goes with --limits"])
    if arguments.database is not None:
        return _made_again(recorded(arguments.database), arguments, None)
    async with desk_bus(auditor=True) as (bus, found):
        stored = [(message.sequence, message.subject, message.payload) async for message in bus.read("TRADE")]
    return _made_again(stored, arguments, found.desk_file)


def _made_again(stored: Iterable[Stored], arguments: argparse.Namespace, desk_file: Path | None) -> int:
    """Make again what is asked for, and tell it; the exit status."""
    between = (arguments.since, arguments.to)
    if arguments.limits is None:
        rules = rules_named(arguments.desk, desk_file)
        return _tell(replayed(stored, rules, *between), arguments.json)
    named = desk_file if not arguments.desk else arguments.desk[0]
    then = rules_with_limits(arguments.limits, named)
    limits = LimitsThen(then, as_json=arguments.json, each=arguments.each)
    replay, _ = replayed(stored, {then.version: then}, *between, made_again=limits.take)
    limits.tell()
    complain(*_without_basis(replay.tally))
    return 0


def rules_named(files: Sequence[Path], file_of_desk: Path | None) -> dict[str, Rules]:
    """The rules of each desk file, by version; raises `ConfigurationError` where there is none."""
    from risk.rules import rules_of

    files = [*files, *([file_of_desk] if file_of_desk is not None else [])]
    if not files:
        raise ConfigurationError(["name the desk file whose limits the decisions were made under: --desk DESK.toml"])
    return {rules.version: rules for rules in (rules_of(load_desk(file)) for file in files)}


def with_versions(rules: dict[str, Rules], made: Sequence[LimitsSet]) -> dict[str, Rules]:
    """The rules of each desk file with each set of limits that operators have set, too."""
    from risk.rules import with_limits

    changed = (with_limits(each, limits) for each in rules.values() for limits in made)
    return rules | {each.version: each for each in changed}


def recorded(file: Path) -> Iterator[Stored]:
    """TRADE as a recorder has written it down; raises `ConfigurationError` when that can not be read."""
    import duckdb

    if not file.is_file():
        raise ConfigurationError([f"{file} is not there"])
    try:
        with duckdb.connect(str(file), read_only=True) as database:
            rows = database.execute(_RECORD)
            while some := rows.fetchmany(ROWS_AT_ONCE):
                for sequence, subject, payload, size in some:
                    if size is not None:
                        raise ConfigurationError(
                            [f"TRADE:{sequence} is longer than a record keeps ({size} bytes): ask the desk itself"]
                        )
                    yield sequence, subject, bytes(payload)
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise ConfigurationError([f"{file} can not be read as a recorder's database: {message}"]) from None


def replayed(
    stored: Iterable[Stored],
    rules: dict[str, Rules],
    since: datetime | None = None,
    until: datetime | None = None,
    made_again: Callable[[int, Decision], None] | None = None,
) -> tuple[Replay, list[Difference]]:
    from risk.replaying import Replay

    replay = Replay(rules, since, until, made_again)
    return replay, [found for each in stored if (found := replay.take(*each)) is not None]


def _tell(found: tuple[Replay, list[Difference]], as_json: bool) -> int:
    replay, differences = found
    for difference in differences:
        if as_json:
            show_json(msgspec.to_builtins(difference))
            continue
        name = f" on intent {difference.intent_id}" if difference.intent_id else ""
        print(printable(f"DIFFERENT: TRADE:{difference.sequence} {difference.decision_id}{name}"))
        for part in difference.parts:
            print(printable(f"  {part.what}: stored {part.stored or 'nothing'}; made again {part.again or 'nothing'}"))
    tally = replay.tally
    complain(*_not_made_again(tally))
    verdict = "DIFFERENT" if differences else "NOT ALL" if tally.of_other_rules else "ok"
    if not as_json:
        print(f"decisions: again={tally.again} different={tally.different} {verdict}")
    return EXIT_FAILED if differences or tally.of_other_rules else 0


def _not_made_again(tally: Tally) -> Iterator[str]:
    yield from _without_basis(tally)
    for version, count in sorted(tally.of_other_rules.items()):
        where = _where(tally, version)
        yield (
            f"{count} decisions were made under the limits {version}, which no desk file here has: name it (--desk)"
            f"{where}"
        )


def _without_basis(tally: Tally) -> Iterator[str]:
    """What could not be made again, whatever the limits: it kept nothing of what it looked at."""
    from risk.replaying import FROM_BEFORE, TOLD_BRIEFLY

    if tally.from_before:
        where = _where(tally, FROM_BEFORE)
        yield f"{tally.from_before} decisions are from before they kept what they looked at: not made again{where}"
    if tally.told_briefly:
        where = _where(tally, TOLD_BRIEFLY)
        yield f"{tally.told_briefly} denials were told in few words, since much was sent: not made again{where}"


def _where(tally: Tally, why_not: str) -> str:
    """` (TRADE:7, TRADE:9)`: the first of them."""
    return f" (the first: {', '.join(f'TRADE:{sequence}' for sequence in tally.places.get(why_not, ()))})"


async def _explain(arguments: argparse.Namespace) -> int:
    async with desk_bus() as (bus, found):
        rules = with_versions(rules_named(arguments.desk, found.desk_file), await versions(bus))
        reply = await query(bus, DECISIONS.format(name=sql_text(arguments.id)))
        said = await query(bus, _SAID.format(name=sql_text(arguments.id)))
    if not reply.rows:
        complain(f"no decision is recorded on {arguments.id!r}, and none has that id")
        return EXIT_FAILED
    told = [_explained(sequence, payload.encode(), rules, arguments.json) for sequence, payload in reply.rows]
    if said.rows and not arguments.json:
        print("what was said of its order since:")
        show(("at", "status", "words"), said.rows, as_json=False, empty="")
    return 0 if all(told) else EXIT_FAILED


def _explained(sequence: int, payload: bytes, rules: dict[str, Rules], as_json: bool) -> bool:
    """Print every check of a decision; False when its limits are not here, so that only the failed ones can be told."""
    from risk.decide import explain

    decision: Decision = messages.decode(payload, Decision)
    basis = decision.basis
    own = rules.get(basis.rules) if basis is not None else None
    checks = explain(own, decision) if own is not None else decision.checks
    if not as_json:
        verdict = "approved" if isinstance(decision, IntentApproved) else f"denied: {decision.reason}"
        print(printable(f"{decision.id} (TRADE:{sequence}) at {decision.at:%Y-%m-%d %H:%M:%S} UTC: {verdict}"))
    rows = [
        (check.name, "passed" if check.passed else "FAILED", check.limit, check.scope, check.observed, check.source)
        for check in checks
    ]
    show(("check", "verdict", "limit", "of", "observed", "source"), rows, as_json=as_json, empty="no checks are told")
    if basis is not None and own is None:
        complain(f"it was made under the limits {basis.rules}, which no desk file here has: name it (--desk)")
    return basis is None or own is not None
