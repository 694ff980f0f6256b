"""Where the recorder goes on: given what is recorded and what the server says."""

from __future__ import annotations

from recorder.decide import go_on, lag, not_recorded
from recorder.state import Batch, Continuity, Place, Stored, StreamEnds


def ends(created: str = "monday", first: int = 1, last: int = 10) -> StreamEnds:
    return StreamEnds(created=created, first_sequence=first, last_sequence=last)


def test_a_stream_never_seen_is_read_from_its_first_message() -> None:
    assert go_on(None, ends()) == (Place(1, "monday", 0), Continuity.FIRST_SEEN)


def test_the_same_stream_is_read_on_from_the_watermark() -> None:
    assert go_on(Place(2, "monday", 7), ends()) == (Place(2, "monday", 7), Continuity.CONTINUED)


def test_a_fully_recorded_stream_is_continued_not_rewound() -> None:
    assert go_on(Place(1, "monday", 10), ends())[1] is Continuity.CONTINUED


def test_a_recreated_stream_is_a_new_generation_from_its_start_even_if_it_is_longer() -> None:
    place, continuity = go_on(Place(1, "monday", 7), ends(created="tuesday", last=99))
    assert (place, continuity) == (Place(2, "tuesday", 0), Continuity.RECREATED)


def test_a_stream_that_lost_its_end_goes_on_there_as_a_new_generation() -> None:
    assert go_on(Place(1, "monday", 15), ends()) == (Place(2, "monday", 10), Continuity.REWOUND)


def test_what_has_expired_is_no_lag() -> None:
    assert lag(0, ends(first=8, last=10)) == 3
    assert lag(0, ends(first=11, last=10)) == 0
    assert lag(9, ends()) == 1
    assert lag(12, ends()) == 0


def rows(*sequences: int) -> list[Stored]:
    return [Stored(sequence, "a.b.c", 1, "", b"") for sequence in sequences]


def test_after_a_failure_only_what_the_file_does_not_have_is_tried_again() -> None:
    batches = [Batch("TRADE", Place(1, "monday", 9), rows(7, 9)), Batch("BARS", Place(2, "tuesday", 3), rows(2, 3))]
    assert not_recorded(batches, {}) == batches
    assert not_recorded(batches, {"TRADE": Place(1, "monday", 9), "BARS": Place(1, "monday", 40)}) == batches[1:]
    assert not_recorded(batches[:1], {"TRADE": Place(1, "monday", 7)}) == [
        Batch("TRADE", Place(1, "monday", 9), rows(9))
    ]
