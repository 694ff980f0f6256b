"""The whole recorder against a real nats-server: what is in the streams is in the file, whoever is killed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from recorder.database import PAYLOAD_BYTES_MAX
from signalbox.bus.follow import SILENCE_SECONDS_MAX

if TYPE_CHECKING:
    from signalbox.bus import Bus

ORDER = "order.ibkr.DU1.i"
WAIT_SECONDS_MAX = 60.0


async def publish(bus: Bus, first: int, count: int, subject: str = ORDER) -> None:
    """Store `count` messages, the ids of which begin at `first`."""
    for number in range(first, first + count):
        await bus.raw_publish(
            subject, json.dumps({"n": number}).encode(), {"Nats-Msg-Id": f"message-{subject}-{number}"}
        )


async def in_stream(bus: Bus, stream: str) -> list[tuple[int, str, str, bytes]]:
    return [(row.sequence, row.subject, row.message_id, as_kept(row.payload)) async for row in bus.read(stream)]


def as_kept(payload: bytes) -> bytes:
    """Of a payload that is longer than the record keeps: the beginning, then size and MD5 of the whole."""
    if len(payload) <= PAYLOAD_BYTES_MAX:
        return payload
    return payload[:PAYLOAD_BYTES_MAX] + f"|{len(payload)}|{hashlib.md5(payload).hexdigest()}".encode()


def in_file(path: Path, stream: str, generation: int = 1) -> list[tuple[int, str, str, bytes]]:
    with duckdb.connect(str(path), read_only=True) as plain:
        found = plain.execute(
            "SELECT sequence, subject, message_id, payload_bytes, payload, "
            "coalesce(concat('|', payload_size, '|', payload_md5), '') FROM recorded "
            "WHERE stream = ? AND generation = ? ORDER BY sequence",
            [stream, generation],
        ).fetchall()
    return [
        (
            sequence,
            subject,
            message_id,
            (text.encode() if text is not None else raw) + (cut.encode() if cut != "||" else b""),
        )
        for sequence, subject, message_id, raw, text, cut in found
    ]


async def test_the_file_holds_the_streams_byte_for_byte(nats_server: Any, recorder: Any) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    for number, payload in enumerate((b"{}", b"", b"\xff\xfe\x00", "é\n\0".encode(), b"x" * 100_000, b'{"a": 1 }')):
        await oms.raw_publish(ORDER, payload, {"Nats-Msg-Id": f"odd-{number}"})
    await oms.raw_publish("order.ibkr.DU1.0700%2EHK", b"no id", {})
    recorder.start()
    await recorder.until_recorded("TRADE", 7)
    await recorder.until_recorded("KV_CONTROL", 1)
    await recorder.until_ready()
    stored, control = await in_stream(reader, "TRADE"), await in_stream(reader, "KV_CONTROL")
    assert recorder.stop() == 0, recorder.log
    assert len(stored) == 7
    assert in_file(recorder.database_file, "TRADE") == stored
    assert in_file(recorder.database_file, "KV_CONTROL") == control


async def test_empty_messages_do_not_make_a_transaction_each(nats_server: Any, recorder: Any) -> None:
    """nats-server ends what comes of a pull with each of them."""
    oms, bare = await nats_server.connect("oms"), await nats_server.client("oms")
    reader = await nats_server.connect("recorder")
    count = 200
    for number in range(count):
        await bare.request(ORDER, b"", timeout=5)
        await publish(oms, number, 1)
    await bare.close()
    recorder.start(batch_delay_seconds_max="1.0")
    await recorder.until_recorded("TRADE", 2 * count)
    transactions = recorder.metric("signalbox_recorder_batch_seconds_count")
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert in_file(recorder.database_file, "TRADE") == stored
    assert transactions < count / 2


async def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed_again_and_again(
    nats_server: Any, recorder: Any
) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    count = 2_000
    publishing = asyncio.create_task(publish(oms, 0, count))
    for round_number in range(1, 7):  # killed while it reads, collects or commits: a small batch gives many edges
        recorder.start(batch_rows_max="37", batch_delay_seconds_max="0.001")
        await recorder.until_recorded("TRADE", round_number * 200)
        recorder.kill()
    recorder.start()
    await publishing
    await recorder.until_recorded("TRADE", count)
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert len(stored) == count
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_nothing_is_lost_or_doubled_when_nats_is_killed_while_messages_flow(
    nats_server: Any, recorder: Any
) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    recorder.start()
    await recorder.until_ready()
    count = 0
    for _ in range(3):
        publishing = asyncio.create_task(publish(oms, count, 300))
        await recorder.until_recorded("TRADE", count + 20)
        nats_server.restart()
        await publishing
        count += 300
    await recorder.until_recorded("TRADE", count)
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert [row[3] for row in stored] == [json.dumps({"n": number}).encode() for number in range(count)]
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_a_recreated_stream_becomes_a_new_generation(nats_server: Any, recorder: Any) -> None:
    gateway = await nats_server.connect("gateway-ibkr")
    reader = await nats_server.connect("recorder")
    await publish(gateway, 0, 5, "md.bar.ibkr.SPY.1m")
    recorder.start()
    await recorder.until_recorded("BARS", 5)
    bootstrapper = await nats_server.client("bootstrap")
    await bootstrapper.request("$JS.API.STREAM.DELETE.BARS", b"", timeout=5)
    await bootstrapper.close()
    await nats_server.bootstrap()
    await publish(gateway, 100, 3, "md.bar.ibkr.SPY.1m")
    async with asyncio.timeout(60):
        while await recorder.rows("SELECT max(generation) FROM recorded WHERE stream = 'BARS'") != [[2]]:
            await asyncio.sleep(0.02)
    await recorder.until_recorded("BARS", 3)
    stored = await in_stream(reader, "BARS")
    assert recorder.stop() == 0, recorder.log
    assert [row[3] for row in in_file(recorder.database_file, "BARS", 1)] == [b'{"n": %d}' % n for n in range(5)]
    assert in_file(recorder.database_file, "BARS", 2) == stored
    assert "recreated" in recorder.log


async def test_a_stream_recreated_while_the_recorder_was_down_is_noticed_though_it_is_longer_by_then(
    nats_server: Any, recorder: Any
) -> None:
    gateway = await nats_server.connect("gateway-ibkr")
    reader = await nats_server.connect("recorder")
    await publish(gateway, 0, 5, "md.bar.ibkr.SPY.1m")
    recorder.start()
    await recorder.until_recorded("BARS", 5)
    await recorder.until_ready()
    assert recorder.stop() == 0, recorder.log
    bootstrapper = await nats_server.client("bootstrap")
    await bootstrapper.request("$JS.API.STREAM.DELETE.BARS", b"", timeout=5)
    await bootstrapper.close()
    await nats_server.bootstrap()
    await publish(gateway, 100, 12, "md.bar.ibkr.SPY.1m")
    recorder.start()
    await recorder.until_recorded("BARS", 12)
    stored = await in_stream(reader, "BARS")
    assert recorder.stop() == 0, recorder.log
    assert len(in_file(recorder.database_file, "BARS", 1)) == 5
    assert in_file(recorder.database_file, "BARS", 2) == stored
    assert len(stored) == 12


async def test_an_idle_recorder_keeps_its_follows_and_ends_without_a_warning(nats_server: Any, recorder: Any) -> None:
    oms = await nats_server.connect("oms")
    await publish(oms, 0, 5)
    recorder.start()
    await recorder.until_ready()
    clock = asyncio.get_running_loop().time
    noticed_by = clock() + SILENCE_SECONDS_MAX + 2.0  # a follow that hears no heartbeat breaks before
    async with asyncio.timeout(2 * SILENCE_SECONDS_MAX + 4.0):
        while clock() < noticed_by:
            assert "reading the stream again" not in recorder.log
            await asyncio.sleep(0.1)
    assert recorder.stop() == 0
    assert '"level": "warning"' not in recorder.log
    assert '"level": "error"' not in recorder.log


async def logged(recorder: Any, text: str) -> None:
    """Wait until the recorder has said so."""
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while text not in recorder.log:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{text!r} is not in its log: {recorder.log}") from None


async def test_a_second_recorder_stands_by_and_goes_on_where_the_first_one_stopped(
    nats_server: Any, recorder: Any
) -> None:
    oms = await nats_server.connect("oms")
    recorder.start()
    await recorder.until_ready()
    second = type(recorder)(nats_server, recorder.database_file)
    second.log_file = recorder.database_file.with_suffix(".second.log")
    second.start()
    try:
        await logged(second, "standing by")
        await publish(oms, 0, 10)
        assert (await recorder.query("SELECT 1")).error == ""
        assert recorder.stop() == 0
        await publish(oms, 10, 10)
        await second.until_recorded("TRADE", 20)
        assert second.stop() == 0
    finally:
        second.close()
    assert '"level": "error"' not in second.log
    assert len(in_file(recorder.database_file, "TRADE")) == 20


async def test_a_recorder_waits_while_somebody_else_has_the_file_open(recorder: Any) -> None:
    reading = "import duckdb, sys; file = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", reading, str(recorder.database_file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    await other.stdout.readline()
    try:
        recorder.start()
        await logged(recorder, f"is in use by another process (pid {other.pid})")
    finally:
        other.kill()
        await other.wait()
    await recorder.until_ready()
    assert recorder.log.count("is in use by another process") == 1


async def test_a_file_that_can_not_grow_is_said_survived_and_written_once_it_can(
    nats_server: Any, recorder: Any
) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    await publish(oms, 0, 1500)
    recorder.start()
    await recorder.until_ready()
    recorder.limit_file_sizes(recorder.database_file.stat().st_size + 20_000)
    await publish(oms, 1500, 600)
    await logged(recorder, "the database can not be written: trying again")
    assert "nothing is lost" in " ".join((await recorder.status()).waiting_for)
    assert recorder.metric("signalbox_recorder_writable") == 0.0
    assert recorder.metric("signalbox_recorder_write_failures_total") >= 1.0
    assert 0 < (await recorder.rows("SELECT max(sequence) FROM order_events"))[0][0] < 2100
    await publish(oms, 2100, 10)
    recorder.limit_file_sizes(resource.RLIM_INFINITY)
    await recorder.until_recorded("TRADE", 2110)
    await recorder.until_ready()
    assert recorder.metric("signalbox_recorder_writable") == 1.0
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_a_recorder_started_on_a_full_disk_waits_and_loses_nothing(nats_server: Any, recorder: Any) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    recorder.start_with_file_size_limit(20_000)
    await logged(recorder, "waiting for the database")
    await publish(oms, 0, 20)
    recorder.limit_file_sizes(resource.RLIM_INFINITY)
    await recorder.until_recorded("TRADE", 20)
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_a_keeper_that_is_killed_is_started_again_and_nothing_is_lost(nats_server: Any, recorder: Any) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    recorder.start()
    publishing = asyncio.create_task(publish(oms, 0, 900))
    for number in range(1, 4):
        await recorder.until_recorded("TRADE", number * 150)
        os.kill(recorder.keeper_pid, signal.SIGKILL)
    await publishing
    await recorder.until_recorded("TRADE", 900)
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_forty_intents_of_a_megabyte_of_junk_harm_neither_recording_nor_queries(
    nats_server: Any, recorder: Any
) -> None:
    oms = await nats_server.connect("oms")
    reader = await nats_server.connect("recorder")
    recorder.start()
    for number in range(40):
        await oms.raw_publish(ORDER, os.urandom(60_000).hex().encode()[:-number], {"Nats-Msg-Id": f"junk-{number}"})
    await publish(oms, 0, 3)
    await recorder.until_recorded("TRADE", 43)
    recorder.kill()
    recorder.start()
    await recorder.until_ready()
    assert await recorder.rows("SELECT count(*) FROM order_events") == [[43]]
    assert await recorder.rows("SELECT count(*) FROM orders") == [[0]]
    assert recorder.database_file.stat().st_size < 10_000_000
    stored = await in_stream(reader, "TRADE")
    assert recorder.stop() == 0, recorder.log
    assert in_file(recorder.database_file, "TRADE") == stored


async def test_the_file_is_for_its_owner_and_group_alone(nats_server: Any, recorder: Any) -> None:
    recorder.start()
    await recorder.until_ready()
    assert recorder.database_file.stat().st_mode & 0o777 == 0o640
    assert recorder.stop() == 0
