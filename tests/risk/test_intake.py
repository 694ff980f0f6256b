"""Whose turn it is: fair between names, cancels beside orders, first in first out within a name and lane."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk import intake
from risk.intake import Intake, Lane, Offer, Waiting


class Sender:
    """Makes what waits, with the next sequence."""

    def __init__(self) -> None:
        self.sequence = 0

    def order(self, name: str, intent_id: str = "", size: int = 100) -> Waiting[str]:
        self.sequence += 1
        known = intent_id or f"o{self.sequence}"
        return Waiting(self.sequence, name, Lane.ORDERS, known, "", size, known, f"ack-{self.sequence}")

    def cancel(self, name: str, order_id: str = "elsewhere") -> Waiting[str]:
        self.sequence += 1
        return Waiting(self.sequence, name, Lane.CANCELS, "", order_id, 100, f"-{order_id}", f"ack-{self.sequence}")

    def mass_cancel(self, name: str) -> Waiting[str]:
        self.sequence += 1
        known = f"all{self.sequence}"
        return Waiting(self.sequence, name, Lane.CANCELS, "", "", 100, known, f"ack-{self.sequence}", cancels_many=True)


def drained(waits: Intake[str], now: float = 0.0) -> list[Waiting[str]]:
    found = []
    while (waiting := waits.next(now)) is not None:
        found.append(waiting)
    return found


def offered(*waiting: Waiting[str]) -> Intake[str]:
    waits: Intake[str] = Intake()
    for each in waiting:
        assert waits.offer(each, 0.0) is Offer.WAITS
    return waits


def test_names_take_turns_and_lanes_alternate() -> None:
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(4)), s.order("bob"), s.cancel("carol"), s.order("bob"))
    assert [(w.name, w.lane) for w in drained(waits)][:5] == [
        ("carol", Lane.CANCELS),
        ("alice", Lane.ORDERS),
        ("bob", Lane.ORDERS),
        ("alice", Lane.ORDERS),
        ("bob", Lane.ORDERS),
    ]


def test_while_room_is_scarce_a_name_that_has_had_many_decisions_waits_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 4.0)
    monkeypatch.setattr(intake, "BRIEF_BELOW", 2.0)
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(5)), s.order("bob"), s.cancel("alice"))
    waits.spare(True)
    assert sorted(w.name for w in drained(waits)) == ["alice", "alice", "alice", "alice", "bob"]  # three and a cancel
    assert waits.held_back(0.0) == {"alice"}
    assert waits.wait_seconds(0.0) == pytest.approx(1.0 / intake.DECISIONS_PER_SECOND)
    waits.spare(False)
    assert waits.held_back(0.0) == set()
    assert [w.name for w in drained(waits)] == ["alice"]


def test_a_flood_of_cancels_does_not_starve_anothers_order() -> None:
    s = Sender()
    waits = offered(*(s.cancel("alice") for _ in range(100)), s.order("bob"))
    assert "bob" in [w.name for w in drained(waits)][:2]


def test_an_order_moves_up_with_its_cancel() -> None:
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(3)), s.order("alice", "late"), s.cancel("alice", "late"))
    assert [w.message for w in drained(waits)] == ["late", "o1", "-late", "o2", "o3"]


def test_a_cancel_of_another_names_order_moves_nothing() -> None:
    s = Sender()
    waits = offered(s.order("alice", "x"), s.order("alice", "y"), s.cancel("bob", "y"))
    assert [w.message for w in drained(waits)] == ["-y", "x", "y"]


def test_a_cancel_of_many_keeps_its_place_among_what_its_sender_sends() -> None:
    s = Sender()
    sent = [s.order("alice", "a1"), s.order("alice", "a2"), s.cancel("alice", "a2"), s.order("alice", "a3")]
    sent += [s.mass_cancel("alice"), s.order("alice", "a4"), s.cancel("alice", "a4"), s.order("alice", "a5")]
    found = [w.message for w in drained(offered(*sent))]
    assert found == ["a2", "-a2", "a1", "a3", "all5", "a4", "-a4", "a5"]


def test_a_cancel_of_many_waits_for_no_other_name_and_moves_none_of_theirs() -> None:
    s = Sender()
    others = [s.order("bob") for _ in range(50)]
    waits = offered(*others, s.order("alice", "mine"), s.mass_cancel("alice"), s.cancel("bob", "elsewhere"))
    found = [w.message for w in drained(waits)]
    assert found.index("mine") < found.index("all52") <= 5
    assert [name for name in found if name in {w.message for w in others}] == [w.message for w in others]


def test_what_is_sent_after_a_cancel_of_many_was_decided_is_in_its_own_lane_again() -> None:
    s = Sender()
    waits = offered(s.order("alice"), s.mass_cancel("alice"), s.order("alice"))
    assert [w.lane for w in drained(waits)] == [Lane.CANCELS] * 3
    assert waits.offer(s.order("alice"), 0.0) is Offer.WAITS
    assert [w.lane for w in drained(waits)] == [Lane.ORDERS]


def test_a_name_has_one_turn_of_a_lane_however_its_orders_were_moved_up() -> None:
    s = Sender()
    waits = offered(s.order("alice"), s.mass_cancel("alice"))
    drained(waits)
    for waiting in (s.order("alice"), s.order("alice"), s.order("alice"), s.order("bob")):
        waits.offer(waiting, 0.0)
    assert [w.name for w in drained(waits)] == ["alice", "bob", "alice", "alice"]


def test_who_may_have_no_order_decided_for_now_cancels_all_that_waits_with_what_he_has_for_cancels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 3.0)
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(4)))
    assert len(drained(waits)) == 3
    assert waits.held_back(0.0) == {"alice"}
    waits.offer(s.mass_cancel("alice"), 0.0)
    assert waits.held_back(0.0) == set()
    assert [w.message for w in drained(waits)] == ["o4", "all5"]


def test_a_cancel_of_many_costs_its_sender_as_many_as_it_was_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 10.0)
    s = Sender()
    waits = offered(s.mass_cancel("alice"), s.mass_cancel("alice"), s.mass_cancel("alice"), s.mass_cancel("bob"))
    first, bobs, second = waits.next(0.0), waits.next(0.0), None
    assert (first and first.name, bobs and bobs.name) == ("alice", "bob")
    assert first is not None
    waits.charge(first, 0)  # a decision it was all the same
    second = waits.next(0.0)
    assert second is not None
    waits.charge(second, 28)  # 10 - 1 - 28
    assert waits.next(0.0) is None
    assert waits.held_back(0.0) == {"alice"}
    assert waits.wait_seconds(0.0) == pytest.approx(20 / intake.DECISIONS_PER_SECOND)
    assert waits.next(1.01) is not None


def test_what_is_delivered_again_waits_once_and_is_acknowledged_by_its_last_delivery() -> None:
    s = Sender()
    first = s.order("alice")
    waits = offered(first)
    again = Waiting(first.sequence, "alice", Lane.ORDERS, "o1", "", 100, "o1", "ack-again")
    assert waits.offer(again, 0.0) is Offer.WAITS_ALREADY
    assert [w.reply for w in drained(waits)] == ["ack-again"]


def test_one_name_may_have_only_so_many_waiting() -> None:
    s = Sender()
    waits: Intake[str] = Intake(waiting_per_name_max=2)
    assert [waits.offer(s.order("alice"), 0.0) for _ in range(3)] == [Offer.WAITS, Offer.WAITS, Offer.TOO_MANY]
    assert waits.offer(s.order("bob"), 0.0) is Offer.WAITS
    waits.next(0.0)
    assert waits.offer(s.order("alice"), 0.0) is Offer.WAITS


def test_payloads_beyond_what_one_name_may_have_kept_are_left_in_the_stream() -> None:
    s = Sender()
    size = intake.KEPT_BYTES_PER_NAME_MAX // 2
    waits = offered(*(s.order("alice", size=size) for _ in range(3)), s.order("bob", size=size))
    assert [(w.name, w.message is None) for w in drained(waits)] == [
        ("alice", False),
        ("bob", False),
        ("alice", False),
        ("alice", True),
    ]
    assert waits.offer(s.order("alice", size=size), 0.0) is Offer.WAITS
    assert drained(waits)[0].message is not None  # what has left is not counted any more


def test_a_name_that_has_used_up_its_decisions_waits_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 2.0)
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(4)), s.order("bob"))
    assert [w.name for w in drained(waits)] == ["alice", "bob", "alice"]
    assert waits.held_back(0.0) == {"alice"}
    assert waits.wait_seconds(0.0) == pytest.approx(1 / intake.DECISIONS_PER_SECOND)
    waits.offer(s.cancel("alice", "elsewhere"), 0.0)
    assert [w.lane for w in drained(waits)] == [Lane.CANCELS]  # for getting out there is a bucket of its own
    assert len(drained(waits, 0.051)) == 1
    assert len(drained(waits, 1.0)) == 1
    assert waits.wait_seconds(1.0) is None
    assert waits.held_back(1.0) == set()


def test_a_bucket_never_holds_more_than_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 2.0)
    s = Sender()
    waits = offered(s.order("alice"))
    assert len(drained(waits)) == 1
    for _ in range(5):
        waits.offer(s.order("alice"), 1e6)
    assert len(drained(waits, 1e6)) == 2


def test_denials_become_brief_once_half_of_the_decisions_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECISIONS_BURST_MAX", 4.0)
    monkeypatch.setattr(intake, "BRIEF_BELOW", 2.0)
    s = Sender()
    waits = offered(*(s.order("alice") for _ in range(4)))
    brief = []
    while (waiting := waits.next(0.0)) is not None:
        brief.append(waits.is_brief(waiting))
    assert brief == [False, False, True, True]


NAMES = st.sampled_from(["alice", "bob", "carol"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), NAMES, st.sampled_from("abcdef")),
        st.tuples(st.just("cancel"), NAMES, st.sampled_from("abcdef")),
        st.tuples(st.just("all"), NAMES),
        st.tuples(st.just("again"), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(STEPS)
def test_nothing_is_lost_doubled_or_overtaken_and_every_name_has_its_turn(steps: list[Any]) -> None:
    s, waits, sent, done = Sender(), Intake[str](), [], []
    for kind, *terms in steps:
        if kind == "turn":
            for _ in range(terms[0]):
                done += [waiting] if (waiting := waits.next(0.0)) is not None else []
        elif kind == "again":
            waiting_now = [each for each in sent if each not in done]
            if waiting_now:
                assert waits.offer(waiting_now[terms[0] % len(waiting_now)], 0.0) is Offer.WAITS_ALREADY
        else:
            name, order_id = terms[0], "-".join(terms)
            if kind == "all":
                waiting = s.mass_cancel(name)
            else:
                waiting = s.order(name, order_id) if kind == "order" else s.cancel(name, order_id)
            sent.append(waiting)
            assert waits.offer(waiting, 0.0) is Offer.WAITS
    assert len(waits) == len(sent) - len(done)
    rest = drained(waits)
    for name in {each.name for each in rest}:  # each with something waiting is served within one round of both lanes
        assert name in {each.name for each in rest[:6]}
    done += rest
    assert sorted(each.sequence for each in done) == [each.sequence for each in sent]
    place = {each.sequence: number for number, each in enumerate(done)}
    for earlier in sent:
        for later in sent:
            same = earlier.name == later.name and earlier.sequence < later.sequence
            if same and later.cancels == earlier.intent_id != "":
                first_of_id = next(each for each in sent if each.intent_id == earlier.intent_id)
                assert place[first_of_id.sequence] < place[later.sequence]
            if same and (earlier.cancels_many or later.cancels_many):
                assert place[earlier.sequence] < place[later.sequence]
            if same and earlier.lane is later.lane and not (earlier.moved or later.moved):
                assert place[earlier.sequence] < place[later.sequence]
    assert not waits._sequences
    assert all(not name.orders and not name.waiting and not name.kept_bytes for name in waits._names.values())
