"""Streams: no message is stored twice, none that should be stored is lost, and every reader has its consumer."""

from __future__ import annotations

from itertools import combinations

import pytest
from risk.intake import DECISIONS_BURST_MAX, DECISIONS_PER_SECOND, Lane
from signalbox.registry import REGISTRY, Declared
from signalbox.services import SERVICES
from signalbox.streams import RECORDED_STREAMS, STREAMS, Stream

CORE_NATS = {
    *("intent.*.*", "clock.desk", "md.quote.*.*", "link.*.*", "compared.*.*", "status.*", "query.sql", "whatif.intent"),
}
"""What is worth nothing a moment later, and requests: stored nowhere."""

PAIRS = [(stream, pattern) for stream in STREAMS for pattern in stream.subjects]


def overlap(one: str, other: str) -> bool:
    left, right = one.split("."), other.split(".")
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == ">":
            return len(right) > index
        if b == ">":
            return len(left) > index
        if a != b and "*" not in (a, b):
            return False
    return len(left) == len(right)


def streams_of(pattern: str) -> list[Stream]:
    return [stream for stream, stored in PAIRS if overlap(stored, pattern)]


@pytest.mark.parametrize(("one", "other"), list(combinations(PAIRS, 2)), ids=lambda pair: pair[1])
def test_subjects_of_streams_do_not_overlap(one: tuple[Stream, str], other: tuple[Stream, str]) -> None:
    assert not overlap(one[1], other[1])


@pytest.mark.parametrize("declared", REGISTRY, ids=lambda declared: declared.pattern)
def test_declared_subject_is_stored_in_exactly_one_stream_or_is_live_only(declared: Declared) -> None:
    assert len(streams_of(declared.pattern)) == (0 if declared.pattern in CORE_NATS else 1)


@pytest.mark.parametrize(("stream", "pattern"), PAIRS, ids=lambda part: part if isinstance(part, str) else part.name)
def test_stream_stores_only_declared_subjects(stream: Stream, pattern: str) -> None:
    assert any(overlap(pattern, declared.pattern) for declared in REGISTRY), f"{stream.name} stores {pattern}"


def test_everything_stored_is_recorded_but_three() -> None:
    """A lease says each second that nothing has happened; an intent is in its decision, a checkpoint made of TRADE."""
    names = {stream.name for stream in set(STREAMS) - set(RECORDED_STREAMS)}
    assert names == {"INTENTS", "KV_LEASES", "CHECKPOINTS"}


@pytest.mark.parametrize("stream", RECORDED_STREAMS, ids=lambda stream: stream.name)
def test_the_record_of_a_stream_is_whole(stream: Stream) -> None:
    recorder = [consumer for consumer in stream.consumers if consumer.name == "recorder"]
    assert len(recorder) == 1
    assert recorder[0].filter_subjects == ()


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_consumer_names_are_unique_and_their_filters_are_in_the_stream(stream: Stream) -> None:
    names = [consumer.name for consumer in stream.consumers]
    assert len(set(names)) == len(names)
    stored = [f"md.bar.{number}.*.*.*" for number in range(stream.partitions)] or stream.subjects
    for consumer in stream.consumers:
        for wanted in consumer.filter_subjects:
            assert any(overlap(wanted, subject) for subject in stored), f"{consumer.name} asks for {wanted}"


def test_each_partition_of_the_bars_has_one_consumer() -> None:
    (bars,) = (stream for stream in STREAMS if stream.partitions)
    filters = [consumer.filter_subjects for consumer in bars.consumers if consumer.name != "recorder"]
    assert filters == [(f"md.bar.{number}.>",) for number in range(bars.partitions)]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_consumer_belongs_to_a_service_that_may_read_the_subject(stream: Stream) -> None:
    for consumer in stream.consumers:
        service = next(name for name in SERVICES if consumer.name.startswith(name))
        wanted = consumer.filter_subjects or stream.subjects
        for declared in REGISTRY:
            if service == "recorder" or not any(overlap(subject, declared.pattern) for subject in wanted):
                continue
            assert service in declared.read_by, f"{service} consumes {declared.pattern} of {stream.name}"


@pytest.mark.parametrize("name", ["TRADE", "COMMANDS", "LEDGER", "REPORTS"])
def test_what_proves_an_order_can_not_be_deleted(name: str) -> None:
    (stream,) = (stream for stream in STREAMS if stream.name == name)
    assert stream.deny_delete
    assert stream.age_days_max == 0 or stream.age_days_max >= 90  # 0: kept for ever


def test_claim_outlives_its_command_and_any_order() -> None:
    """Else a command that is delivered again would find no claim, or a gateway an order at the venue that it knows not.

    IBKR ends a GTC order with the quarter after the present one: 184 days at most.
    """
    ages = {stream.name: stream.age_days_max for stream in STREAMS}
    assert ages["LEDGER"] > max(ages["COMMANDS"], 184)


def test_second_command_on_a_subject_is_refused() -> None:
    (commands,) = (stream for stream in STREAMS if stream.name == "COMMANDS")
    assert (commands.per_subject_max, commands.refuse_second) == (1, True)


def test_message_ids_that_people_choose_take_a_bounded_part_of_the_servers_memory() -> None:
    """nats-server has them in memory at full length: with 16 KiB and 10 minutes that was 650 MB for one name."""
    (intents,) = (stream for stream in STREAMS if stream.name == "INTENTS")
    of_a_name = len(Lane) * (DECISIONS_BURST_MAX + DECISIONS_PER_SECOND * intents.duplicate_window_seconds)
    assert of_a_name * intents.message_bytes_max < 256 * 1024 * 1024
