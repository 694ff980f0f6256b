"""Nothing starts live without a live desk file, its limits and its secrets; each thing that is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from signalbox.desk import load_desk
from signalbox_cli import secret_files
from signalbox_cli.preflight import is_asked_for, mistakes_before_live
from signalbox_cli.simulated_venues import TEST_ACCOUNT, TEST_MNEMONIC

DESK_FILE = Path(__file__).resolve().parents[2] / "deploy/desk.toml"
ENVIRONMENT = {
    "SIGNALBOX_NATS_URL": "nats://nats:4222",
    "SIGNALBOX_NATS_PASSWORD_FILE": "/run/secrets/nats-password",
    "SIGNALBOX_LIVE_CONFIRMATION_FILE": "/run/secrets/live-confirmation",
    "SIGNALBOX_IBKR_HOST": "host.docker.internal",
    "SIGNALBOX_IBKR_PORT": "4001",
    "SIGNALBOX_DYDX_NETWORK": "mainnet",
    "SIGNALBOX_DYDX_NODE_URL": "",
    "SIGNALBOX_DYDX_MNEMONIC_FILE": "/run/secrets/dydx-mnemonic",
}
LIVE = DESK_FILE.read_text().replace('mode = "paper"', 'mode = "live"').replace('"simulated"', '"wall"')
LIVE = LIVE.replace("DU1234567", "U1234567").replace("[indicators]", '[nats]\ndurability = "fsync"\n\n[indicators]')
SECRETS = {
    "gateway-ibkr/live-confirmation": "U1234567",
    "gateway-dydx/live-confirmation": TEST_ACCOUNT,
    "gateway-dydx/dydx-mnemonic": TEST_MNEMONIC,
}


def mistakes(folder: Path, desk: str = LIVE, without: str = "", **environment: str) -> list[str]:
    file = folder / "desk.toml"
    file.write_text(desk)
    secret_files.make(folder / "secrets", load_desk(DESK_FILE.with_name("desk.toml")))
    (folder / "secrets/gateway-dydx/dydx-mnemonic").unlink()
    for name, text in SECRETS.items():
        if name != without:
            secret_files.put(folder / "secrets", name, text)
    environ = ENVIRONMENT | {"SIGNALBOX_DESK_FILE": str(file)} | environment
    return mistakes_before_live(environ, folder / "secrets")


def test_a_live_desk_with_its_secrets_may_start(tmp_path: Path) -> None:
    assert mistakes(tmp_path) == []


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    [sentence] = mistakes(tmp_path, without=name)
    assert sentence.startswith(name.partition("/")[0])
    assert name in sentence


OTHER_WORDS = "zoo " * 11 + "wrong"


def trades_with(folder: Path, key: str, **environment: str) -> list[str]:
    secret_files.put(folder / "secrets", "gateway-dydx/dydx-trading-key", key)
    settings = {"SIGNALBOX_DYDX_TRADING_KEY_FILE": "/run/secrets/dydx-trading-key"} | environment
    wallet = {name: value for name, value in ENVIRONMENT.items() if name != "SIGNALBOX_DYDX_MNEMONIC_FILE"}
    environ = wallet | {"SIGNALBOX_DESK_FILE": str(folder / "desk.toml")} | settings
    return mistakes_before_live(environ, folder / "secrets")


def test_a_key_that_can_only_trade_takes_the_place_of_the_words(tmp_path: Path) -> None:
    mistakes(tmp_path, without="gateway-dydx/dydx-mnemonic")
    assert trades_with(tmp_path, "11" * 32) == []
    [both] = trades_with(tmp_path, "11" * 32, SIGNALBOX_DYDX_PRIVATE_KEY="22" * 32)
    assert "SIGNALBOX_DYDX_TRADING_KEY is set and SIGNALBOX_DYDX_PRIVATE_KEY is set" in both
    [own] = trades_with(tmp_path, TEST_MNEMONIC)
    assert "which can also withdraw" in own


def test_words_of_another_wallet_are_refused(tmp_path: Path) -> None:
    mistakes(tmp_path, without="gateway-dydx/dydx-mnemonic")
    secret_files.put(tmp_path / "secrets", "gateway-dydx/dydx-mnemonic", OTHER_WORDS)
    environ = ENVIRONMENT | {"SIGNALBOX_DESK_FILE": str(tmp_path / "desk.toml")}
    [sentence] = mistakes_before_live(environ, tmp_path / "secrets")
    assert f"but the desk file names {TEST_ACCOUNT.partition('-')[0]}" in sentence
    assert "zoo" not in sentence


def test_a_desk_without_limits_is_refused(tmp_path: Path) -> None:
    found = mistakes(tmp_path, desk=LIVE[: LIVE.index("[limits]")])
    assert any("limits" in sentence for sentence in found)


def test_a_paper_desk_is_not_taken_for_a_live_one(tmp_path: Path) -> None:
    found = mistakes(tmp_path, desk=DESK_FILE.read_text())
    assert 'says mode = "paper"' in found[0]
    assert "SIGNALBOX_DESK" in found[0]
    assert any("account DU1234567 is a paper account" in sentence for sentence in found[1:]), "all is said at once"


def test_a_confirmation_of_another_account_is_refused(tmp_path: Path) -> None:
    found = mistakes(tmp_path, desk=LIVE.replace("U1234567", "U7654321"))
    assert ["must be the account id U7654321" in sentence for sentence in found] == [True]


def test_addresses_of_the_simulators_are_refused(tmp_path: Path) -> None:
    found = mistakes(tmp_path, SIGNALBOX_IBKR_PORT="4002", SIGNALBOX_DYDX_NETWORK="local")
    assert any("port 4002 is IB Gateway paper" in sentence for sentence in found)
    assert any("SIGNALBOX_DYDX_NETWORK=local" in sentence for sentence in found)


def test_without_a_desk_file_there_is_one_mistake(tmp_path: Path) -> None:
    [sentence] = mistakes_before_live({"SIGNALBOX_DESK_FILE": str(tmp_path / "none.toml")}, tmp_path)
    assert "can not be read" in sentence


@pytest.mark.parametrize(
    ("desk", "word", "asked"), [(LIVE, False, True), (LIVE, True, True), ("", True, True), ("", False, False)]
)
def test_a_live_start_is_known_by_its_desk_file_or_by_a_word_that_counts_once(
    tmp_path: Path, desk: str, word: bool, asked: bool
) -> None:
    file, left = tmp_path / "desk.toml", tmp_path / "live"
    file.write_text(desk or DESK_FILE.read_text())
    if word:
        left.touch()
    assert is_asked_for({"SIGNALBOX_DESK_FILE": str(file)}, left) is asked
    assert not left.exists()
