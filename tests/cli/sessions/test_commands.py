"""`signalbox record` and `signalbox replay-session` as a person meets them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from signalbox_cli.__main__ import carry_out
from signalbox_cli.ports import free_port
from signalbox_cli.sessions.session_file import read_session
from simulators.tws.wire import encode_frame

from tests.running_desk import environment

DESK = Path(__file__).resolve().parents[3] / "deploy" / "desk.toml"
SECONDS_MAX = 60.0


@pytest.fixture
async def venue() -> AsyncIterator[int]:
    """Says its version and an account to whoever connects, then listens."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_frame(("178", "20240305 15:00:00 UTC")) + encode_frame(("15", "1", "DU1234567,DU7654321")))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_session_is_recorded_until_ctrl_c(venue: int, tmp_path: Path) -> None:
    file, hide, listen = tmp_path / "session.jsonl", tmp_path / "hide.txt", free_port()
    hide.write_text("Wilhelmina\n\n")
    words = ["record", "ibkr", str(file), "--port", str(venue), "--listen", str(listen), "--desk", str(DESK)]
    recorder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "signalbox_cli", *words, "--hide", str(hide)),
        env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )
    assert recorder.stdout is not None
    async with asyncio.timeout(SECONDS_MAX):
        assert f"SIGNALBOX_IBKR_PORT={listen}" in (await recorder.stdout.readline()).decode()
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        writer.write(b"API\0" + encode_frame(("v157..178",)) + encode_frame(("71", "2", "11", "")))
        await reader.readexactly(len(encode_frame(("178", "20240305 15:00:00 UTC"))))
        await reader.read(65536)
        recorder.send_signal(signal.SIGINT)
        told = (await recorder.stdout.read()).decode()
        assert await recorder.wait() == 0
        writer.close()
    assert f"signalbox replay-session {file}" in told
    session = read_session(file)
    assert session.cut == ""
    assert ("15", "1", "DU0000001,DU0000002") in {line.fields for line in session.lines}
    assert session.header.account == "DU0000001"
    assert [each.symbol for each in session.header.instruments] == ["SPY", "AAPL", "0700.HK"]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        carry_out([str(word) for word in words])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_desk_on_paper_is_not_recorded_at_a_live_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("record", "ibkr", tmp_path / "s", "--port", 4001, "--desk", DESK) == 2
    assert "port 4001 is IB Gateway live" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_port_in_use_leaves_no_file(venue: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("record", "ibkr", tmp_path / "s", "--port", venue, "--listen", venue, "--desk", DESK) == 2
    assert "say --listen" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_word_too_short_to_hide_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hide").write_text("Jo\n")
    assert run("record", "ibkr", tmp_path / "s", "--desk", DESK, "--hide", tmp_path / "hide") == 2
    assert "'Jo' is too short to be hidden" in capsys.readouterr().err


def test_what_is_no_session_is_not_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s").write_text("ts,open\n")
    assert run("replay-session", tmp_path / "s") == 2
    assert "is no recorded session" in capsys.readouterr().err


def test_a_desk_on_paper_is_not_recorded_on_mainnet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("record", "dydx", tmp_path / "s", "--network", "mainnet", "--desk", DESK) == 2
    assert "--network mainnet trades real money" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_venue_is_reached_with_tls_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = "http://indexer.example.org"
    assert run("record", "dydx", tmp_path / "s", "--indexer-url", plain, "--desk", DESK) == 2
    assert "has no TLS" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


async def test_a_session_with_dydx_is_recorded_until_ctrl_c(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"height":"7","time":"2024-03-05T14:30:03.397Z"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nRetry-After: 7\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    file, node, indexer = tmp_path / "session.jsonl", free_port(), free_port()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(SECONDS_MAX):
        venue = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        words = ["record", "dydx", str(file), "--network", "local", "--node-url", venue, "--desk", str(DESK)]
        words += ["--indexer-url", f"http://{venue}", "--websocket-url", f"ws://{venue}/v4/ws"]
        words += ["--listen-node", str(node), "--listen-indexer", str(indexer)]
        recorder = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signalbox_cli", *words), env=environment(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert recorder.stdout is not None
        told = (await recorder.stdout.readline()).decode()
        assert f"SIGNALBOX_DYDX_NODE_URL=http://127.0.0.1:{node}" in told
        reader, writer = await asyncio.open_connection("127.0.0.1", indexer)
        writer.write(b"GET /v4/height?secret=Wilhelmina HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert b'{"height":"7"' in answer
        assert b"Retry-After: 7" in answer
        writer.close()
        recorder.send_signal(signal.SIGINT)
        await recorder.stdout.read()
        assert await recorder.wait() == 0
    session = read_session(file)
    assert [line.fields[0] for line in session.lines] == ["ask", "answer"]
    assert session.lines[0].fields[2:] == ("/v4/height", "")
    assert session.header.venue == "dydx"
    assert "Wilhelmina" not in file.read_text()
