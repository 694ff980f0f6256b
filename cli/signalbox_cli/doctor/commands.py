"""The command `signalbox doctor`."""

from __future__ import annotations

import argparse
import asyncio
import textwrap
from pathlib import Path

from signalbox.addresses import without_password
from signalbox.desk import Mode, load_desk
from signalbox.errors import ConfigurationError

from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.doctor.facts import Facts
from signalbox_cli.doctor.file_facts import see_files, see_secrets, see_settings
from signalbox_cli.doctor.judging import judge
from signalbox_cli.doctor.monitoring_facts import see_alertmanager, see_prometheus
from signalbox_cli.doctor.nats_facts import see_nats
from signalbox_cli.doctor.people_facts import see_people
from signalbox_cli.doctor.verdicts import Check, is_fit
from signalbox_cli.output import printable, show
from signalbox_cli.people.server import Server
from signalbox_cli.settings import ca_file, doctor_addresses, environment, found_desk

COLUMNS = ("check", "verdict", "observed", "action")
LINE_CHARACTERS_MAX = 110


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = add_command(
        commands,
        "doctor",
        "is this desk fit to trade, and with --live, fit for real money? The checklist as checks",
        """
        It looks for up to a quarter of a minute, changes nothing, and says what to do about each thing that is wrong.
        What it was not given an address for is "not checked"; with --live, or a desk file whose mode is live, that
        counts as failed. Addresses may also come from SIGNALBOX_PROMETHEUS_URL and SIGNALBOX_ALERTMANAGER_URL.

        Exit status: 0 fit (there may be warnings), 1 something has failed, 2 no desk or no valid desk file.

        Examples:
          signalbox doctor
          signalbox doctor --live --prometheus-url http://127.0.0.1:9090 --alertmanager-url http://127.0.0.1:9093
        """,
    )
    doctor.add_argument("--live", action="store_true", help="judge for real money, whatever the desk file says")
    doctor.add_argument("--desk", type=Path, metavar="DESK.toml", help="the desk file (default: the running desk's)")
    doctor.add_argument("--secrets", type=Path, metavar="FOLDER", help="whose files nobody else may be able to read")
    doctor.add_argument("--prometheus-url", metavar="URL", help="the Prometheus that watches the desk")
    doctor.add_argument("--alertmanager-url", metavar="URL", help="the Alertmanager that it sends to")
    doctor.add_argument(
        "--send-test-alert", action="store_true", help="give Alertmanager an alert of severity page, which ends itself"
    )
    doctor.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    doctor.set_defaults(run=_doctor)


async def _doctor(arguments: argparse.Namespace) -> int:
    found, addresses = found_desk(), doctor_addresses()
    path = arguments.desk or found.desk_file
    if path is None:
        raise ConfigurationError(["no desk file is known: name it with --desk, or SIGNALBOX_DESK_FILE"])
    prometheus_url = _plain_url(arguments.prometheus_url or addresses.prometheus_url)
    alertmanager_url = _plain_url(arguments.alertmanager_url or addresses.alertmanager_url)
    if arguments.send_test_alert and not alertmanager_url:
        raise ConfigurationError(["--send-test-alert needs --alertmanager-url: to whom should it be given?"])
    desk = load_desk(path)
    nats = await see_nats(found, desk)
    secrets = arguments.secrets or addresses.secrets
    people = await see_people(addresses.people_file, secrets, Server(found.nats_url, "", ca_file()))
    prometheus = await asyncio.to_thread(see_prometheus, prometheus_url) if prometheus_url else None
    alertmanager = (
        await asyncio.to_thread(see_alertmanager, alertmanager_url, send_test_alert=arguments.send_test_alert)
        if alertmanager_url
        else None
    )
    facts = Facts(
        desk=desk,
        secrets=see_secrets(environment(), secrets),
        nats=nats,
        prometheus=prometheus,
        alertmanager=alertmanager,
        settings=see_settings(environment()),
        files=see_files(addresses.run_folder, environment()),
        people=people,
    )
    live = arguments.live or desk.mode is Mode.LIVE
    checks = judge(facts, live=live)
    _show(checks, as_json=arguments.json)
    fit = is_fit(checks, live=live)
    if not arguments.json:
        print(f"\n{'fit' if fit else 'NOT fit'} for {'real money' if live else 'paper trading'}")
    return 0 if fit else EXIT_FAILED


def _plain_url(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ConfigurationError([f"{url!r} is no address: write http://127.0.0.1:9090"])
    return url.rstrip("/")


def _show(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        rows = [(c.name, c.verdict.value, without_password(c.observed), c.action) for c in checks]
        show(COLUMNS, rows, as_json=True, empty="")
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{check.verdict:<11}  {check.name:<{width}}  {printable(without_password(check.observed))}")
        if check.action:
            print(
                textwrap.fill(
                    f"-> {check.action}", LINE_CHARACTERS_MAX, initial_indent=" " * 13, subsequent_indent=" " * 16
                )
            )
