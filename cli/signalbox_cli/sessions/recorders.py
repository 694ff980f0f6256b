"""Recording a session with a venue: what stands between the two, for as long as somebody wants, and what is said then.

Owns the file's first line, whom a recorder refuses, and its end. It must not know what is hidden (`tws_redaction`,
`dydx_redaction`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalbox.desk import Desk, Mode
from signalbox.errors import ConfigurationError
from signalbox.text_files import TextFileError, read_text_file

from signalbox_cli.commands import EXIT_FAILED
from signalbox_cli.output import printable
from signalbox_cli.sessions.pseudonyms import WORD_CHARACTERS_MIN, Pseudonyms
from signalbox_cli.sessions.session_file import FORMAT, VERSION, Header, Instrument, SessionWriter
from signalbox_cli.simulated_venues import DYDX, IBKR

if TYPE_CHECKING:
    from gateway_dydx.settings import Endpoints

HIDE_FILE_BYTES_MAX = 1_000_000
SHOWN_CHARACTERS_MAX = 160


async def record_ibkr(file: Path, desk: Desk, hide: Path | None, listen: int, venue: tuple[str, int]) -> int:
    """Stand between gateway-ibkr and TWS until a signal; the exit status."""
    from signalbox_cli.sessions.relay import Relay
    from signalbox_cli.sessions.tws_recording import TwsRecording
    from signalbox_cli.sessions.tws_redaction import TwsRedaction

    _refuse_live_port(desk, venue[1])
    redaction = TwsRedaction(Pseudonyms(_words(hide)))
    names = redaction.names
    writer = SessionWriter(file, header_of(desk, IBKR, names.account(desk.only_account(IBKR)), datetime.now(UTC)))
    recording = TwsRecording(writer, redaction, say)
    relay = Relay(listen, venue, recording)
    told = f"SIGNALBOX_IBKR_PORT={listen}"
    return await _until_signal(writer, recording, names, relay, f"start gateway-ibkr with {told}")


async def record_dydx(file: Path, desk: Desk, hide: Path | None, listen: tuple[int, int], venue: Endpoints) -> int:
    """Stand between gateway-dydx and its node and indexer until a signal; the exit status."""
    from signalbox_cli.sessions.dydx_names import account_name
    from signalbox_cli.sessions.dydx_recording import DydxRecording
    from signalbox_cli.sessions.dydx_redaction import DydxRedaction
    from signalbox_cli.sessions.dydx_relay import DydxRelay

    names = Pseudonyms(_words(hide))
    account = account_name(desk.only_account(DYDX), names)
    writer = SessionWriter(file, header_of(desk, DYDX, account, datetime.now(UTC)))
    recording = DydxRecording(writer, DydxRedaction(names), say)
    node, indexer = listen
    told = (
        f"start gateway-dydx with SIGNALBOX_DYDX_NODE_URL=http://127.0.0.1:{node} "
        f"SIGNALBOX_DYDX_INDEXER_URL=http://127.0.0.1:{indexer} "
        f"SIGNALBOX_DYDX_WEBSOCKET_URL=ws://127.0.0.1:{indexer}/v4/ws"
    )
    return await _until_signal(writer, recording, names, DydxRelay(node, indexer, venue, recording), told)


async def _until_signal(
    writer: SessionWriter, recording: Any, names: Pseudonyms, relay: AbstractAsyncContextManager[Any], told: str
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with relay:
            say(f"recording into {writer.path}: {told}; Ctrl-C ends the recording")
            await stop.wait()
    except OSError as error:
        writer.discard()
        raise ConfigurationError([f"a port can not be listened on ({error.strerror}): say --listen..."]) from None
    writer.close(recording.now())
    _tell_recorded(writer, names.sentences)
    return EXIT_FAILED if writer.full else 0


def header_of(desk: Desk, venue: str, account: str, started: datetime) -> Header:
    """The first line of a session of this desk, whose account has this name in the file."""
    instruments = (
        Instrument(symbol=each.symbol, exchange=each.exchange if venue == IBKR else "", currency=each.currency)
        for each in desk.instruments
        if each.venue == venue
    )
    return Header(
        format=FORMAT,
        version=VERSION,
        venue=venue,
        started=started,
        account=account,
        clock=desk.clock.value,
        market_data_type=desk.venues[venue].market_data_type,
        timeframes=desk.timeframes,
        instruments=tuple(instruments),
    )


def _refuse_live_port(desk: Desk, port: int) -> None:
    """Behind this the gateway can not see which port it trades on: its rule is kept here."""
    from gateway_ibkr.settings import LIVE_PORTS

    if desk.mode is Mode.PAPER and port in LIVE_PORTS:
        raise ConfigurationError([f'port {port} is {LIVE_PORTS[port]}, but the desk file says mode = "paper"'])


def _words(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        words = [line.strip() for line in read_text_file(file, HIDE_FILE_BYTES_MAX).splitlines()]
    except TextFileError as error:
        raise ConfigurationError([f"The file {file} {error}"]) from None
    short = [word for word in words if word and len(word) < WORD_CHARACTERS_MIN]
    if short:
        raise ConfigurationError(
            [f"{file}: {short[0]!r} is too short to be hidden: it would be found in every other text"]
        )
    return [word for word in words if word]


def _tell_recorded(writer: SessionWriter, sentences: Iterable[str]) -> None:
    say(f"{writer.path}: {writer.lines} lines. Play it: signalbox replay-session {writer.path}")
    told = [printable(sentence)[:SHOWN_CHARACTERS_MAX] for sentence in sentences]
    if told:
        say("Sentences of the venue that are in the file; read them before you send it:")
    for text in told:
        say(f"  {text}")


def say(text: str) -> None:
    """Tell whoever looks on, at once."""
    print(text, flush=True)
