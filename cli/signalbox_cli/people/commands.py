"""The command `signalbox people`: add, list, revoke, password, reload."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from signalbox.accounts import FIRST_PEOPLE, Role
from signalbox.bus.bootstrap import new_password
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.finding import seals_file_name
from signalbox.seals import CONTROL, operator_key, operator_link
from signalbox.settings import read_secret_file

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.output import complain, show
from signalbox_cli.people import roll
from signalbox_cli.people.server import RefusedConfigurationError, ReloadError, Server, take_in, take_in_all
from signalbox_cli.settings import PeoplePlace, ca_file, control_keys, environment, people_file, people_place

COLUMNS = ("name", "role", "since", "revoked")
FROM_THE_START = "the start"
READ_TWICE = (
    "The server of {file} has to read it: `nats-server --signal reload=PID`, twice (after the first an added person "
    "logs in, after the second what he says arrives), or a restart. On Kubernetes: docs/deploy-kubernetes.md, People."
)


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
        (SIGNALBOX_NATS_URL, and the password of `bootstrap`), it says what to do. An operator gets a key too,
        NAME.seals, derived from risk's (SIGNALBOX_SEALS_FILE, or risk.seals beside the passwords). See docs/nats.md,
        People.

        Examples:
          signalbox people add alice --role trader       then: SIGNALBOX_NATS_USER=alice signalbox orders
          signalbox people add carol --role operator     then: signalbox --as carol halt "lunch"
          signalbox people add bob --role strategy --file people.conf --credentials passwords
          docker compose run --rm people add bob --role strategy
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
    again = add_command(
        parts,
        "reload",
        "have the server read once more who may come, after a new version or a change that it was not told of",
        """
        people.conf is written anew with the same people, as this version writes their accounts. Everybody whose
        password is in the folder of passwords is tried: exit status 1 names who is not let in.
        """,
    )
    _finish(again, _reload)


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
    path = people_file(environment(), arguments.file)
    people: list[tuple[str, ...]] = [(each.name, each.role, FROM_THE_START, "") for each in FIRST_PEOPLE]
    people += [(each.name, each.role, _shown(each.since), _shown(each.revoked)) for each in roll.read(path).people]
    show(COLUMNS, people, as_json=arguments.json, empty="")
    return 0


async def _reload(arguments: argparse.Namespace) -> int:
    place = _place(arguments)
    with roll.taken(place.file):
        text_before = _text(place.file)
        people = [each.name for each in roll.bring_up_to_date(place.file).people if each.revoked is None]
        kept = {name: place.credentials / name for name in people if (place.credentials / name).exists()}
        passwords = {name: read_secret_file(path).reveal() for name, path in kept.items()}
        if place.url:
            server = _server(place)
            try:
                await take_in_all(server, passwords)
            except RefusedConfigurationError:
                await _taken_back(place, text_before, server)
                raise
    untried = f" (not tried, for want of a password: {', '.join(sorted({*people} - kept.keys()))})"
    print(f"{len(people)} people were added{untried if len(kept) < len(people) else ''}")
    if not place.url:
        print(READ_TWICE.format(file=place.file))
    return 0


async def _changed(
    place: PeoplePlace, change: Callable[[roll.Roll], roll.Roll], name: str, password: str, done: str
) -> int:
    """Change the file, have the server take it in, and keep the password; what the server refuses is taken back.

    A password of "" takes somebody's away.
    """
    path = place.credentials / name
    with roll.taken(place.file):
        text_before = _text(place.file)
        after = change(roll.read(place.file))
        is_operator = bool(password) and (person := after.find(name)) is not None and person.role is Role.OPERATOR
        key = _operators_key(place, name) if is_operator else ""
        old = read_secret_file(path).reveal() if path.exists() else ""
        if password:
            place.credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        roll.write(place.file, after)
        told: SignalboxError | None = None
        if place.url:
            server = _server(place)
            try:
                await take_in(server, name, password or old, may_come=bool(password))
            except ReloadError:
                await _taken_back(place, text_before, server)
                raise
            except SignalboxError as error:
                told = error
        _keep(path, f"{password}\n" if password else "")
        key_file = place.credentials / seals_file_name(name)
        if key or not is_operator:
            _keep(key_file, key)
    if is_operator and not key_file.exists():
        complain(f"{name} can not halt or resume before he has a key of his own: docs/nats.md, Seals, says how.")
    if told is not None:
        complain(f"{place.file} says so, but no server was told: {told}. It will read it at its next start.")
        return EXIT_FAILED
    print(f"{done}{f'; the password is in {path}' if password else ''}")
    if not place.url:
        print(READ_TWICE.format(file=place.file))
    return 0


async def _taken_back(place: PeoplePlace, text: str, server: Server) -> None:
    """The file as it was: a server that can not read it would not start again."""
    roll.write_private(place.file, text)
    try:
        await take_in(server, "", "", may_come=True)
    except SignalboxError as error:
        complain(f"{place.file} is as it was, but the server did not read it again: {error}")


def _text(path: Path) -> str:
    """What stands in people.conf; what would stand there with nobody in it, where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else roll.conf_text(roll.Roll())


def _keep(path: Path, text: str) -> None:
    if text:
        roll.write_private(path, text)
    else:
        path.unlink(missing_ok=True)


def _operators_key(place: PeoplePlace, name: str) -> str:
    """The line with which an operator seals a trading state; "" = the key that it is made of is not at hand."""
    keys = control_keys(environment(), place.credentials)
    if CONTROL not in keys.links:
        return ""
    return f"{operator_link(name)} = {operator_key(keys.first_key(CONTROL), name).hex()}\n"


def _server(place: PeoplePlace) -> Server:
    return Server(place.url, place.password.reveal(), ca_file())


def _place(arguments: argparse.Namespace) -> PeoplePlace:
    return people_place(environment(), arguments.file, arguments.credentials)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""
