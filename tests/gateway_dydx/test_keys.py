"""The key is taken in one plain form, and nothing ever shows it."""

from __future__ import annotations

import io
import logging
import traceback
from pathlib import Path

import pytest
from gateway_dydx.keys import CURVE_ORDER, KeyForm, KeyOwner, key_source
from gateway_dydx.settings import USDC, Endpoints
from gateway_dydx.venue_node import NOT_ASKED, Node
from prometheus_client import REGISTRY, generate_latest
from signalbox.errors import ConfigurationError
from signalbox.settings import Secret, ServiceSettings, load

WORDS = "abandon " * 11 + "about"
DIGITS = "c4a48e2fce1481cd3294b4490f6678090ea98d3d0e5cd984558ab0968741b104"
"""The private key of those words."""

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
LOCAL = Endpoints(
    chain_id="localdydxprotocol", denomination=USDC, node="127.0.0.1:1", indexer_url="", websocket_url="", secure=False
)


def node(mnemonic: str | None, private_key: str | None = None, address: str = ADDRESS) -> Node:
    source = key_source(
        Secret(mnemonic) if mnemonic is not None else None, Secret(private_key) if private_key is not None else None
    )
    return Node(LOCAL, source, address, connect_seconds_max=1.0, answer_seconds_max=1.0, broadcast_seconds_max=1.0)


def test_words_are_taken_however_they_are_spaced() -> None:
    source = key_source(Secret(f"  {WORDS.upper()}\n".replace(" ", "  ")), None)
    assert (source.form, source.secret.reveal()) == (KeyForm.MNEMONIC, WORDS)


@pytest.mark.parametrize("text", [DIGITS, f"0x{DIGITS}", f" {DIGITS.upper()}\n"])
def test_a_private_key_is_taken_in_any_writing(text: str) -> None:
    source = key_source(None, Secret(text))
    assert (source.form, source.secret.reveal()) == (KeyForm.PRIVATE_KEY, DIGITS)


def test_the_words_and_their_private_key_are_the_same_account() -> None:
    node(WORDS)
    node(None, DIGITS)


WRONG = [
    ("abandon " * 11 + "abandon", None),  # the checksum is wrong
    ("zzzzzzzz " * 12, None),
    ("abandon abandon", None),
    ("abandon " * 11 + "ab0ut", None),
    ("", None),
    (None, DIGITS[:-1]),
    (None, DIGITS[:-1] + "g"),
    (None, "0" * 64),
    (None, f"{CURVE_ORDER:064x}"),
    (None, "²" * 64),
    (None, None),
    (WORDS, DIGITS),
]


@pytest.mark.parametrize(("mnemonic", "private_key"), WRONG)
def test_a_wrong_key_is_refused_without_a_word_of_it(mnemonic: str | None, private_key: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        node(mnemonic, private_key)
    shown = "".join(traceback.format_exception(caught.value))
    error: BaseException | None = caught.value
    while error is not None:  # what hangs on it counts too: some loggers print all of it
        shown += repr(error) + "".join(map(str, error.args))
        error = error.__cause__ or error.__context__
    for secret in (mnemonic, private_key):
        for part in (secret or "").split():
            assert part not in shown


OTHER = "11" * 32
"""A key that is not the wallet's."""


@pytest.mark.parametrize(
    ("text", "form", "plain"),
    [
        (f"0x{OTHER}\n", KeyForm.PRIVATE_KEY, OTHER),
        ("  zoo " * 11 + "wrong", KeyForm.MNEMONIC, "zoo " * 11 + "wrong"),
    ],
)
def test_a_trading_key_is_taken_as_digits_or_words(text: str, form: KeyForm, plain: str) -> None:
    source = key_source(None, None, Secret(text))
    assert (source.form, source.secret.reveal(), source.owner) == (form, plain, KeyOwner.TRADER)
    made = Node(LOCAL, source, ADDRESS, connect_seconds_max=1.0, answer_seconds_max=1.0, broadcast_seconds_max=1.0)
    assert made.may_not_trade == NOT_ASKED, "it signs nothing before the chain has said what it may do"


@pytest.mark.parametrize("text", [OTHER[:-1], f"{CURVE_ORDER:064x}", "zoo zoo", "zoo " * 11 + "wr0ng", "-"])
def test_a_wrong_trading_key_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_DYDX_TRADING_KEY is no") as caught:
        key_source(None, None, Secret(text))
    assert text.split()[0] not in str(caught.value).replace("-", " ").split()


@pytest.mark.parametrize("text", [DIGITS, WORDS])
def test_the_wallets_own_key_is_no_trading_key(text: str) -> None:
    source = key_source(None, None, Secret(text))
    with pytest.raises(ConfigurationError, match="which can also withdraw: make a trading key"):
        Node(LOCAL, source, ADDRESS, connect_seconds_max=1.0, answer_seconds_max=1.0, broadcast_seconds_max=1.0)


def test_of_two_keys_it_is_said_which_are_set() -> None:
    with pytest.raises(ConfigurationError, match="TRADING_KEY is set and SIGNALBOX_DYDX_MNEMONIC is set"):
        key_source(Secret(WORDS), None, Secret(OTHER))


@pytest.mark.parametrize("number", [0, CURVE_ORDER, 2**256 - 1])
def test_a_number_that_is_no_key_of_the_curve_is_refused_as_such(number: int) -> None:
    with pytest.raises(ConfigurationError, match="of its curve"):
        key_source(None, Secret(f"{number:064x}"))


def test_a_key_of_another_account_is_refused_by_its_address() -> None:
    with pytest.raises(ConfigurationError, match=f"that of {ADDRESS}") as caught:
        node(WORDS, address="dydx1someoneelse")
    assert "abandon" not in str(caught.value)


def test_nothing_that_is_printed_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = node(WORDS)
    source = key_source(Secret(WORDS), None)
    log = logging.getLogger("test")
    log.info("node %s %r %s", made, made, vars(made))
    log.info("source %s %r", source, source)
    try:
        raise RuntimeError(f"{made!r} {source!r}")
    except RuntimeError:
        log.exception("failed")
    stream = io.StringIO()
    for record in caplog.records:
        stream.write(logging.Formatter("%(message)s %(exc_text)s").format(record))
    shown = stream.getvalue() + caplog.text + generate_latest(REGISTRY).decode()
    assert "abandon" not in shown
    assert DIGITS not in shown.lower()
    assert str(int(DIGITS, 16)) not in shown


class _Settings(ServiceSettings, frozen=True, kw_only=True):
    dydx_mnemonic: Secret | None = None


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text(WORDS)
    file.chmod(0o640)
    environment = {
        "SIGNALBOX_NATS_URL": "nats://127.0.0.1:1",
        "SIGNALBOX_NATS_USER": "u",
        "SIGNALBOX_NATS_PASSWORD": "p",
        "SIGNALBOX_DESK_FILE": "desk.toml",
        "SIGNALBOX_DYDX_MNEMONIC_FILE": str(file),
    }
    with pytest.raises(ConfigurationError, match="chmod 600") as caught:
        load(_Settings, environment)
    assert "abandon" not in str(caught.value)
    file.chmod(0o600)
    settings = load(_Settings, environment)
    assert settings.dydx_mnemonic == Secret(WORDS)
    assert "abandon" not in repr(settings)
