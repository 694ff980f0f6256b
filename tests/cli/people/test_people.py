"""People on a real nats-server: in at once, out at once, each under the name that the server writes."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import TYPE_CHECKING

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from signalbox.bus import Bus, BusSettings
from signalbox.client.record import query
from signalbox.errors import BusPermissionError
from signalbox_cli.people.server import Server, Standing, standing

if TYPE_CHECKING:
    from conftest import Office

WAIT_SECONDS_MAX = 60.0


async def connected(office: Office, name: str) -> tuple[Client, asyncio.Event]:
    """A connection that stays down once the server ends it, and the end as an event."""
    client, ended = Client(), asyncio.Event()

    async def closed() -> None:
        ended.set()

    await client.connect(
        office.server.url, user=name, password=office.password(name), allow_reconnect=False, closed_cb=closed
    )
    return client, ended


async def published(client: Client, subject: str = "intent.ibkr.SPY") -> str:
    """The name under which the server has stored it; "" = it was not taken."""
    try:
        answer = await client.request(subject, b"{}", timeout=2)
    except (NatsError, TimeoutError):
        return ""
    return str(json.loads(answer.data)["stream"])


async def test_who_is_added_trades_at_once_and_under_his_own_name(office: Office) -> None:
    said = await office.run("people", "add", "alice", "--role", "trader")
    assert (said.status, said.err) == (0, "")
    assert stat.S_IMODE((office.credentials / "alice").stat().st_mode) == 0o600
    assert office.password("alice") not in said.out + office.people_file.read_text()
    alice, _ = await connected(office, "alice")
    assert await published(alice)
    assert not await published(alice, "intent.user.ibkr.SPY")
    await alice.close()
    watcher = await office.server.connect("auditor")
    stored = [received.subject async for received in watcher.read("INTENTS")]
    assert stored == ["intent.alice"]


async def test_who_is_revoked_is_cut_off_at_once_and_others_are_not(office: Office) -> None:
    for name in ("alice", "bob"):
        assert (await office.run("people", "add", name, "--role", "strategy")).status == 0
    alice, alice_ended = await connected(office, "alice")
    bob, bob_ended = await connected(office, "bob")
    old = office.password("alice")
    assert (await office.run("people", "revoke", "alice")).status == 0
    await asyncio.wait_for(alice_ended.wait(), WAIT_SECONDS_MAX)
    assert not bob_ended.is_set()
    assert await published(bob)
    again = Client()
    with pytest.raises(NatsError):
        await again.connect(office.server.url, user="alice", password=old, allow_reconnect=False)
    await again.close()
    assert not (office.credentials / "alice").exists()
    await bob.close()
    assert alice.is_closed


async def test_a_new_password_ends_what_has_the_old_one(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "viewer")
    old = office.password("alice")
    _, ended = await connected(office, "alice")
    assert (await office.run("people", "password", "alice")).status == 0
    await asyncio.wait_for(ended.wait(), WAIT_SECONDS_MAX)
    assert office.password("alice") != old
    alice, _ = await connected(office, "alice")
    await alice.close()


async def test_services_go_on_while_people_come_and_go(office: Office) -> None:
    gateway = await office.server.client("gateway-ibkr")
    lost: list[None] = []

    async def gone() -> None:
        lost.append(None)

    gateway._disconnected_cb = gone
    user = await office.server.client("user")
    heard = await user.subscribe("md.quote.ibkr.SPY")
    await user.flush()
    await office.run("people", "add", "alice", "--role", "viewer")
    await office.run("people", "revoke", "alice")
    await gateway.publish("md.quote.ibkr.SPY", b"still here")
    assert (await heard.next_msg(WAIT_SECONDS_MAX)).data == b"still here"
    assert not lost
    assert await published(user)
    await user.close()
    await gateway.close()


@pytest.mark.parametrize(
    ("role", "trades", "halts"),
    [("viewer", False, False), ("strategy", True, False), ("trader", True, False), ("operator", True, True)],
)
async def test_a_role_is_what_the_server_lets_somebody_do(office: Office, role: str, trades: bool, halts: bool) -> None:
    await office.run("people", "add", "alice", "--role", role)
    alice, _ = await connected(office, "alice")
    assert bool(await published(alice)) is trades
    assert bool(await published(alice, "$KV.CONTROL.trading-state")) is halts
    await alice.close()


async def test_a_switch_bears_the_name_of_who_turned_it(office: Office) -> None:
    await office.run("people", "add", "carol", "--role", "operator")
    await office.run("people", "add", "dave", "--role", "trader")
    said = await office.speak("user", "--as", "carol", "halt", "a test", "--json")
    assert (said.status, json.loads(said.out)["by"]) == (0, "carol")
    refused = await office.speak("dave", "halt", "a test", SIGNALBOX_SEALS="control/dave = " + "ab" * 32)
    assert refused.status == 1
    assert "dave" in refused.err
    auditor = await office.server.connect("auditor")
    stored = [received.subject async for received in auditor.read("KV_CONTROL")]
    assert stored[-1] == "$KV.CONTROL.trading-state.carol"


async def test_everybody_is_listed_and_who_was_revoked_with_when(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "trader")
    await office.run("people", "add", "bob", "--role", "viewer")
    await office.run("people", "revoke", "bob")
    listed = [json.loads(line) for line in (await office.run("people", "list", "--json")).out.splitlines()]
    assert [(each["name"], each["role"], bool(each["revoked"])) for each in listed] == [
        ("user", "trader", False),
        ("operator", "operator", False),
        ("alice", "trader", False),
        ("bob", "viewer", True),
    ]


async def test_a_wrong_name_or_a_missing_one_changes_nothing(office: Office) -> None:
    before = office.people_file.read_text()
    for words in (("add", "risk", "--role", "viewer"), ("add", "a.b", "--role", "viewer"), ("revoke", "alice")):
        said = await office.run("people", *words)
        assert said.status == 2
        assert said.err.startswith("signalbox: ")
    assert office.people_file.read_text() == before
    assert not office.credentials.exists()


async def test_what_the_server_does_not_take_in_is_taken_back(office: Office) -> None:
    (office.people_file.parent / "accounts.conf").write_text("{{{")
    before = office.people_file.read_text()
    said = await office.run("people", "add", "alice", "--role", "trader")
    assert said.status == 1
    assert "does not take it in" in said.err
    assert office.people_file.read_text() == before
    assert not (office.credentials / "alice").exists()


async def test_a_server_that_reads_another_file_is_noticed(office: Office) -> None:
    elsewhere = office.people_file.parent / "elsewhere" / "people.conf"
    elsewhere.parent.mkdir()
    said = await office.run("people", "add", "alice", "--role", "trader", "--file", str(elsewhere))
    assert said.status == 1
    assert "another file" in said.err
    assert not (office.credentials / "alice").exists()


async def test_an_operators_key_stays_with_a_new_password_and_goes_with_him(office: Office) -> None:
    await office.run("people", "add", "carol", "--role", "operator")
    key = office.credentials / "carol.seals"
    made = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    said = await office.run("people", "password", "carol", SIGNALBOX_SEALS="")
    assert (said.status, said.err, key.read_text()) == (0, "", made)
    await office.run("people", "revoke", "carol")
    assert not key.exists()


async def test_without_the_key_that_it_is_made_of_an_operator_has_none_and_is_told(office: Office) -> None:
    said = await office.run("people", "add", "carol", "--role", "operator", SIGNALBOX_SEALS="risk-oms = " + "ab" * 32)
    assert said.status == 0
    assert "docs/nats.md, Seals" in said.err
    assert not (office.credentials / "carol.seals").exists()


async def test_a_reload_lets_in_who_was_written_behind_the_servers_back(office: Office) -> None:
    said = await office.run("people", "add", "alice", "--role", "trader", SIGNALBOX_NATS_URL="")
    assert said.status == 0
    assert "twice" in said.out
    refused = await office.speak("alice", "positions")
    assert refused.status == 1
    assert (await office.run("people", "reload")).status == 0
    alice, _ = await connected(office, "alice")
    assert await published(alice)
    await alice.close()


async def test_a_reload_is_enough_for_who_can_not_be_tried(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "trader", SIGNALBOX_NATS_URL="")
    password = office.password("alice")
    (office.credentials / "alice").unlink()
    assert (await office.run("people", "reload")).status == 0
    assert await standing(Server(office.server.url, ""), "alice", password) is Standing.IN


async def test_a_reload_writes_what_another_version_wrote_anew_and_is_taken_back_if_refused(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "trader")
    mine = office.people_file.read_text()
    other = mine.replace("max_connections: 32", "max_connections: 31")
    office.people_file.write_text(other)
    assert (await office.run("people", "reload")).status == 0
    assert office.people_file.read_text() == mine
    office.people_file.write_text(other)
    (office.people_file.parent / "accounts.conf").write_text("{{{")
    said = await office.run("people", "reload")
    assert said.status == 1
    assert "does not take it in" in said.err
    assert office.people_file.read_text() == other


async def test_a_reload_names_whose_password_is_an_old_one_and_who_was_not_tried(office: Office) -> None:
    for name in ("alice", "bob"):
        await office.run("people", "add", name, "--role", "viewer")
    (office.credentials / "bob").unlink()
    said = await office.run("people", "reload")
    assert said.status == 0
    assert "not tried, for want of a password: bob" in said.out
    (office.credentials / "alice").write_text("p1another\n")
    said = await office.run("people", "reload")
    assert said.status == 1
    assert "does not let in alice" in said.err


async def test_without_the_password_of_bootstrap_nothing_changes_and_everybody_is_listed(office: Office) -> None:
    before = office.people_file.read_text()
    outside = {"SIGNALBOX_PEOPLE_FILE": str(office.people_file)}
    said = await office.speak("user", "people", "add", "alice", "--role", "viewer", **outside)
    assert said.status == 2
    assert "from `bootstrap` alone" in said.err
    assert "docs/nats.md, People" in said.err
    assert office.people_file.read_text() == before
    listed = await office.speak("user", "people", "list", **outside)
    assert listed.status == 0
    assert "operator" in listed.out


async def test_without_a_server_the_file_is_written_and_what_to_do_is_said(office: Office) -> None:
    office.server.kill()
    said = await office.run("people", "add", "alice", "--role", "trader")
    assert said.status == 1
    assert "no server was told" in said.err
    office.server.start()
    await office.server.listening()
    alice, _ = await connected(office, "alice")
    assert await published(alice)
    await alice.close()


async def test_one_name_has_a_bounded_number_of_connections_and_a_command_says_so(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "viewer")
    held = [(await connected(office, "alice"))[0] for _ in range(32)]
    settings = BusSettings(url=office.server.url, user="alice", password=office.password("alice"), name="one-more")
    with pytest.raises(BusPermissionError, match="as many connections of 'alice' as one name may have"):
        await Bus.connect(settings)
    said = await office.speak("alice", "positions")
    assert said.status == 1
    assert "as many connections" in said.err
    assert await standing(Server(office.server.url, ""), "alice", office.password("alice")) is Standing.IN
    for client in held:
        await client.close()


async def test_the_recorder_is_told_who_asks(office: Office) -> None:
    await office.run("people", "add", "alice", "--role", "viewer")
    askers: list[str] = []

    async def answer(_: bytes, asker: str) -> bytes:
        askers.append(asker)
        return b'{"columns": ["n"], "rows": [[1]]}'

    recorder = await office.server.connect("recorder")
    await recorder.serve("query.sql.*", answer)
    await recorder._questions.flush()
    settings = BusSettings(url=office.server.url, user="alice", password=office.password("alice"), name="alice")
    alice, user = await Bus.connect(settings), await office.server.connect("user")
    assert (await query(alice, "SELECT 1 AS n")).rows == ((1,),)
    await query(user, "SELECT 1 AS n")
    assert askers == ["alice", "user"]
    await alice.drain()
