"""Which names there have been, and where each was met: a few bytes a name, for memories that keep what is over short.

Owns the form: 64 bits of a hash stand for a name, 8 bytes, and 8 more where each has a number beside it. "No" is always
true; "yes" is once in 10^13 names not. So it says what need not be looked up, and whoever looks up sees the name
itself. Two names with the same 64 bits keep a number each. It must not know what the names are, nor the bus.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

SHEETS = 1024
"""Sorted arrays, by the first 10 bits: what is added moves a thousandth of what is there."""
_SHIFT = 64 - 10
_FINGERPRINT = struct.Struct("<Q")
_NONE: array[int] = array("Q")
"""A sheet with nothing in it, never changed: most fingerprints of one order's recall have no other."""
NAMES_IN_HAND = 256
"""Of so many names the hash is remembered: one message asks for the same name several times."""


@lru_cache(NAMES_IN_HAND)
def fingerprint(name: str) -> int:
    """64 bits that stand for `name`, the same in every process."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_FINGERPRINT.size).digest()
    found: int = _FINGERPRINT.unpack(digest)[0]
    return found


class Fingerprints:
    """The names that were added. `numbered` ones have a number beside each, below 2^64."""

    def __init__(self, *, numbered: bool = False) -> None:
        self._prints = [_NONE] * SHEETS
        self._numbers = [_NONE] * SHEETS if numbered else None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: str) -> bool:
        bits = fingerprint(name)
        prints = self._prints[bits >> _SHIFT]
        place = bisect_left(prints, bits)
        return place < len(prints) and prints[place] == bits

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprints):
            return NotImplemented
        return self._prints == other._prints and self._numbers == other._numbers

    def __repr__(self) -> str:
        return f"Fingerprints({self._count})"

    def add(self, name: str, number: int = 0) -> None:
        """Remember a name; the same once more, with the same number, changes nothing."""
        bits = fingerprint(name)
        sheet = bits >> _SHIFT
        prints = self._prints[sheet]
        if prints is _NONE:
            prints = self._begin_sheet(sheet)
        place = bisect_left(prints, bits)
        while place < len(prints) and prints[place] == bits:
            if self._numbers is None or self._numbers[sheet][place] == number:
                return
            place += 1
        if self._numbers is not None:
            self._numbers[sheet].insert(place, number)
        prints.insert(place, bits)
        self._count += 1

    def put(self, name: str, number: int) -> None:
        """Remember a name with this number, in place of any other; two names with the same 64 bits are one here."""
        self._give(name, number, in_place=True)

    def put_first(self, name: str, number: int) -> int | None:
        """Remember a name with this number unless it has one: the one that it has then; None = it was never added."""
        return self._give(name, number, in_place=False)

    def _give(self, name: str, number: int, *, in_place: bool) -> int | None:
        assert self._numbers is not None
        bits = fingerprint(name)
        sheet = bits >> _SHIFT
        prints = self._prints[sheet]
        if prints is _NONE:
            prints = self._begin_sheet(sheet)
        place = bisect_left(prints, bits)
        if place < len(prints) and prints[place] == bits:
            before = self._numbers[sheet][place]
            if in_place:
                self._numbers[sheet][place] = number
            return before
        self._numbers[sheet].insert(place, number)
        prints.insert(place, bits)
        self._count += 1
        return None

    def _begin_sheet(self, sheet: int) -> array[int]:
        """A sheet that is about to have its first fingerprint."""
        prints = self._prints[sheet] = array("Q")
        if self._numbers is not None:
            self._numbers[sheet] = array("Q")
        return prints

    def numbers(self, name: str) -> tuple[int, ...]:
        """The numbers of a name, or of one that has its 64 bits; () = it was never added."""
        assert self._numbers is not None
        bits = fingerprint(name)
        sheet = bits >> _SHIFT
        prints = self._prints[sheet]
        return tuple(self._numbers[sheet][bisect_left(prints, bits) : bisect_right(prints, bits)])

    def first_number(self, name: str) -> int:
        """The first of them; 0 = it was never added."""
        assert self._numbers is not None
        bits = fingerprint(name)
        sheet = bits >> _SHIFT
        prints = self._prints[sheet]
        place = bisect_left(prints, bits)
        return self._numbers[sheet][place] if place < len(prints) and prints[place] == bits else 0

    # ------------------------------------------------------------------------------------------------- as bytes

    def packed(self, sheets_at_once: int) -> Iterator[tuple[int, bytes, bytes]]:
        """All of it in steps: the first sheet, fingerprints, numbers, each as little-endian words of 8 bytes.

        What is added between two steps is in it, or is not.
        """
        for first in range(0, SHEETS, sheets_at_once):
            prints, numbers = array("Q"), array("Q")
            for sheet in range(first, min(first + sheets_at_once, SHEETS)):
                prints.extend(self._prints[sheet])
                if self._numbers is not None:
                    numbers.extend(self._numbers[sheet])
            if prints:
                yield first, _as_bytes(prints), _as_bytes(numbers)

    def unpack(self, first: int, prints: bytes, numbers: bytes) -> None:
        """Take in what `packed` gave in one step. Raises `ValueError` where it can not be from there."""
        words, beside = _as_words(prints), _as_words(numbers)
        if (self._numbers is not None) != bool(beside) or (beside and len(beside) != len(words)):
            raise ValueError("fingerprints and numbers do not fit each other")
        begin = 0
        while begin < len(words):
            sheet = words[begin] >> _SHIFT
            end = bisect_left(words, (sheet + 1) << _SHIFT, begin) if sheet + 1 < SHEETS else len(words)
            if sheet < first or end == begin or words[end - 1] >> _SHIFT != sheet or self._prints[sheet]:
                raise ValueError("fingerprints are out of order")
            self._prints[sheet] = words[begin:end]
            if self._numbers is not None:
                self._numbers[sheet] = beside[begin:end]
            self._count += end - begin
            begin = end


def _as_bytes(words: array[int]) -> bytes:
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()


def _as_words(packed: bytes) -> array[int]:
    words = array("Q")
    words.frombytes(packed)
    if sys.byteorder == "big":
        words.byteswap()
    return words
