"""The commands for a report that anybody can reproduce: `record` a session with a venue, `replay-session` it.

Owns their words, and what is said at their end. What is hidden is `tws_redaction`'s, how it is played `playing`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from signalbox.desk import Desk, Mode, load_desk
from signalbox.errors import ConfigurationError
from signalbox.text_files import TextFileError, read_text_file

from signalbox_cli import settings
from signalbox_cli.commands import EXIT_FAILED, add_command
from signalbox_cli.output import complain, printable, show_json
from signalbox_cli.sessions.pseudonyms import WORD_CHARACTERS_MIN, Pseudonyms
from signalbox_cli.sessions.recording import TwsRecording
from signalbox_cli.sessions.relay import Relay
from signalbox_cli.sessions.session_file import FORMAT, VERSION, Header, Instrument, SessionWriter, read_session
from signalbox_cli.sessions.tws_redaction import TwsRedaction
from signalbox_cli.simulated_venues import IBKR

if TYPE_CHECKING:
    from signalbox_cli.sessions.playing import Played

HIDE_FILE_BYTES_MAX = 1_000_000
SHOWN_CHARACTERS_MAX = 160


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    record = add_command(
        commands, "record", "write down a session between a gateway and its venue, without names, for a report", ""
    )
    venues = record.add_subparsers(dest="venue", required=True, metavar="VENUE")
    ibkr = add_command(
        venues,
        IBKR,
        "stand between gateway-ibkr and TWS or IB Gateway, and write down what they say",
        """
        It listens on loopback and hands every byte on as it came. Start it, then start gateway-ibkr with
        SIGNALBOX_IBKR_PORT set to the port of --listen; do what the report is about; Ctrl-C ends it. An order that is
        placed meanwhile is a real one. Stop the gateway before you stop this: it loses its link with it.

        In the file accounts, order references, whatever somebody has chosen, keys, addresses and links have other
        names, the same for the same thing; sizes, prices and times are as they were. Sentences of the venue are kept:
        name in --hide what else must not be in them (names of people, say). At the end they are listed: read them
        before you send the file. docs/recorded-sessions.md says what is kept, and what it still tells of you.

        Example:
          signalbox record ibkr --port 4002 --listen 4010 --desk desk.toml session.jsonl

        Exit status: 0 the file is whole, 1 something was left out, 2 nothing was recorded.
        """,
    )
    ibkr.add_argument("file", type=Path, metavar="FILE", help="the new file; it must not be there yet")
    ibkr.add_argument("--host", default="127.0.0.1", help="where TWS or IB Gateway is (default 127.0.0.1)")
    ibkr.add_argument("--port", type=_port, default=4002, help="its API port (default 4002)")
    ibkr.add_argument("--listen", type=_port, default=4010, metavar="PORT", help="where to listen (default 4010)")
    ibkr.add_argument(
        "--desk", type=Path, metavar="DESK.toml", help="the gateway's desk file (default SIGNALBOX_DESK_FILE)"
    )
    ibkr.add_argument("--hide", type=Path, metavar="FILE", help="words to hide besides, one a line")
    ibkr.set_defaults(run=_record)
    replay = add_command(
        commands,
        "replay-session",
        "run the real gateway against a recorded session: does it publish what it should?",
        """
        A nats-server and the gateway are started on this machine, and a venue that says what was recorded, as soon as
        the gateway has asked what was asked then: minutes pass in seconds. Orders that were placed in the session are
        placed again, on that venue alone. What the gateway publishes is printed, a line each.

        Examples:
          signalbox replay-session session.jsonl
          signalbox replay-session session.jsonl --json --folder run/session     (keeps the gateway's log)

        Exit status: 0 the gateway placed and cancelled what was recorded, 1 it did not, or in other terms (which is
        said), 2 the file can not be played: it is no session, or damaged.
        """,
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="what `signalbox record` wrote")
    replay.add_argument("--folder", type=Path, help="where logs and streams go (default: a temporary folder)")
    replay.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    replay.set_defaults(run=_replay)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: it is a number from 1 to 65535")
    return int(text)


# ------------------------------------------------------------------------------------------------------- recording


async def _record(arguments: argparse.Namespace) -> int:
    desk = load_desk(arguments.desk or settings.desk_file())
    _refuse_live(desk, arguments.port)
    redaction = TwsRedaction(Pseudonyms(_words(arguments.hide)))
    writer = SessionWriter(arguments.file, header_of(desk, redaction.names, datetime.now(UTC)))
    recording = TwsRecording(writer, redaction, _say)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with Relay(arguments.listen, (arguments.host, arguments.port), recording) as relay:
            _say(
                f"recording into {arguments.file}: start gateway-ibkr with SIGNALBOX_IBKR_PORT={relay.port}; "
                "Ctrl-C ends the recording"
            )
            await stop.wait()
    except OSError as error:
        writer.discard()
        raise ConfigurationError(
            [f"port {arguments.listen} can not be used ({error.strerror}): say --listen"]
        ) from None
    writer.close(recording.now())
    _tell_recorded(arguments.file, writer, redaction)
    return EXIT_FAILED if writer.full else 0


def header_of(desk: Desk, names: Pseudonyms, started: datetime) -> Header:
    """The first line of a session with IBKR of this desk."""
    instruments = (
        Instrument(symbol=each.symbol, exchange=each.exchange, currency=each.currency)
        for each in desk.instruments
        if each.venue == IBKR
    )
    return Header(
        format=FORMAT,
        version=VERSION,
        venue=IBKR,
        started=started,
        account=names.account(desk.only_account(IBKR)),
        clock=desk.clock.value,
        market_data_type=desk.venues[IBKR].market_data_type,
        timeframes=desk.timeframes,
        instruments=tuple(instruments),
    )


def _refuse_live(desk: Desk, port: int) -> None:
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


def _tell_recorded(file: Path, writer: SessionWriter, redaction: TwsRedaction) -> None:
    _say(f"{file}: {writer.lines} lines. Play it: signalbox replay-session {file}")
    if redaction.kept_texts:
        _say("Sentences of the venue that are in the file; read them before you send it:")
        for text in redaction.kept_texts:
            _say(f"  {printable(text)[:SHOWN_CHARACTERS_MAX]}")


def _say(text: str) -> None:
    print(text, flush=True)


# ------------------------------------------------------------------------------------------------------- replaying


async def _replay(arguments: argparse.Namespace) -> int:
    from signalbox_cli.sessions.playing import play

    session = read_session(arguments.file)
    if session.header.venue != IBKR:
        raise ConfigurationError(
            [f"{arguments.file} is a session with {session.header.venue[:40]!r}: only ibkr is played"]
        )
    if session.cut:
        complain(session.cut)
    say = complain if arguments.json else _say
    if arguments.folder is not None:
        played = await play(session, arguments.folder, say)
    else:
        with tempfile.TemporaryDirectory(prefix="signalbox-session-") as folder:
            played = await play(session, Path(folder), say)
    _show(played, as_json=arguments.json)
    bars = sum(each.stream == "BARS" for each in played.published)
    reports = sum(each.stream == "REPORTS" for each in played.published)
    said = [*played.differences, *(f"this gateway asked {words}, the recorded one did not" for words in played.unasked)]
    complain(*said, *([played.departed] if played.departed else []))
    if not arguments.json:
        _say(f"played {len(session.lines)} lines: {reports} reports, {bars} bars; {len(said)} differences")
    return EXIT_FAILED if played.departed else 0


def _show(played: Played, *, as_json: bool) -> None:
    for each in played.published:
        message = json.loads(each.payload)
        if as_json:
            show_json({"stream": each.stream, "subject": each.subject, "message": message})
        elif each.stream in ("REPORTS", "DEAD"):
            left_out = ("type", "id", "at", "cause", "venue", "account", "received_at")
            about = {
                name: value for name, value in message.items() if name not in left_out and value not in ("", [], None)
            }
            _say(printable(f"{message.get('at', '')}  {message.get('type', '')}  {json.dumps(about)}"))
