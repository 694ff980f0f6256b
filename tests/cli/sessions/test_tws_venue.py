"""A recorded session said again, to a gateway that asks the same, less, more, or in another order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from signalbox.errors import ConfigurationError
from signalbox_cli.sessions.play_clock import DepartedError
from signalbox_cli.sessions.session_file import Header, Line, Said, Session
from signalbox_cli.sessions.tws_messages import Fields
from signalbox_cli.sessions.tws_script import script_of
from signalbox_cli.sessions.tws_venue import RecordedVenue
from simulators.tws.wire import FrameSplitter, decode_fields, encode_frame

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = Header(
    format="signalbox-session", version=1, venue="ibkr", started=AT, account="DU1", clock="wall",
    market_data_type="LIVE", timeframes=("1m",), instruments=(),
)  # fmt: skip
PATIENCE_SECONDS = 0.3
SECONDS_MAX = 60.0
CONTRACT = ("0", "SPY", "STK")
BEGIN = [
    (">", ("hello", "v157..178")),
    ("<", ("hello", "178", "20240305 15:00:00 UTC")),
    (">", ("71", "2", "7")),
    ("<", ("9", "1", "100")),
]


def session(*said: tuple[str, Fields], what: Said = Said.SAID) -> Session:
    sides = {">": "gateway", "<": "venue"}
    lines = [
        Line(at=AT + timedelta(seconds=at), link=1, by=sides[by], what=what, fields=fields)  # type: ignore[arg-type]
        for at, (by, fields) in enumerate([*BEGIN, *said])
    ]
    return Session(HEADER, tuple(lines))


class Orders:
    """A trader that only says what it was told."""

    def __init__(self) -> None:
        self.told: list[Fields] = []

    async def place(self, recorded: Fields) -> None:
        self.told.append(recorded)

    async def cancel(self, recorded: Fields) -> None:
        self.told.append(recorded)

    async def refusals(self) -> str:
        return "the desk has no such order"


class Client:
    """A gateway of a few lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._frames = reader, writer, FrameSplitter()
        self._heard: list[Fields] = []

    def say(self, *fields: str) -> None:
        self._writer.write(encode_frame(fields))

    async def hears(self) -> Fields:
        async with asyncio.timeout(SECONDS_MAX):
            while not self._heard:
                data = await self._reader.read(65536)
                assert data, "the venue has ended it"
                self._heard += [tuple(decode_fields(payload)) for payload in self._frames.feed(data)]
        return self._heard.pop(0)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Playing:
    def __init__(self, said: Session) -> None:
        self.orders = Orders()
        script = script_of(said)
        self._client_id = script.now_called["7"]
        self.venue = RecordedVenue(script, self.orders, time.monotonic, PATIENCE_SECONDS)
        self.over: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Playing:
        await self.venue.__aenter__()
        self.over = asyncio.create_task(self.venue.play())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.over is not None
        self.over.cancel()
        await asyncio.gather(self.over, return_exceptions=True)
        await self.venue.__aexit__()

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.venue.port)
        writer.write(b"API\0")
        client = Client(reader, writer)
        client.say("v157..178")
        assert (await client.hears())[0] == "178"
        client.say("71", "2", self._client_id, "")
        assert await client.hears() == ("9", "1", "100")
        return client

    async def ends(self) -> None:
        assert self.over is not None
        async with asyncio.timeout(SECONDS_MAX):
            await self.over


@pytest.fixture
async def playing(request: pytest.FixtureRequest) -> AsyncIterator[Playing]:
    async with Playing(session(*request.param)) as made:
        yield made


def said(*lines: tuple[str, Fields]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("playing", [lines], indirect=True)


EXECUTIONS = [(">", ("7", "3", "55", "0")), ("<", ("11", "55", "4", *["0"] * 24)), ("<", ("55", "1", "55"))]


@said(*EXECUTIONS)
async def test_an_answer_bears_the_id_of_who_asks(playing: Playing) -> None:
    client = await playing.client()
    client.say("7", "3", "901", "0")
    assert (await client.hears())[:2] == ("11", "901")
    assert await client.hears() == ("55", "1", "901")
    await playing.ends()
    assert playing.venue.differences == []
    await client.close()


@said((">", ("16", "1")), ("<", ("53", "1")), *EXECUTIONS)
async def test_money_is_told_in_the_recorded_order(playing: Playing) -> None:
    client = await playing.client()
    client.say("7", "3", "901", "0")
    client.say("16", "1")
    assert await client.hears() == ("53", "1")
    assert (await client.hears())[0] == "11"
    await playing.ends()
    await client.close()


@said(
    *[(">", ("9", "8", "1", *CONTRACT)), ("<", ("10", "1", "SPY")), ("<", ("52", "1", "1"))],
    *[(">", ("9", "8", "2", "5", "AAPL", "STK")), ("<", ("10", "2", "AAPL")), ("<", ("52", "1", "2"))],
)
async def test_reference_data_is_told_in_any_order(playing: Playing) -> None:
    client = await playing.client()
    client.say("9", "8", "31", "5", "AAPL", "STK")
    assert await client.hears() == ("10", "31", "AAPL")
    assert await client.hears() == ("52", "1", "31")
    client.say("9", "8", "32", *CONTRACT)
    assert await client.hears() == ("10", "32", "SPY")
    assert await client.hears() == ("52", "1", "32")
    await playing.ends()
    assert playing.venue.differences == []
    client.say("49", "1")
    assert (await client.hears())[0] == "49", "what was told ahead is not told again"
    await client.close()


@said(*EXECUTIONS)
async def test_what_is_not_asked_is_a_difference_and_its_answer_is_kept_back(playing: Playing) -> None:
    client = await playing.client()
    await playing.ends()
    assert playing.venue.differences == ["the recorded gateway asked REQ_EXECUTIONS 3 0, this one does not"]
    client.say("49", "1")
    assert (await client.hears())[0] == "49", "nothing was said before"
    await client.close()


@said(*EXECUTIONS)
async def test_history_that_was_not_recorded_is_refused_and_not_empty(playing: Playing) -> None:
    client = await playing.client()
    client.say("20", "77", *CONTRACT)
    told = await client.hears()
    assert told[:4] == ("4", "2", "77", "162")
    assert "no data" not in told[4].lower()
    client.say("7", "3", "901", "0")
    await playing.ends()
    assert playing.venue.unplayed() == ["REQ_HISTORICAL_DATA 0 SPY STK"]
    await client.close()


PLACED = ("3", "40", *["x"] * 30)
STATUS = ("3", "40", "Submitted", "0", "10", "0", "1", "0", "0", "7", "", "0")


@said((">", PLACED), ("<", STATUS), ("<", ("4", "2", "40", "399", "held", "")))
async def test_what_is_told_of_an_order_bears_its_number_of_today(playing: Playing) -> None:
    client = await playing.client()
    client.say("3", "812", *PLACED[2:])
    assert (await client.hears())[:3] == ("3", "812", "Submitted")
    assert (await client.hears())[:3] == ("4", "2", "812")
    assert playing.orders.told == [PLACED]
    await playing.ends()
    await client.close()


@said((">", PLACED), ("<", STATUS))
async def test_an_order_that_is_not_placed_ends_it_with_the_reason(playing: Playing) -> None:
    client = await playing.client()
    with pytest.raises(DepartedError, match="the desk has no such order"):
        await playing.ends()
    client.say("49", "1")
    assert (await client.hears())[0] == "49", "nobody is told of an order that was not placed"
    await client.close()


@said((">", PLACED), ("<", STATUS))
async def test_an_order_of_other_terms_ends_it(playing: Playing) -> None:
    client = await playing.client()
    client.say("3", "812", *PLACED[2:17], "20", *PLACED[18:])
    with pytest.raises(DepartedError, match="quantity x was recorded, 20 is written"):
        await playing.ends()
    await client.close()


@said(*EXECUTIONS, (">", ("61", "1")), ("<", ("62", "1")))
async def test_a_gateway_that_goes_ends_it(playing: Playing) -> None:
    client = await playing.client()
    client.say("7", "3", "901", "0")
    await client.hears()
    await client.close()
    with pytest.raises(DepartedError, match="the gateway ended connection 1"):
        await playing.ends()


def refusal(session: Session) -> str:
    with pytest.raises(ConfigurationError) as caught:
        script_of(session)
    return caught.value.mistakes[0]


def changed(lines: Sequence[Line]) -> Session:
    return Session(HEADER, tuple(lines))


def test_a_session_in_protocol_buffers_is_refused_with_the_reason() -> None:
    lines = [
        Line(at=AT, link=1, by="venue", fields=("hello", "203", "")),
        Line(at=AT, link=1, by="gateway", fields=("71", "2", "7")),
    ]
    assert "server version 203, whose messages are protocol buffers" in refusal(changed(lines))


def test_a_session_without_a_connection_is_refused() -> None:
    assert "there is nothing to play" in refusal(
        changed([Line(at=AT, link=1, by="venue", fields=("hello", "178", ""))])
    )


def test_a_session_of_another_port_is_refused() -> None:
    assert "was it the API port?" in refusal(session((">", ()), what=Said.UNREADABLE))
