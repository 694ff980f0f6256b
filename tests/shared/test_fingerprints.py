"""Fingerprints: as a set of names, or as a dictionary of names and numbers, would say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import fingerprints
from signalbox.fingerprints import Fingerprints, fingerprint

NAMES = st.text(max_size=8)
NUMBERS = st.integers(0, 2**64 - 1)


@given(added=st.lists(st.tuples(NAMES, NUMBERS)), asked=NAMES)
def test_a_name_is_known_once_it_was_added_with_each_of_its_numbers(added: list[tuple[str, int]], asked: str) -> None:
    names, numbered = Fingerprints(), Fingerprints(numbered=True)
    for name, number in added:
        names.add(name)
        numbered.add(name, number)
    for name in {asked, *(name for name, _ in added)}:
        expected = list(dict.fromkeys(number for each, number in added if each == name))
        assert (name in names) == (name in numbered) == bool(expected)
        assert list(numbered.numbers(name)) == expected
    assert (len(names), len(numbered)) == (len({name for name, _ in added}), len(set(added)))


@given(put=st.lists(st.tuples(NAMES, NUMBERS)))
def test_a_number_that_is_put_takes_the_place_of_the_one_before(put: list[tuple[str, int]]) -> None:
    found = Fingerprints(numbered=True)
    for name, number in put:
        found.put(name, number)
    assert {name: found.numbers(name) for name, _ in put} == {name: (number,) for name, number in put}


@given(added=st.lists(st.tuples(NAMES, NUMBERS)), sheets=st.sampled_from([1, 7, 1024]), numbered=st.booleans())
def test_what_was_packed_is_unpacked(added: list[tuple[str, int]], sheets: int, numbered: bool) -> None:
    before, after = Fingerprints(numbered=numbered), Fingerprints(numbered=numbered)
    for name, number in added:
        before.add(name, number)
    for step in before.packed(sheets):
        after.unpack(*step)
    assert (after, len(after)) == (before, len(before))
    assert all(name in after for name, _ in added)


def test_two_names_with_the_same_fingerprint_keep_a_number_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "fingerprint", lambda name: 7)
    found = Fingerprints(numbered=True)
    found.add("one", 1)
    found.add("other", 2)
    assert found.numbers("one") == (1, 2)


@pytest.mark.parametrize(
    ("prints", "numbers"),
    [(b"\1" * 8, b""), (b"\1" * 8, b"\1" * 16), (b"\1" * 7, b"\1" * 7), (b"\0" * 7 + b"\2" + b"\1" * 8, b"\1" * 16)],
    ids=["no numbers", "too many", "no words", "out of order"],
)
def test_what_was_not_packed_is_refused(prints: bytes, numbers: bytes) -> None:
    with pytest.raises(ValueError, match=r"fit|order|multiple"):
        Fingerprints(numbered=True).unpack(0, prints, numbers)


def test_a_fingerprint_is_the_same_in_every_process_and_of_every_text() -> None:
    assert fingerprint("o-1") == 7289789937711386919
    assert fingerprint("\udcff") != fingerprint("")
