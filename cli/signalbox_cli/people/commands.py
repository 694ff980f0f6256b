"""The command `signalbox people`: add, list, revoke, password, reload."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from signalbox.accounts import FIRST_PEOPLE, Role
from signalbox.bus.bootstrap import new_password
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.seals import CONTROL, operator_key, operator_link, parse
from signalbox.settings import KEY_LINES_MAX, read_secret_file

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.output import complain, show
from signalbox_cli.people import roll
from signalbox_cli.people.server import ReloadError, Server, take_in
from signalbox_cli.settings import PeoplePlace, environment, nats_ca_file, people_place, seals_file_name

COLUMNS = ("name", "role", "since", "revoked")
FROM_THE_START = "the start"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "who may speak to the desk: everybody with a name, a role and a password of his own"
    people = add_command(commands, "people", about, "")
    parts = people.add_subparsers(dest="what", required=True, metavar="WHAT")
    add = add_command(
        parts,
        "add",
        "let somebody in, or a program: a name, a role, a password",
        """
        Roles: a viewer hears and asks; a strategy (a program) and a trader also publish intents; an operator also
        halts and resumes. The server writes the name into what each publishes: nobody can send as another.

        The password goes into a file of mode 600 named after the person, in run/desk/credentials, or --credentials; the
        server's people.conf has only its hash. The server reads it at once. For a server that this can not reach
        (SIGNALBOX_NATS_URL, and the password of `bootstrap`), it says what to do. See docs/nats.md, People.

        Examples:
          signalbox people add alice --role trader       then: SIGNALBOX_NATS_USER=alice signalbox orders
          signalbox people add carol --role operator     then: signalbox --as carol halt "lunch"
          signalbox people add bob --role strategy --file deploy/nats/people.conf --credentials secrets
        """,
    )
    add.add_argument("name", help="small letters, digits, - and _, a letter first")
    add.add_argument("--role", required=True, choices=[role.value for role in Role], help="what he may do")
    add.add_argument("--again", action="store_true", help="the person of that name who was revoked is back")
    _finish(add, _add)
    shown = add_command(parts, "list", "everybody with a role, since when, and who was revoked", "")
    shown.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    _finish(shown, _list)
    revoke = add_command(
        parts,
        "revoke",
        "let somebody in no more: his connections end at once",
        "What he did stays, under his name, which nobody else can have. Example: signalbox people revoke alice",
    )
    revoke.add_argument("name")
    _finish(revoke, _revoke)
    password = add_command(
        parts, "password", "give somebody a new password: connections with the old one end at once", ""
    )
    password.add_argument("name")
    _finish(password, _password)


def _finish(parser: argparse.ArgumentParser, run: object) -> None:
    parser.add_argument(
        "--file", type=Path, metavar="PEOPLE.conf", help="beside the server's nats.conf (default: the local desk's)"
    )
    parser.add_argument("--credentials", type=Path, metavar="FOLDER", help="where passwords are kept, a file for each")
    parser.set_defaults(run=run)


async def _add(arguments: argparse.Namespace) -> int:
    role, place = Role(arguments.role), _place(arguments)
    path, password = place.credentials / arguments.name, new_password()

    def added(before: roll.Roll) -> roll.Roll:
        after = before.add(arguments.name, role, password, _now(), again=arguments.again)
        if path.exists():
            raise ConfigurationError([f"{path} is there already, and is not a password made here: move it away."])
        return after

    return await _changed(place, added, arguments.name, password, f"{arguments.name} is in, as {role}")


async def _password(arguments: argparse.Namespace) -> int:
    place, password = _place(arguments), new_password()
    done = f"{arguments.name} has a new password"
    return await _changed(place, lambda before: before.renew(arguments.name, password), arguments.name, password, done)


async def _revoke(arguments: argparse.Namespace) -> int:
    place = _place(arguments)
    done = f"{arguments.name} is let in no more"
    return await _changed(place, lambda before: before.revoke(arguments.name, _now()), arguments.name, "", done)


def _list(arguments: argparse.Namespace) -> int:
    environ = environment()
    path = arguments.file or people_place(environ, None, arguments.credentials or Path()).file
    people: list[tuple[str, ...]] = [(each.name, each.role, FROM_THE_START, "") for each in FIRST_PEOPLE]
    people += [(each.name, each.role, _shown(each.since), _shown(each.revoked)) for each in roll.read(path).people]
    show(COLUMNS, people, as_json=arguments.json, empty="")
    return 0


async def _changed(
    place: PeoplePlace, change: Callable[[roll.Roll], roll.Roll], name: str, password: str, done: str
) -> int:
    """Change the file, have the server take it in, and keep the password; what the server refuses is taken back.

    A password of "" takes somebody's away.
    """
    path = place.credentials / name
    with roll.taken(place.file):
        before = roll.read(place.file)
        after = change(before)
        old = read_secret_file(path).reveal() if path.exists() else ""
        if password:
            place.credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        roll.write(place.file, after)
        if place.url:
            server = Server(place.url, place.password.reveal(), nats_ca_file())
            try:
                await take_in(server, name, password or old, may_come=bool(password))
            except ReloadError:
                await _taken_back(place, before, server)
                raise
            except SignalboxError as error:
                complain(f"{place.file} says so, but no server was told: {error}. It will read it at its next start.")
                _keep(path, password)
                return EXIT_FAILED
        _keep(path, password)
        person = after.find(name)
        _keep_seals(place.credentials, name, bool(password) and person is not None and person.role is Role.OPERATOR)
    print(f"{done}{f'; the password is in {path}' if password else ''}")
    if not place.url:
        print(f"The server of {place.file} has to read it: restart it, or `nats-server --signal reload=PID`.")
    return 0


async def _taken_back(place: PeoplePlace, before: roll.Roll, server: Server) -> None:
    """The file as it was: a server that can not read it would not start again."""
    roll.write(place.file, before)
    try:
        await take_in(server, "", "", may_come=True)
    except SignalboxError as error:
        complain(f"{place.file} is as it was, but the server did not read it again: {error}")


def _keep(path: Path, password: str) -> None:
    if password:
        roll.write_private(path, password + "\n")
    else:
        path.unlink(missing_ok=True)


def _keep_seals(credentials: Path, name: str, wanted: bool) -> None:
    """An operator's key, with which he seals a trading state: made of risk's, where that is at hand."""
    path, of_risk = credentials / seals_file_name(name), credentials / seals_file_name("risk")
    if not wanted:
        path.unlink(missing_ok=True)
    elif of_risk.exists():
        control = parse(read_secret_file(of_risk, KEY_LINES_MAX).reveal()).first_key(CONTROL)
        roll.write_private(path, f"{operator_link(name)} = {operator_key(control, name).hex()}\n")
    else:
        complain(f"{name} can not halt or resume before he has a key of his own: docs/nats.md, Seals, says how.")


def _place(arguments: argparse.Namespace) -> PeoplePlace:
    return people_place(environment(), arguments.file, arguments.credentials)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""
