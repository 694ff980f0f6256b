"""What was once written is read for ever, as it was meant; what a later program writes is refused, in words."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from signalbox.messages import Decision, OrderEvents, decode, encode


def _module() -> ModuleType:
    file = Path(__file__).with_name("recorded_messages.py")
    spec = importlib.util.spec_from_file_location("recorded_messages", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


past = _module()
LINES = list(past.recorded())


def differences(old: Any, new: Any, where: str) -> Iterator[str]:
    """What of a value is not in another one, which may have more."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name, value in old.items():
            yield from differences(value, new.get(name, "nothing"), f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{where}[{number}]")
    elif old != new:
        yield f"{where} was {old!r} and is {new!r}"


@pytest.mark.parametrize(("place", "word", "payload"), LINES, ids=[f"{place}-{word}" for place, word, _ in LINES])
def test_recorded_message_says_today_what_it_said(place: str, word: str, payload: bytes) -> None:
    message: Any = decode(payload, past.READ_AS[word])
    assert type(message).__name__ == word
    assert list(differences(json.loads(payload), json.loads(encode(message)), word)) == []


def test_every_type_field_and_word_of_today_stands_in_a_recorded_line() -> None:
    missing = sorted(" ".join(what) for what in past.missing())
    assert not missing, f"python tests/shared/recorded_messages.py adds lines that show {', '.join(missing)}"


def test_lines_that_are_written_show_all_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "FOLDER", tmp_path)
    assert past.write() == 0
    assert past.missing() == set()
    assert past.write() == 0
    assert [file.name for file in tmp_path.iterdir()] == ["01.txt"], "a second file has nothing to show"


@pytest.mark.parametrize(
    ("kind", "of", "place"),
    [
        (OrderEvents, "OrderFilled", "$.type"),
        (Decision, "IntentApproved", "$.type"),
        (Decision, "IntentApproved", "$.intent.type"),
    ],
)
def test_a_version_that_is_not_known_is_refused_with_its_name_and_never_taken_for_the_old_one(
    kind: Any, of: str, place: str
) -> None:
    written = json.loads(next(payload for _, word, payload in LINES if word == of))
    inner = written["intent"] if "intent" in place else written
    inner["type"] += "2"
    with pytest.raises(msgspec.ValidationError, match=rf"^'{inner['type']}' is no type .*`{re.escape(place)}`"):
        decode(json.dumps(written).encode(), kind)
