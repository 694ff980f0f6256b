"""What may stand in a file of the repository: nothing that is true on one machine only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import File

THIS_FILE = "tests/house_rules/test_repository.py"
BYTES_MAX = 1_000_000

PLACES = {
    "a package registry's host": re.compile(
        r"pythonhosted\.org|\bpypi\.org|registry\.npmjs|proxy\.golang|\bghcr\.io", re.I
    ),
    "a path of one machine": re.compile(r"(?<![\w.$}/-])/(work|root|Users|home/[a-z]\w*)/"),
}
INDEX_OPTION = re.compile(
    r"^\s*(-i\b|-f\b|--(index-url|extra-index-url|find-links|trusted-host|no-index)\b)|https?://", re.M
)
PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==\S+( ;.*)? \\$")


@pytest.mark.parametrize("what", PLACES)
def test_file_names_no_place_of_one_machine(tracked_file: File, what: str) -> None:
    if tracked_file.path == THIS_FILE:
        return
    for number, line in enumerate(tracked_file.text.splitlines(), 1):
        found = PLACES[what].search(line)
        assert not found, f"{tracked_file}:{number} names {what} ({found and found[0]}): it is wrong everywhere else"


def test_file_is_of_a_reviewable_size(tracked_file: File) -> None:
    size = len(tracked_file.text.encode())
    assert size <= BYTES_MAX, f"{tracked_file} has {size} bytes: data does not belong into the repository"


def test_file_ends_with_one_newline(tracked_file: File) -> None:
    assert not tracked_file.text or re.search(r"[^\n]\n\Z", tracked_file.text), (
        f"{tracked_file}: end it with one newline"
    )


def test_requirements_name_no_index(requirements_file: File) -> None:
    found = INDEX_OPTION.search(requirements_file.text)
    assert not found, (
        f"{requirements_file} says where to download from ({found and found[0]}): that is the user's choice"
    )


def test_requirements_are_pinned_and_hashed(requirements_file: File) -> None:
    if not requirements_file.name.endswith(".txt"):
        return
    for number, line in enumerate(requirements_file.text.splitlines(), 1):
        if line and not line.startswith((" ", "#")):
            assert PINNED.match(line), f"{requirements_file}:{number}: {line!r} is not pinned with a hash"
