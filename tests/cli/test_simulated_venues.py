"""Which processes a desk needs, and how its gateways find the simulated venues."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from signalbox.desk import Venue, load_desk
from signalbox.errors import ConfigurationError
from signalbox.services import SERVICES
from signalbox_cli.desk_files import with_venue_alone
from signalbox_cli.local_desk import deploy_folder
from signalbox_cli.simulated_venues import (
    TEST_ACCOUNT,
    TEST_MNEMONIC,
    VenuePorts,
    gateway_environment,
    listening_ports,
    market_arguments,
    services_of,
    simulator_command,
    venues_of,
)

SHIPPED = load_desk(deploy_folder() / "desk.toml")
PORTS = VenuePorts(ibkr=1, dydx_node=2, dydx_indexer=3)


def alone(folder: Path, venue: str) -> Path:
    file = folder / "desk.toml"
    file.write_text(with_venue_alone((deploy_folder() / "desk.toml").read_text(), venue))
    return file


def test_the_test_account_is_that_of_the_test_phrase() -> None:
    wallet = Wallet(KeyPair.from_mnemonic(TEST_MNEMONIC), 0, 0)
    assert f"{wallet.address}-0" == TEST_ACCOUNT == SHIPPED.venues["dydx"].accounts[0]


def test_the_shipped_desk_runs_every_service_and_both_venues_in_one_process() -> None:
    assert services_of(SHIPPED) == SERVICES
    assert venues_of(SHIPPED) == ("ibkr", "dydx")
    assert simulator_command(venues_of(SHIPPED), PORTS)[1:] == [
        "-m", "simulators", "--port", "1", "--grpc-port", "2", "--http-port", "3",
    ]  # fmt: skip
    assert listening_ports(venues_of(SHIPPED), PORTS) == [1, 2, 3]


@pytest.mark.parametrize(("venue", "module", "missing"), [("ibkr", "tws", "dydx"), ("dydx", "dydx", "ibkr")])
def test_a_desk_at_one_venue_runs_nothing_of_the_other(tmp_path: Path, venue: str, module: str, missing: str) -> None:
    desk = load_desk(alone(tmp_path, venue))
    assert set(SERVICES) - set(services_of(desk)) == {f"gateway-{missing}"}
    assert simulator_command(venues_of(desk), PORTS)[2] == f"simulators.{module}"
    told = " ".join(market_arguments(desk))
    assert ("--accounts" in told, "--fund" in told) == (venue == "ibkr", venue == "dydx")


def test_an_account_that_has_no_key_here_is_refused() -> None:
    other = Venue(accounts=("dydx1v88c3xv9xyv3eetdx0tvcmq7ung3dywp5upwc6-0",))
    desk = msgspec.structs.replace(SHIPPED, venues={**SHIPPED.venues, "dydx": other})
    with pytest.raises(ConfigurationError, match=TEST_ACCOUNT):
        market_arguments(desk)


def test_a_gateway_gets_the_addresses_of_its_own_venue_and_the_key_as_a_file() -> None:
    file = Path("credentials/dydx-mnemonic")
    assert gateway_environment("gateway-ibkr", PORTS, file) == {"SIGNALBOX_IBKR_PORT": "1"}
    given = gateway_environment("gateway-dydx", PORTS, file)
    assert given["SIGNALBOX_DYDX_NETWORK"] == "local"
    assert given["SIGNALBOX_DYDX_MNEMONIC_FILE"] == str(file)
    assert not any("abandon" in value for value in given.values())
    assert gateway_environment("risk", PORTS, file) == {}
