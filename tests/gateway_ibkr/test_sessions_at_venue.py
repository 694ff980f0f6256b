"""A session recorded between the gateway and the simulated venue, and played to the gateway: the same comes out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from signalbox.messages import LinkStatus, OrderType, Side, TimeInForce, VenueCommission
from signalbox_cli.sessions.playing import Played, play
from signalbox_cli.sessions.pseudonyms import Pseudonyms
from signalbox_cli.sessions.recorders import header_of
from signalbox_cli.sessions.relay import Relay
from signalbox_cli.sessions.session_file import SessionWriter, read_session
from signalbox_cli.sessions.tws_recording import TwsRecording
from signalbox_cli.sessions.tws_redaction import TwsRedaction

from .conftest import ACCOUNT, Desk_

ORDERS = 11
PERSON = "Wilhelmina"
PRICES = ("open", "high", "low", "close", "volume")
OF_THE_DAY = ("id", "at", "received_at", "cause")
REFERENCE = "wilhelmina-likes-spy"


class Recorder:
    """A relay in front of the venue that writes a file; the gateway of the test goes through it."""

    def __init__(self, desk: Desk_, file: Path) -> None:
        self._desk, self.file = desk, file
        self._redaction = TwsRedaction(Pseudonyms([PERSON]))
        account = self._redaction.names.account(ACCOUNT)
        self.writer = SessionWriter(file, header_of(desk.desk, "ibkr", account, datetime.now(UTC)))
        self._recording = TwsRecording(self.writer, self._redaction, print)
        self.relay = Relay(0, ("127.0.0.1", desk.venue.port), self._recording)

    def finish(self) -> None:
        self.writer.close(self._recording.now())


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    """It asks as late as the gateway that is played to, also on a machine that is busy."""
    return {"acknowledge_seconds_max": 3.0, "visibility_seconds": 3.0}


@pytest.fixture
async def recorder(desk: Desk_, tmp_path: Path) -> AsyncIterator[Recorder]:
    made = Recorder(desk, tmp_path / "session.jsonl")
    async with made.relay as relay:
        desk.settings = msgspec.structs.replace(desk.settings, ibkr_port=relay.port)
        yield made
        for runtime in list(desk.runtimes):
            await desk.stop(runtime)


def told(reports: Sequence[dict[str, Any]], account: str) -> list[dict[str, Any]]:
    """Reports without what is of another day: ids, times, names that the file does not have."""
    names: dict[str, str] = {}

    def same(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            if value.get("type") == "VenueCanceled":  # by which of two answers it is known, and so in which words
                value = {name: each for name, each in value.items() if name != "reason"}
            return {name: same(each, name) for name, each in value.items() if name not in OF_THE_DAY}
        if isinstance(value, list):
            return [same(each, key) for each in value]
        if key in ("order_id", "reference"):
            return names.setdefault(value, f"order {len(names)}")
        return value.replace(account, "ACCOUNT").replace(PERSON, "word-1") if isinstance(value, str) else value

    return [same(each) for each in reports]


async def recorded_reports(desk: Desk_) -> list[dict[str, Any]]:
    return [json.loads(each.payload) async for each in desk.recorder.read("REPORTS", "report.>")]


def played_reports(played: Played) -> list[dict[str, Any]]:
    return [json.loads(each.payload) for each in played.published if each.stream == "REPORTS"]


async def agrees(desk: Desk_, recorder: Recorder, folder: Path) -> Played:
    """End the recording, play it; the gateway must do and report the same."""
    before = told(await recorded_reports(desk), ACCOUNT)
    recorder.finish()
    session = read_session(recorder.file)
    played = await play(session, folder / "played", print)
    assert played.departed == ""
    assert told(played_reports(played), session.header.account) == before
    bars = [each.payload async for each in desk.recorder.read("BARS")]
    recorded, again = prices(bars), prices([each.payload for each in played.published if each.stream == "BARS"])
    both = recorded.keys() & again.keys()  # when a recording ends, history may not have been told to its end
    assert {key: recorded[key] for key in both} == {key: again[key] for key in both}
    return played


def prices(bars: Sequence[bytes]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What each bar says."""
    read = [json.loads(bar) for bar in bars]
    return {(bar["symbol"], bar["timeframe"], bar["start"]): tuple(str(bar[name]) for name in PRICES) for bar in read}


LIMIT = {"order_type": OrderType.LIMIT, "limit_price": Decimal(1), "time_in_force": TimeInForce.GTC}


async def test_played_gateway_reports_what_the_recorded_one_did(
    desk: Desk_, recorder: Recorder, tmp_path: Path
) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit(REFERENCE, quantity=Decimal(10))
    await desk.has(REFERENCE, "VenueAccepted", "VenueFill", "VenueCommission")
    await desk.submit("rests", symbol="AAPL", side=Side.BUY, **LIMIT)
    await desk.has("rests", "VenueAccepted")
    await desk.cancel("rests")
    await desk.has("rests", "VenueCanceled")
    await desk.dropped(ORDERS)
    desk.mark = len(desk.links)
    await desk.ready()
    await desk.submit("sold", side=Side.SELL, quantity=Decimal(4))
    await desk.has("sold", "VenueFill", "VenueCommission")

    await agrees(desk, recorder, tmp_path)

    text = recorder.file.read_text()
    assert PERSON.lower() not in text.lower()
    assert ACCOUNT not in text


async def test_news_that_was_lost_and_asked_for_is_so_again(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    for kind in ("3", "5", "11", "59"):
        await desk.venue.do("omit", kind=kind, client=ORDERS, count=3)
    await desk.submit("unheard")
    await desk.venue.do("clear")
    await desk.has("unheard", "VenueFill", "VenueCommission")

    await agrees(desk, recorder, tmp_path)


async def test_half_open_link_is_found_again(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests", **LIMIT)
    await desk.has("rests", "VenueAccepted")
    desk.mark = len(desk.links)
    await desk.venue.do("half_open", client=ORDERS)
    await desk.eventually(lambda: any(link.status is LinkStatus.DOWN for link in desk.links[desk.mark :]), "DOWN")
    desk.mark = len(desk.links)
    await desk.ready()
    await desk.submit("later")
    await desk.has("later", "VenueFill", "VenueCommission")

    await agrees(desk, recorder, tmp_path)


async def test_refusals_and_what_others_did_come_again(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("reject_next", reason=f"{PERSON} of {ACCOUNT} has no luck")
    await desk.submit("refused")
    await desk.has("refused", "VenueRejected")
    await desk.submit("first")
    await desk.has("first", "VenueFill", "VenueCommission")
    [fill] = [report.fill for report in await desk.reports("first") if hasattr(report, "fill")]
    await desk.venue.do("correct_execution", execution_id=f"{fill.execution_id}.01", price="123.45")
    await desk.eventually(lambda: revised(desk), "a second revision")

    await agrees(desk, recorder, tmp_path)

    text = recorder.file.read_text()
    assert "has no luck" in text, "the venue's words are the report"
    assert PERSON.lower() not in text.lower()
    assert ACCOUNT not in text


async def revised(desk: Desk_) -> bool:
    """The second revision is there, and the commission that the venue sends after each."""
    reports = await desk.reports("first")
    commissions = sum(isinstance(report, VenueCommission) for report in reports)
    return commissions == 2 and any(report.fill.revision > 1 for report in reports if hasattr(report, "fill"))


async def test_gateway_that_places_another_order_is_told_of(desk: Desk_, recorder: Recorder, tmp_path: Path) -> None:
    await desk.start()
    await desk.ready()
    await desk.submit("rests", **LIMIT)
    await desk.has("rests", "VenueAccepted")
    recorder.finish()
    text = recorder.file.read_text()
    changed = text.replace('"GTC","","DU0000001","O"', '"GTC","","DU0000001","C"')
    assert changed != text
    recorder.file.write_text(changed)

    played = await play(read_session(recorder.file), tmp_path / "played", print)

    assert "field 24 C was recorded, O is written" in played.departed
