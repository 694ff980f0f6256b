"""The form of a checkpoint: frames in parts, what a manifest says of them, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import checkpoints
from signalbox.checkpoints import Frames, decode_manifest, mark, parts_of
from signalbox.seals import Seals, links_of, parse
from signalbox.subjects import checkpoint_part

AT = datetime(2024, 1, 2, tzinfo=UTC)


@given(frames=st.lists(st.binary(max_size=50)), size=st.integers(1, 60))
def test_frames_are_put_together_again_from_any_parts(frames: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(checkpoints, "PART_BYTES", size)
        parts = list(parts_of(frames))
    assert all(len(part) <= size for part in parts)
    again, found = Frames(), []
    for part in parts:
        found += again.add(part)
    again.end()
    assert found == frames


def test_a_frame_that_is_not_whole_is_none() -> None:
    (part,) = parts_of([b"abc", b"defg"])
    frames = Frames()
    assert list(frames.add(part[:-1])) == [b"abc"]
    with pytest.raises(ValueError, match="not whole"):
        frames.end()


def test_a_frame_longer_than_any_is_refused_before_it_is_waited_for() -> None:
    with pytest.raises(ValueError, match="longer"):
        list(Frames().add(b"\xff\xff\xff\xff..."))


def test_a_checkpoint_has_so_many_bytes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PART_BYTES", 10)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_BYTES_MAX", 100)
    assert len(list(parts_of([b"x" * 96]))) == 10
    with pytest.raises(ValueError, match="at most"):
        list(parts_of(b"x" * 10 for _ in range(30)))


def test_a_message_is_marked_by_all_that_it_is() -> None:
    marks = {
        mark("order.a.b.c", AT, b"x"),
        mark("order.a.b.d", AT, b"x"),
        mark("order.a.b.c", AT + timedelta(microseconds=1), b"x"),
        mark("order.a.b.c", AT, b"y"),
    }
    assert len(marks) == 4


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b"{}", b"[" * 100_000])
def test_any_bytes_may_stand_where_a_manifest_should(payload: bytes) -> None:
    assert decode_manifest(payload) is None


def text_of(*links: str, digit: str = "1") -> str:
    return "".join(f"{link} = {digit * 64}\n" for link in links)


def sealed(seals: Seals, service: str) -> str:
    return seals.seal(checkpoint_part(service, 0, 0), lambda name: "", b"part")


def fault(seals: Seals, service: str, seal: str) -> str:
    return seals.fault(checkpoint_part(service, 0, 0), lambda name: seal if name == "Signalbox-Seal" else "", b"part")


@pytest.mark.parametrize("service", ["risk", "oms"])
def test_only_a_service_itself_can_seal_its_checkpoints(service: str) -> None:
    own = parse(text_of(*links_of(service)))
    seal = sealed(own, service)
    assert fault(own, service, seal) == ""
    for other in ("risk", "oms", "gateway-ibkr", "gateway-dydx", "bootstrap", "operator"):
        if other != service:
            theirs = parse(text_of(*links_of(other)))
            assert sealed(theirs, service) == ""
            assert fault(theirs, service, seal) != ""
    assert fault(own, service, "") != ""
    everything = parse(text_of(*{*links_of("risk"), *links_of("oms")}))
    assert sealed(everything, service) == ""


def test_with_other_keys_or_another_history_a_checkpoint_is_not_believed() -> None:
    text = text_of(*links_of("oms"))
    seal = sealed(parse(text), "oms")
    for changed in (
        text_of(*links_of("oms"), digit="2"),
        text.replace("oms-gateway-dydx = 1", "oms-gateway-dydx = 2"),
        text + text_of("risk-oms", digit="3"),  # an older key is believed too
        text + "accept TRADE = 7\n",
    ):
        assert fault(parse(changed), "oms", seal) != ""
    assert fault(parse(text), "oms", seal) == ""
