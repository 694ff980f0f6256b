"""Seals: who can make one, what breaks one, and that nothing anybody sends is mistaken for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox import registry, subjects
from signalbox.bus.bootstrap import USERS, complete_seals
from signalbox.errors import ConfigurationError
from signalbox.seals import (
    COVERED_HEADERS,
    EXPECTED_HEADER,
    NO_SEALS,
    SEAL_HEADER,
    Header,
    Seals,
    demand,
    link_of,
    links_of,
    operator_key,
    parse,
    sealer,
    text_for,
)

KEYS = {
    link: bytes([number]) * 32
    for number, link in enumerate(("risk-oms", "oms-gateway-ibkr", "oms-gateway-dydx", "control"), 1)
}
SUBJECT_OF_WRITER = {
    "decision.approved.ibkr.DU1": "risk",
    "order.ibkr.DU1.o1": "oms",
    "command.ibkr.o1.0": "oms",
    "report.ibkr.DU1.fill": "gateway-ibkr",
    "ledger.dydx.o1": "gateway-dydx",
    subjects.TRADING_STATE: "operator",
}
READERS = {
    "decision.approved.ibkr.DU1": ("risk", "oms"),
    "order.ibkr.DU1.o1": ("risk", "oms"),
    "command.ibkr.o1.0": ("gateway-ibkr", "oms"),
    "report.ibkr.DU1.fill": ("gateway-ibkr", "oms"),
    "ledger.dydx.o1": ("gateway-dydx", "oms"),
    subjects.TRADING_STATE: ("risk", "gateway-ibkr", "gateway-dydx"),
}
HEADERS = {"Nats-Msg-Id": "id-1", EXPECTED_HEADER: "7", f"{EXPECTED_HEADER}-Subject": "decision.*.*.*"}
PAYLOAD = b'{"type":"IntentApproved"}'


def of(user: str) -> Seals:
    text = text_for(user, KEYS)
    return parse(text) if text else NO_SEALS


def header(headers: Mapping[str, str]) -> Header:
    return lambda name: headers.get(name, "")


def sealed(user: str, subject: str, payload: bytes = PAYLOAD, headers: Mapping[str, str] = HEADERS) -> dict[str, str]:
    return {**headers, SEAL_HEADER: of(user).seal(subject, header(headers), payload)}


@pytest.mark.parametrize("subject", SUBJECT_OF_WRITER)
def test_what_the_writer_has_sealed_is_genuine_to_whoever_acts_upon_it(subject: str) -> None:
    message = sealed(SUBJECT_OF_WRITER[subject], subject)
    for reader in READERS[subject]:
        assert of(reader).fault(subject, header(message), PAYLOAD) == ""


@pytest.mark.parametrize("subject", SUBJECT_OF_WRITER)
def test_nobody_has_a_key_that_is_not_for_his_work(subject: str) -> None:
    able = {user for user in USERS if of(user).seal(subject, header(HEADERS), PAYLOAD)}
    if subject == subjects.TRADING_STATE:
        assert able == {"operator", "bootstrap"}
    else:
        assert able == set(READERS[subject])  # a link's two ends: a key is theirs together
    assert not able & {"recorder", "auditor", "indicators", "simulator", "user"}


@pytest.mark.parametrize("subject", SUBJECT_OF_WRITER)
def test_a_message_changed_in_any_way_bears_no_seal(subject: str) -> None:
    message, reader = sealed(SUBJECT_OF_WRITER[subject], subject), of(READERS[subject][0])
    for name in COVERED_HEADERS:
        for changed in ("other", ""):
            assert reader.fault(subject, header(message | {name: changed}), PAYLOAD), (name, changed)
    assert reader.fault(subject, header(message), PAYLOAD + b" ")
    assert reader.fault(subject, header(message), b"")
    assert reader.fault(subject, header({**message, SEAL_HEADER: ""}), PAYLOAD)
    flipped = message[SEAL_HEADER][:-1] + ("0" if message[SEAL_HEADER][-1] != "0" else "1")
    assert reader.fault(subject, header({**message, SEAL_HEADER: flipped}), PAYLOAD)
    assert reader.fault(subject, header({**message, SEAL_HEADER: message[SEAL_HEADER].upper()}), PAYLOAD)
    assert reader.fault(subject, header({**message, SEAL_HEADER: message[SEAL_HEADER].replace("1:", "2:", 1)}), PAYLOAD)


def test_a_copy_on_another_subject_of_the_same_link_bears_no_seal() -> None:
    denied, approved = "decision.denied.ibkr.DU1", "decision.approved.ibkr.DU1"
    message = sealed("risk", denied)
    assert of("oms").fault(denied, header(message), PAYLOAD) == ""
    assert of("oms").fault(approved, header(message), PAYLOAD)
    assert of("oms").fault("decision.denied.ibkr.DU2", header(message), PAYLOAD)


def test_a_seal_of_one_link_is_none_of_another() -> None:
    """A gateway can seal reports; the OMS must not take one for a decision, though it has both keys."""
    message = sealed("gateway-ibkr", "report.ibkr.DU1.fill")
    assert of("oms").fault("decision.approved.ibkr.DU1", header(message), PAYLOAD)
    assert of("oms").fault("report.dydx.DU1.fill", header(message), PAYLOAD)


def test_a_desk_does_not_believe_another_desks_seals() -> None:
    other = parse(complete_seals({})["risk"])
    message = {**HEADERS, SEAL_HEADER: other.seal("decision.approved.ibkr.DU1", header(HEADERS), PAYLOAD)}
    assert of("oms").fault("decision.approved.ibkr.DU1", header(message), PAYLOAD)


@given(st.data())
def test_bytes_moved_from_one_part_to_the_next_break_the_seal(data: st.DataObject) -> None:
    """The parts are framed by their lengths: what is signed can be read in one way only."""
    subject = "order.ibkr.DU1.o1"
    text = data.draw(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=2, max_size=8))
    cut, other = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))
    one = {"Nats-Msg-Id": text[:cut], EXPECTED_HEADER: text[cut:]}
    two = {"Nats-Msg-Id": text[:other], EXPECTED_HEADER: text[other:]}
    message = {**two, SEAL_HEADER: of("oms").seal(subject, header(one), PAYLOAD)}
    assert (of("risk").fault(subject, header(message), PAYLOAD) == "") == (cut == other)


@given(
    subject=st.one_of(st.sampled_from(sorted(SUBJECT_OF_WRITER)), st.text()),
    text=st.one_of(st.text(), st.from_regex(r"1:[A-Za-z0-9._-]{0,64}:[0-9a-f]{64}", fullmatch=True)),
    message_id=st.text(),
    payload=st.binary(),
    user=st.sampled_from(("risk", "oms", "gateway-ibkr", "gateway-dydx")),
)
def test_no_text_that_anybody_can_make_up_is_a_seal_or_an_error(
    subject: str, text: str, message_id: str, payload: bytes, user: str
) -> None:
    found = of(user).fault(subject, header({SEAL_HEADER: text, "Nats-Msg-Id": message_id}), payload)
    assert bool(found) == bool(link_of(subject))


@pytest.mark.parametrize(
    "subject", ["decision", "decision.x", "order.a.b.c.d", "command.nowhere.o.0", "report.nowhere.a.fill", "ledger"]
)
def test_what_looks_like_what_is_acted_upon_needs_a_seal_however_odd_it_is(subject: str) -> None:
    for user in ("risk", "oms", "gateway-ibkr"):
        assert of(user).fault(subject, header(HEADERS), PAYLOAD)


def test_the_registrys_subjects_that_need_a_seal() -> None:
    """A new subject is put into this list, or bears a seal: somebody has thought of it."""
    unsealed = {declared.pattern for declared in registry.REGISTRY if not link_of(declared.pattern)}
    assert unsealed == {
        *("clock.desk", "md.quote.*.*", "md.bar.*.*.*", "md.instrument.*.*", "md.funding.*.*", "ind.score.*.*.*"),
        *(
            "intent.*.*",
            "intent.*.*.*",
            "position.*.*.*",
            "book.*.*",
            "account.*.*",
            "link.*.*",
            "timer.schedule.*",
            "timer.fired.*",
        ),
        *(
            "dead.*.*",
            "$KV.LEASES.*.*",
            "status.*",
            "query.sql",
            "whatif.intent",
            "$KV.CONTROL.skip.*.*.*.*",
            "ind.levels.*.*.*",
        ),
        "$KV.CONTROL.books.*.*.*.*",  # as an intent: what the OMS makes of an act is sealed (decision 64)
        "$KV.CONTROL.limits.*",  # likewise: what risk says to it is (decision 90)
        "compared.*.*",  # as a quote: told for who hears it now, and it lets nothing through (decision 98)
    }


# ------------------------------------------------------------------------------------------------------- operators


def test_a_trading_state_says_which_operator_has_sealed_it() -> None:
    message = sealed("bootstrap", subjects.TRADING_STATE)
    assert of("risk").fault(subjects.TRADING_STATE, header(message), PAYLOAD) == ""
    assert sealer(header(message)) == "bootstrap"


def test_an_operator_can_not_seal_as_another() -> None:
    message = sealed("operator", subjects.TRADING_STATE)
    for name in ("bootstrap", "alice", ""):
        claimed = message[SEAL_HEADER].replace("operator", name)
        assert of("risk").fault(subjects.TRADING_STATE, header({**message, SEAL_HEADER: claimed}), PAYLOAD)


def test_an_operators_key_does_not_make_the_control_key() -> None:
    alice = parse(f"control/alice = {operator_key(KEYS['control'], 'alice').hex()}")
    headers = {**HEADERS, SEAL_HEADER: alice.seal(subjects.TRADING_STATE, header(HEADERS), PAYLOAD)}
    assert of("risk").fault(subjects.TRADING_STATE, header(headers), PAYLOAD) == ""
    twice = parse(f"control/bootstrap = {operator_key(alice.first_key('control/alice'), 'bootstrap').hex()}")
    headers = {**HEADERS, SEAL_HEADER: twice.seal(subjects.TRADING_STATE, header(HEADERS), PAYLOAD)}
    assert of("risk").fault(subjects.TRADING_STATE, header(headers), PAYLOAD)


def test_risk_itself_sets_no_trading_state() -> None:
    assert of("risk").seal(subjects.TRADING_STATE, header(HEADERS), PAYLOAD) == ""


def test_a_trading_state_that_does_not_say_what_it_follows_is_none() -> None:
    headers = {"Nats-Msg-Id": "id-1"}
    message = sealed("operator", subjects.TRADING_STATE, headers=headers)
    assert "follows" in of("risk").fault(subjects.TRADING_STATE, header(message), PAYLOAD)


# ------------------------------------------------------------------------------------------------------------ keys


def test_a_key_is_changed_while_the_desk_runs() -> None:
    old, new = "aa" * 32, "bb" * 32
    subject = "decision.approved.ibkr.DU1"
    before, during, after = (
        parse(f"risk-oms = {old}"),
        parse(f"risk-oms = {new} # since March\nrisk-oms = {old}\n"),
        parse(f"risk-oms = {new}"),
    )

    def believes(writer: Seals, reader: Seals) -> bool:
        message = {**HEADERS, SEAL_HEADER: writer.seal(subject, header(HEADERS), PAYLOAD)}
        return reader.fault(subject, header(message), PAYLOAD) == ""

    assert believes(before, during)
    assert believes(during, during)
    assert believes(during, after)
    assert not believes(during, before)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("risk-oms = abcd", "line 1, risk-oms: a key is 64 hexadecimal digits"),
        ("risk-oms", "line 1 is neither"),
        (f"risk_oms = {'a' * 64}", "line 1 names no link"),
        (f"control/ = {'a' * 64}", "line 1 names no link"),
        (f"risk-oms = {'٣' * 64}", "64 hexadecimal digits"),
        ("accept TRADE = -1", "line 1 is neither"),
        ("accept TRADE = ٣", "line 1 is neither"),
        (f"risk-oms = {'a' * 64}\n" * 5, "line 5, risk-oms: more than 4 keys"),
        (f"control/a = {'a' * 64}\ncontrol/b = {'b' * 64}", "several operators"),
    ],
)
def test_a_wrong_key_file_is_refused_with_a_sentence_that_shows_no_key(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        parse(text)
    assert "a" * 64 not in str(caught.value)
    assert "abcd" not in str(caught.value)


@pytest.mark.parametrize("user", ["risk", "oms", "gateway-ibkr", "gateway-dydx"])
def test_a_service_has_the_keys_it_needs_and_no_other(user: str) -> None:
    text = text_for(user, KEYS)
    assert demand(text, links_of(user)).links == set(links_of(user))
    with pytest.raises(ConfigurationError, match="is missing"):
        demand("".join(text.splitlines(keepends=True)[1:]), links_of(user))
    with pytest.raises(ConfigurationError, match="must not have"):
        demand(text + f"control/bootstrap = {'a' * 64}\n", links_of(user))


def test_a_seals_repr_shows_links_alone() -> None:
    assert repr(of("risk")) == "Seals(control, risk-oms)"


def test_who_only_has_an_operators_key_judges_nothing() -> None:
    assert not of("operator").judges
    assert not NO_SEALS.judges
    assert all(of(user).judges for user in ("risk", "oms", "gateway-ibkr", "gateway-dydx"))


def test_a_history_from_before_seals_is_believed_up_to_where_a_person_says() -> None:
    seals = parse(text_for("oms", KEYS) + "accept TRADE = 10\n")
    subject = "decision.approved.ibkr.DU1"

    def fault(stream: str, sequence: int, **more: Any) -> str:
        return seals.fault(subject, header(more), PAYLOAD, stream, sequence)

    assert fault("TRADE", 10) == ""
    assert fault("TRADE", 11)
    assert fault("TRADE", 0)
    assert fault("COMMANDS", 10)
    assert seals.fault(subject, header({SEAL_HEADER: "1::" + "0" * 64}), PAYLOAD, "TRADE", 5)


def test_what_is_missing_is_made_to_fit_what_is_there() -> None:
    whole = complete_seals({})
    assert set(whole) == {"bootstrap", "risk", "oms", "gateway-ibkr", "gateway-dydx", "operator"}
    assert complete_seals(whole) == whole
    for user in whole:
        assert complete_seals({name: text for name, text in whole.items() if name != user}) == whole
    obeys = {"risk", "gateway-ibkr", "gateway-dydx"}  # they alone have the control key
    with pytest.raises(ConfigurationError, match="put back what is missing"):
        complete_seals({name: text for name, text in whole.items() if name not in obeys})
    with pytest.raises(ConfigurationError, match="not of the same making"):
        complete_seals(whole | {"oms": complete_seals({})["oms"]})


def test_who_has_been_given_a_key_since_finds_it_behind_his_own() -> None:
    whole = complete_seals({})
    before = {name: text.partition("control =")[0] if "gateway" in name else text for name, text in whole.items()}
    assert before != whole
    assert complete_seals(before) == whole


def test_it_is_said_whose_seals_can_not_be_read() -> None:
    with pytest.raises(ConfigurationError) as told:
        complete_seals(complete_seals({}) | {"risk": "nonsense", "oms": "control = 1"})
    assert [mistake.partition(":")[0] for mistake in told.value.mistakes] == ["the seals of risk", "the seals of oms"]
