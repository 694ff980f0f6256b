"""A session recorded between the gateway and the simulated venue, and played to the gateway: the same comes out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dydx_v4_client.key_pair import KeyPair
from gateway_dydx.plans import subaccount_uuid
from gateway_dydx.settings import endpoints
from signalbox.messages import LinkStatus, OrderType, Side, TimeInForce
from signalbox_cli.sessions.dydx_names import account_name
from signalbox_cli.sessions.dydx_node_messages import BROADCAST
from signalbox_cli.sessions.dydx_recording import DydxRecording
from signalbox_cli.sessions.dydx_redaction import DydxRedaction
from signalbox_cli.sessions.dydx_relay import DydxRelay
from signalbox_cli.sessions.playing import Played, play
from signalbox_cli.sessions.pseudonyms import Pseudonyms
from signalbox_cli.sessions.recorders import header_of
from signalbox_cli.sessions.session_file import SessionWriter, read_session
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BroadcastTxRequest
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import TxRaw

from .conftest import MNEMONIC, Desk_, address_of

WORDS = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"
"""Another phrase that everybody knows: in the file the account has the name of the usual one."""
PERSON = "Wilhelmina"
OF_THE_DAY = ("id", "at", "received_at", "cause", "funding_until")
PRICES = ("open", "high", "low", "close", "volume")
LIMIT = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}


@pytest.fixture
def mnemonic() -> str:
    return WORDS


class Watching(DydxRecording):
    """A recording whose transactions a test sees as they were."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.transactions: list[bytes] = []

    def called(self, number: int, method: str, data: bytes) -> None:
        if method == BROADCAST:
            self.transactions.append(BroadcastTxRequest.FromString(data).tx_bytes)
        super().called(number, method, data)


class Recorder:
    """A relay in front of the venue that writes a file; the gateway of the test goes through it."""

    def __init__(self, desk: Desk_, file: Path) -> None:
        self.file = file
        self.names = Pseudonyms([PERSON])
        account = account_name(desk.account, self.names)
        self.writer = SessionWriter(file, header_of(desk.desk, "dydx", account, datetime.now(UTC)))
        self.recording = Watching(self.writer, DydxRedaction(self.names), print)
        self.relay = DydxRelay(0, 0, endpoints(desk.settings), self.recording)

    def finish(self) -> None:
        self.writer.close(self.recording.now())


@pytest.fixture
async def recorder(desk: Desk_, tmp_path: Path) -> AsyncIterator[Recorder]:
    made = Recorder(desk, tmp_path / "session.jsonl")
    async with made.relay as relay:
        desk.settings = desk.with_settings(
            dydx_node_url=f"127.0.0.1:{relay.node_port}",
            dydx_indexer_url=f"http://127.0.0.1:{relay.indexer_port}",
            dydx_websocket_url=f"ws://127.0.0.1:{relay.indexer_port}/v4/ws",
        )
        yield made
        made.finish()
        for runtime in list(desk.runtimes):
            await desk.stop(runtime)


def told(reports: Sequence[dict[str, Any]], account: str) -> list[dict[str, Any]]:
    """Reports without what is of another day: ids, times, names that the file does not have."""
    names: dict[str, str] = {}

    def same(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: same(each, name) for name, each in value.items() if name not in OF_THE_DAY}
        if isinstance(value, list):
            return [same(each, key) for each in value]
        if key in ("order_id", "reference", "execution_id", "venue_order_id", "execution_ids") and value:
            return names.setdefault(value, f"name {len(names)}")
        return value.replace(account, "ACCOUNT").replace(PERSON, "word-1") if isinstance(value, str) else value

    return [same(each) for each in reports]


async def recorded_reports(desk: Desk_) -> list[dict[str, Any]]:
    return [json.loads(each.payload) async for each in desk.recorder.read("REPORTS", "report.>")]


def played_reports(played: Played) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in played.published if each.stream == "REPORTS"]


def of_orders(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is said of orders; statements of everything come whenever the gateway looks."""
    return [each for each in reports if each["type"] != "VenueSnapshot"]


def holdings(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the last statement says."""
    last = [each for each in reports if each["type"] == "VenueSnapshot"][-1]
    return {name: last[name] for name in ("cash", "positions", "open_orders")}


async def agrees(desk: Desk_, recorder: Recorder, folder: Path) -> Played:
    """End the recording, play it; the gateway must do and report the same."""
    raw = await recorded_reports(desk)
    recorder.finish()
    session = read_session(recorder.file)
    played = await play(session, folder / "played", print)
    assert played.departed == "", (played.differences, played.unasked)
    assert [each for each in played.published if each.stream == "DEAD"] == []
    before = told(raw, desk.account)
    after = told(played_reports(played), session.header.account)
    assert of_orders(after) == of_orders(before)
    assert holdings(after) == holdings(before)
    return played


async def test_played_gateway_reports_what_the_recorded_one_did(
    desk: Desk_, recorder: Recorder, tmp_path: Path
) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("bought", quantity=Decimal("0.01"))
    await desk.has("bought", "VenueAccepted", "VenueFill", "VenueCommission")
    await desk.submit("rests", limit_price=desk.venue.price() - 5000, **LIMIT)
    await desk.has("rests", "VenueAccepted")
    await desk.cancel("rests")
    await desk.has("rests", "VenueCanceled")
    await desk.venue.do("cut_websockets")
    desk.mark = len(desk.links)
    await desk.ready()
    await desk.submit("sold", side=Side.SELL, quantity=Decimal("0.004"))
    await desk.has("sold", "VenueFill", "VenueCommission")

    await agrees(desk, recorder, tmp_path)


def written(secret: bytes) -> set[str]:
    """How bytes may stand in a text, in lower case."""
    encoded = (base64.b64encode(secret), base64.urlsafe_b64encode(secret))
    forms = {
        secret.hex(),
        secret.decode("latin-1"),
        str(secret)[2:-1],
        *(each.decode().rstrip("=") for each in encoded),
    }
    return {form.lower() for form in forms}


def secrets_of(desk: Desk_, recorder: Recorder) -> set[str]:
    """All that leads to whom it was."""
    key = KeyPair.from_mnemonic(WORDS)
    address, number = desk.account.rpartition("-")[0], 0
    found = {address, subaccount_uuid(address, number), WORDS, PERSON.lower()}
    found |= {order.id for order in desk.venue.orders()} | {fill.id for fill in desk.venue.fills()}
    found |= {str(order.client_id) for order in desk.venue.orders()}
    found |= {transfer.id for transfer in desk.venue.chain.transfers}
    for secret in (key.public_key_bytes, bytes.fromhex(key.key.to_hex())):
        found |= written(secret)
    for raw in recorder.recording.transactions:
        outer = TxRaw.FromString(raw)
        for secret in (raw, outer.auth_info_bytes, outer.body_bytes, *outer.signatures, hashlib.sha256(raw).digest()):
            found |= written(secret)
    return found


async def test_nothing_in_the_file_leads_to_whom_it_was(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit(f"{PERSON}-bought", quantity=Decimal("0.01"))
    await desk.has(f"{PERSON}-bought", "VenueFill", "VenueCommission")
    await desk.submit("rests", limit_price=desk.venue.price() - 5000, **LIMIT)
    await desk.has("rests", "VenueAccepted")
    told = f"{desk.account.rpartition('-')[0]} of {PERSON} has no luck"
    await desk.venue.do("refuse_next", codespace="clob", code=2003, text=told)
    await desk.submit("refused", quantity=Decimal("0.01"))
    await desk.has("refused", "VenueRejected")
    recorder.finish()

    text = recorder.file.read_text().lower()
    secrets = secrets_of(desk, recorder)
    assert len(secrets) > 30
    assert not [secret for secret in secrets if secret in text or secret.replace("\\", "\\\\") in text]
    assert "has no luck" in text, "the venue's words are the report"
    names = {line for line in recorder.names.sentences if "has no luck" in line}
    assert names == {f"{address_of(MNEMONIC)} of word-1 has no luck"}


async def test_refusals_and_replies_that_were_lost_come_again(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("refuse_next", codespace="clob", code=2003, text=f"{PERSON} has no luck")
    await desk.submit("refused", quantity=Decimal("0.01"))
    await desk.has("refused", "VenueRejected")
    await desk.venue.do("lose_reply")
    await desk.submit("unanswered", quantity=Decimal("0.02"))
    await desk.has("unanswered", "VenueFill", "VenueCommission")
    await desk.submit(
        "stop",
        side=Side.SELL,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC,
        stop_price=desk.venue.price() - 7000,
        quantity=Decimal("0.01"),
    )
    await desk.has("stop", "VenueAccepted")

    await agrees(desk, recorder, tmp_path)


async def test_a_resting_order_is_renewed_again_until_its_cancel(
    desk: Desk_, recorder: Recorder, tmp_path: Path
) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests", order_type=OrderType.LIMIT, limit_price=desk.venue.price() - 5000)
    await desk.has("rests", "VenueAccepted")
    await desk.blocks(45)
    await desk.cancel("rests")
    await desk.has("rests", "VenueCanceled")
    await desk.blocks(30)  # the order of another day may be good for some blocks more

    await agrees(desk, recorder, tmp_path)


async def test_half_open_websockets_are_found_again(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    desk.mark = len(desk.links)
    await desk.venue.do("half_open")
    await desk.eventually(lambda: any(link.status is LinkStatus.DOWN for link in desk.links[desk.mark :]), "DOWN")
    desk.mark = len(desk.links)
    await desk.ready()
    await desk.submit("later", quantity=Decimal("0.01"))
    await desk.has("later", "VenueFill", "VenueCommission")

    await agrees(desk, recorder, tmp_path)


async def test_a_gateway_that_places_another_order_is_told_of(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests", limit_price=desk.venue.price() - 5000, **LIMIT)
    await desk.has("rests", "VenueAccepted")
    recorder.finish()
    text = recorder.file.read_text()
    changed = text.replace('\\"flags\\":64', '\\"flags\\":0')
    assert changed != text
    recorder.file.write_text(changed)

    played = await play(read_session(recorder.file), tmp_path / "played", print)

    assert "order-1 of the session is placed otherwise: good-til-block" in played.departed
