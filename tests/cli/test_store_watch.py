"""A nats-server whose disk was full: what it says at /healthz, and when starting it again helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from signalbox.room import STORE_BYTES_MIN
from signalbox_cli.store_watch import FREE_BYTES_MIN, StoreTrouble, disk_bytes, free_bytes, trouble_of

# As nats-server 2.15.1 said it on a full tmpfs
STOPPED = (
    '{"status":"unavailable","error":"JetStream stream \'DESK \\u003e TRADE\' write error: write '
    '/data/jetstream/DESK/streams/TRADE/msgs/2.blk: no space left on device"}'
)


@pytest.mark.parametrize(("free", "helps"), [(FREE_BYTES_MIN, True), (FREE_BYTES_MIN - 1, False)])
def test_stopped_stream_is_named_and_a_start_helps_with_room(free: int, helps: bool) -> None:
    assert trouble_of(503, STOPPED, free) == StoreTrouble("TRADE", helps)


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (200, '{"status":"ok"}'),
        (0, ""),
        (503, '{"status":"unavailable","error":"JetStream has not established contact with a meta leader"}'),
        (503, "write error"),
    ],
)
def test_server_that_is_well_away_or_ill_otherwise_is_left_alone(status: int, health: str) -> None:
    assert trouble_of(status, health, FREE_BYTES_MIN) is None


def test_small_disk_gives_a_part_of_what_it_has_and_of_what_the_streams_have_there(tmp_path: Path) -> None:
    store = tmp_path / "none" / "yet"
    free = free_bytes(store)
    assert free // 2 < disk_bytes(store) <= free * 3 // 4 + 2**30
    assert disk_bytes(store) >= STORE_BYTES_MIN
