"""Nothing of a person is in a recorded session, wherever it stood on the wire."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox_cli.sessions.pseudonyms import Pseudonyms
from signalbox_cli.sessions.session_file import Said
from signalbox_cli.sessions.tws_redaction import TwsRedaction
from signalbox_cli.sessions.tws_wiretap import Wiretap
from simulators.tws.wire import encode_frame

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNTS = ("U7654321", "DU1234567", "F998877", "ODDNAME")
WORDS = ("Wilhelmina", "4915112345678", 'o\'Brien "x"')
TOKENS = (
    *("wil@example.org", "192.168.178.23", "2001:db8:0:0:1:2:3:4", "https://example.org/?user=wil"),
    *("0123456789abcdef0123456789abcdef", "c2VjcmV0IGtleSBvZiBub2JvZHkgMTI", "U55512345", "DU777888"),
)
"""What is known by its form alone, as words of their own."""
KEPT_KINDS = ("1", "2", "3", "4", "5", "6", "7", "9", "10", "11", "16", "20", "59", "61", "63", "71", "73", "92", "101")

anywhere = st.builds(
    "{}{}{}".format,
    st.text("ab1 -_/.", max_size=6),
    st.sampled_from((*ACCOUNTS, *WORDS)),
    st.text("zy9 -_/.", max_size=6),
)
apart = st.builds("{} {} {}".format, st.text("ab", max_size=4), st.sampled_from(TOKENS), st.text("xy", max_size=4))
in_other_case = anywhere.map(str.swapcase)
ordinary = st.sampled_from(("", "0", "1", "-1", "DAY", "SPY", "BUY", "20240305 15:00:00 UTC", "433.57", "2147483647"))
field = st.one_of(ordinary, anywhere, in_other_case, apart)
kind = st.one_of(st.sampled_from(KEPT_KINDS), st.integers(0, 250).map(str), st.text("ab1", max_size=3))
message = st.tuples(kind, st.lists(field, max_size=40)).map(lambda parts: (parts[0], *parts[1]))


def recorded(version: str, *said: tuple[str, tuple[str, ...]]) -> str:
    """What is written of a connection on which this was said, as text."""
    tap = Wiretap(1, TwsRedaction(Pseudonyms(WORDS)))
    lines = [*tap.feed("gateway", b"API\0" + encode_frame((f"v157..178 {WORDS[0]}",)), AT)]
    lines += tap.feed("venue", encode_frame((version, f"20240305 15:00:00 UTC {ACCOUNTS[1]}")), AT)
    lines += tap.feed("venue", encode_frame(("15", "1", ",".join(ACCOUNTS))), AT)
    for by, fields in said:
        lines += tap.feed(by, encode_frame(fields), AT)  # type: ignore[arg-type]
    assert not [line for line in lines if line.what is Said.UNREADABLE]
    return "\n".join(repr(msgspec.to_builtins(line)) for line in lines).lower()


@given(st.lists(st.tuples(st.sampled_from(("gateway", "venue")), message), max_size=5))
def test_no_secret_is_in_the_file(said: list[tuple[str, tuple[str, ...]]]) -> None:
    text = recorded("178", *said)
    found = [secret for secret in (*ACCOUNTS, *WORDS, *TOKENS) if repr(secret.lower())[1:-1] in text]
    assert not found, f"{found} in {text}"


@given(st.lists(message, max_size=3))
def test_no_secret_of_messages_in_protocol_buffers_is_in_the_file(said: list[tuple[str, ...]]) -> None:
    text = recorded("203", *(("venue", fields) for fields in said))
    assert not [secret for secret in (*ACCOUNTS, *WORDS, *TOKENS) if repr(secret.lower())[1:-1] in text]


@given(reference=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=6, max_size=40))
def test_nothing_of_an_order_reference_is_kept(reference: str) -> None:
    redaction = TwsRedaction(Pseudonyms())
    placed = redaction.from_gateway((*("3", "1"), *["x"] * 24, reference, "1"))
    opened = redaction.from_venue((*("5", "1"), *["x"] * 21, reference, "11", "5"))
    executed = redaction.from_venue((*("11", "-1"), *["0"] * 24, reference, ""))
    completed = redaction.from_venue((*("101",), *["x"] * 21, reference, "5"))
    assert placed is not None
    assert opened is not None
    assert executed is not None
    assert completed is not None
    names = {placed[26], opened[23], executed[26], completed[22]}
    assert len(names) == 1, "the same reference has the same name, or its fills are nobody's"
    assert reference not in names


@pytest.mark.parametrize(
    ("kind", "contract"), [("5", 2), ("11", 3), ("101", 1), ("7", 2), ("61", 3), ("6", 2), ("3", 2)]
)
def test_a_word_that_nobody_knows_is_kept_in_a_contract_alone(kind: str, contract: int) -> None:
    redaction = TwsRedaction(Pseudonyms())
    fields = (kind, *["Grandmother"] * 60)
    told = redaction.from_gateway(fields) if kind == "3" else redaction.from_venue(fields)
    assert told is not None
    places = {place for place, field in enumerate(told) if field == "Grandmother"}
    length = {"6": 1, "3": 12}.get(kind, 11)
    sentence = {len(fields) - 6} if kind == "101" else set()
    assert places <= {*range(contract, contract + length), *sentence}


def test_the_same_account_has_the_same_name_everywhere() -> None:
    redaction = TwsRedaction(Pseudonyms())
    redaction.from_venue(("15", "1", "U7654321,U1112223"))
    told = redaction.from_venue(("4", "2", "5", "201", "u7654321 and (U1112223), not DU1234567x", "{}"))
    assert told == ("4", "2", "5", "201", "DU000001 and (DU000002), not DU0000003x", "")


def test_a_name_on_paper_is_given_to_a_live_account() -> None:
    names = Pseudonyms()
    assert [names.account(each) for each in ("U7654321", "DU1234567", "F998877", "DF5544332")] == [
        *("DU000001", "DU0000002", "DF00003", "DF0000004"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        ("1", "6", "1000000001", "1", "433.55", "300", "0"),
        ("3", "7", "Submitted", "0", "10", "0", "1000002", "0", "0", "11", "", "0"),
        ("59", "1", "000f4241.0001.01", "1.05", "USD", "1.7976931348623157E308", "", ""),
        ("4", "2", "-1", "2104", "Market data farm connection is OK:usfarm", ""),
        ("6", "2", "NetLiquidation", "1000000.00", "USD", "DU0000001"),
        ("50", "3", "1000000005", "1709650805", "433.1", "433.2", "433.0", "433.1", "120", "433.12", "7"),
    ],
)
def test_what_is_the_markets_stays(fields: tuple[str, ...]) -> None:
    redaction = TwsRedaction(Pseudonyms())
    redaction.from_venue(("15", "1", "DU7654321"))
    assert redaction.from_venue(tuple(field.replace("DU0000001", "DU7654321") for field in fields)) == fields


def test_an_execution_id_keeps_its_revision() -> None:
    fields = (
        *("11", "-1", "1", "756733", "SPY", "STK", "", "0", "", "", "SMART", "USD", "SPY", "SPY"),
        "0000e0d5.64.02",
    )
    told = TwsRedaction(Pseudonyms()).from_venue(fields)
    assert told is not None
    assert told[14] == "0000e0d5.64.02"


def test_a_kind_that_no_gateway_needs_is_withheld() -> None:
    redaction = TwsRedaction(Pseudonyms())
    assert redaction.from_venue(("107", "1", "white label of somebody")) is None
    assert redaction.from_gateway(("19", "1", "1", "<xml>")) is None
    assert redaction.from_venue(("4x",)) is None


def test_the_venues_sentences_are_listed() -> None:
    redaction = TwsRedaction(Pseudonyms())
    redaction.from_venue(("4", "2", "7", "201", "Order rejected - reason:no luck", ""))
    assert list(redaction.names.sentences) == ["Order rejected - reason:no luck"]


def test_an_account_is_learned_wherever_it_is_named_first() -> None:
    redaction = TwsRedaction(Pseudonyms())
    redaction.from_venue((*("61", "3", "ODDNAME"), *["0"] * 13))
    told = redaction.from_venue(("4", "2", "-1", "1100", "of oddname", ""))
    assert told is not None
    assert "oddname" not in told[4]


def test_a_secret_of_digits_alone_is_hidden() -> None:
    assert TwsRedaction(Pseudonyms(["4915112345678"])).from_venue(("9", "1", "4915112345678")) == ("9", "1", "word-1")
