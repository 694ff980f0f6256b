"""Paper by default, live only when it is said twice, and TLS everywhere but on this machine."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gateway_dydx.plans import Subaccount
from gateway_dydx.settings import Network, Settings, endpoints, is_near, signing_key, subaccount_to_trade
from msgspec.structs import replace
from signalbox.desk import Desk, Limits, Mode, Venue
from signalbox.errors import ConfigurationError
from signalbox.settings import Secret, load

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
ACCOUNT = f"{ADDRESS}-3"
LOCAL = {
    "dydx_network": Network.LOCAL,
    "dydx_node_url": "127.0.0.1:9090",
    "dydx_indexer_url": "http://localhost:3002/v4",
    "dydx_websocket_url": "ws://[::1]:3002/v4/ws",
}


def settings(**changes: Any) -> Settings:
    values = {"nats_url": "", "nats_user": "", "nats_password": Secret(""), "desk_file": Path("desk.toml")}
    return Settings(**(values | changes))


def desk(mode: Mode, *accounts: str) -> Desk:
    limits = Limits(
        order_quantity_max=Decimal(1),
        order_notional_max=Decimal(1),
        position_quantity_max=Decimal(1),
        position_notional_max=Decimal(1),
        gross_exposure_max=Decimal(1),
        price_collar_fraction=Decimal(1),
        price_age_seconds_max=1,
        account_age_seconds_max=1,
        intent_age_seconds_max=1,
        intents_per_minute_max=1,
        open_orders_max=1,
    )
    return Desk(name="d", venues={"dydx": Venue(accounts=accounts)}, instruments=(), limits=limits, mode=mode)


def test_the_network_is_testnet_unless_said() -> None:
    found = endpoints(settings())
    assert (found.chain_id, found.secure) == ("dydx-testnet-4", True)
    assert found.indexer_url.startswith("https://")
    assert found.websocket_url.startswith("wss://")
    assert subaccount_to_trade(desk(Mode.PAPER, ACCOUNT), settings()) == Subaccount(ADDRESS, 3)


def test_mainnet_is_refused_on_paper() -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_DYDX_NETWORK=mainnet"):
        subaccount_to_trade(desk(Mode.PAPER, ACCOUNT), settings(dydx_network=Network.MAINNET))


def test_mainnets_chain_id_is_refused_on_paper() -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_DYDX_CHAIN_ID"):
        subaccount_to_trade(desk(Mode.PAPER, ACCOUNT), settings(dydx_chain_id="dydx-mainnet-1"))


@pytest.mark.parametrize("network", [Network.TESTNET, Network.LOCAL])
def test_live_is_refused_anywhere_but_on_mainnet(network: Network) -> None:
    live = settings(dydx_network=network, live_confirmation=Secret(ACCOUNT))
    with pytest.raises(ConfigurationError, match="not where real money is"):
        subaccount_to_trade(desk(Mode.LIVE, ACCOUNT), live)


@pytest.mark.parametrize("confirmation", [None, Secret("yes"), Secret(ADDRESS)])
def test_live_is_refused_without_the_account_said_again(confirmation: Secret | None) -> None:
    live = settings(dydx_network=Network.MAINNET, live_confirmation=confirmation)
    with pytest.raises(ConfigurationError, match="SIGNALBOX_LIVE_CONFIRMATION"):
        subaccount_to_trade(desk(Mode.LIVE, ACCOUNT), live)


def test_live_is_possible_when_confirmed() -> None:
    live = settings(dydx_network=Network.MAINNET, live_confirmation=Secret(ACCOUNT))
    assert subaccount_to_trade(desk(Mode.LIVE, ACCOUNT), live).number == 3
    assert endpoints(live).chain_id == "dydx-mainnet-1"


@pytest.mark.parametrize("accounts", [(), (ACCOUNT, f"{ADDRESS}-1")])
def test_a_gateway_serves_one_account(accounts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="one account"):
        subaccount_to_trade(desk(Mode.PAPER, *accounts), settings())


def test_an_account_of_another_form_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="<address>-<number>"):
        subaccount_to_trade(desk(Mode.PAPER, "DU123"), settings())


def test_a_desk_without_the_venue_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        subaccount_to_trade(replace(desk(Mode.PAPER, ACCOUNT), venues={}), settings())


def test_a_local_network_takes_its_addresses_in_any_form() -> None:
    found = endpoints(settings(**LOCAL))
    assert (found.node, found.indexer_url, found.secure) == ("127.0.0.1:9090", "http://localhost:3002", False)
    assert found.chain_id == "localdydxprotocol"
    assert endpoints(settings(**(LOCAL | {"dydx_node_url": "http://localhost:9090/"}))).node == "localhost:9090"


@pytest.mark.parametrize("missing", ["dydx_node_url", "dydx_indexer_url", "dydx_websocket_url"])
def test_a_local_network_needs_all_three_addresses(missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SIGNALBOX_{missing.upper()} is not set"):
        endpoints(settings(**(LOCAL | {missing: ""})))


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("dydx_node_url", "8.8.8.8:9090"),
        ("dydx_node_url", "169.254.169.254:9090"),
        ("dydx_node_url", "node.example.org:443"),
        ("dydx_node_url", "127.0.0.1.example.org:443"),
        ("dydx_indexer_url", "http://indexer.example.org"),
        ("dydx_indexer_url", "https://127.0.0.1"),
        ("dydx_websocket_url", "ws://0.0.0.0:3002"),
        ("dydx_websocket_url", "127.0.0.1:3002"),
    ],
)
def test_a_local_network_is_near_and_without_tls(field: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SIGNALBOX_{field.upper()}"):
        endpoints(settings(**(LOCAL | {field: url})))


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("dydx_node_url", "127.0.0.1"),
        ("dydx_node_url", "node"),
        ("dydx_node_url", ":9090"),
        ("dydx_node_url", "node:0"),
        ("dydx_node_url", "node:65536"),
        ("dydx_node_url", "node:grpc"),
        ("dydx_node_url", "node:9090/v4"),
        ("dydx_node_url", "[::1:9090"),
        ("dydx_indexer_url", "http://[x"),
        ("dydx_indexer_url", "http://127.0.0.1:99999"),
        ("dydx_websocket_url", "ws://127.0.0.1:0/v4/ws"),
    ],
)
@pytest.mark.parametrize("network", [Network.LOCAL, Network.TESTNET])
def test_an_address_has_a_host_and_a_port_that_is_one(network: Network, field: str, url: str) -> None:
    url = url if network is Network.LOCAL else url.replace("http:", "https:").replace("ws:", "wss:")
    with pytest.raises(ConfigurationError, match=f"SIGNALBOX_{field.upper()}=.* has no host, or a port that is none"):
        endpoints(settings(**(LOCAL | {"dydx_network": network, field: url})))


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("dydx_node_url", "http://node.example.org:9090"),
        ("dydx_indexer_url", "http://indexer.example.org"),
        ("dydx_indexer_url", "indexer.example.org"),
        ("dydx_websocket_url", "ws://192.168.0.7/v4/ws"),
        ("dydx_websocket_url", "ws://127.0.0.1.example.org/v4/ws"),
    ],
)
@pytest.mark.parametrize("network", [Network.TESTNET, Network.MAINNET])
def test_no_other_network_goes_without_tls(network: Network, field: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SIGNALBOX_{field.upper()}"):
        endpoints(settings(dydx_network=network, **{field: url}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_what_stands_on_this_machine_may_have_tls_itself(host: str) -> None:
    there = {
        "dydx_node_url": f"http://{host}:4020",
        "dydx_indexer_url": f"http://{host}:4021",
        "dydx_websocket_url": f"ws://{host}:4021/v4/ws",
    }
    found = endpoints(settings(dydx_network=Network.TESTNET, **there))
    assert (found.chain_id, found.node, found.secure) == ("dydx-testnet-4", f"{host}:4020", False)
    assert (found.indexer_url, found.websocket_url) == (there["dydx_indexer_url"], there["dydx_websocket_url"])
    assert endpoints(settings(dydx_node_url=f"{host}:4020")).secure, "a node without a scheme has TLS"


def test_a_networks_addresses_and_chain_id_can_be_ones_own() -> None:
    found = endpoints(settings(dydx_node_url="https://node.example.org:443", dydx_chain_id="dydx-testnet-5"))
    assert (found.node, found.secure, found.chain_id) == ("node.example.org:443", True, "dydx-testnet-5")


@pytest.mark.parametrize("chain_id", ["dydx-mainnet-1", "dydx-testnet-4"])
def test_a_local_network_signs_for_no_public_chain(chain_id: str) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_DYDX_CHAIN_ID"):
        endpoints(settings(**(LOCAL | {"dydx_chain_id": chain_id})))


def test_a_local_network_may_be_in_another_container() -> None:
    found = endpoints(
        settings(
            dydx_network=Network.LOCAL,
            dydx_node_url="simulators:9090",
            dydx_indexer_url="http://simulators:3002",
            dydx_websocket_url="ws://172.18.0.4:3002/v4/ws",
        )
    )
    assert (found.node, found.indexer_url, found.secure) == ("simulators:9090", "http://simulators:3002", False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "localhost", "simulators", "10.0.0.7", "172.18.0.4", "192.168.1.9", "fd00::7"],
)
def test_a_host_that_is_near_is_known_without_asking(host: str) -> None:
    assert is_near(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "8.8.8.8", "172.32.0.1", "169.254.169.254", "2001:db8::1", "node.example.org", "a.b", "2130706433"],
)
def test_a_host_that_may_be_anywhere_is_not_near(host: str) -> None:
    assert not is_near(host)


def test_settings_come_from_the_environment() -> None:
    found = load(
        Settings,
        {
            "SIGNALBOX_NATS_URL": "nats://127.0.0.1:1",
            "SIGNALBOX_NATS_USER": "gateway-dydx",
            "SIGNALBOX_NATS_PASSWORD": "x",
            "SIGNALBOX_DESK_FILE": "desk.toml",
            "SIGNALBOX_DYDX_NETWORK": "local",
            "SIGNALBOX_DYDX_MNEMONIC": "abandon " * 11 + "about",
            "SIGNALBOX_MARKET_SLIPPAGE_FRACTION": "0.01",
        },
    )
    assert found.dydx_network is Network.LOCAL
    assert found.market_slippage_fraction == Decimal("0.01")
    assert "abandon" not in repr(found)
    assert "abandon" not in repr(signing_key(found))
