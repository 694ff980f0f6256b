"""The simulated venues of a local desk: one process for all that the desk file names, and how gateways find them.

Owns command lines, ports and the test key. It must not know how processes are run (`local_desk`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from signalbox.desk import Desk
from signalbox.errors import ConfigurationError
from signalbox.services import SERVICES
from signalbox.venues import VENUES, gateway_of

IBKR, DYDX = "ibkr", "dydx"
_MODULES = {(IBKR,): "simulators.tws", (DYDX,): "simulators.dydx", (IBKR, DYDX): "simulators"}

TEST_MNEMONIC = "abandon " * 11 + "about"
"""The first test phrase of BIP-39: anybody's key, and so good for nothing but a simulator."""
TEST_ACCOUNT = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"
"""The account of that key."""
DEPOSIT_USDC = 1_000_000
MNEMONIC_CREDENTIAL = "dydx-mnemonic"


@dataclass(frozen=True, kw_only=True)
class VenuePorts:
    """Where the simulated venues listen on loopback, or what stands between them and the gateways."""

    ibkr: int
    dydx_node: int
    dydx_indexer: int


def venues_of(desk: Desk) -> tuple[str, ...]:
    """The venues of the desk file, in the order in which they are shown."""
    return tuple(name for name in (IBKR, DYDX) if name in desk.venues)


def services_of(desk: Desk) -> tuple[str, ...]:
    """The services that such a desk needs: of the gateways only those of its venues."""
    idle = {row.gateway for row in VENUES if row.name not in desk.venues}
    return tuple(service for service in SERVICES if service not in idle)


def market_arguments(desk: Desk) -> list[str]:
    """What is simulated for that desk. Raises `ConfigurationError` for an account that has no key here."""
    arguments = ["--symbols", ",".join(instrument.symbol for instrument in desk.instruments)]
    if IBKR in desk.venues:
        arguments += ["--accounts", ",".join(desk.venues[IBKR].accounts)]
    if DYDX in desk.venues:
        if desk.venues[DYDX].accounts != (TEST_ACCOUNT,):
            raise ConfigurationError(
                [
                    "the simulated dydx is traded with a test key that everybody knows: under [venues.dydx], write "
                    f'accounts = ["{TEST_ACCOUNT}"]'
                ]
            )
        address = TEST_ACCOUNT.rpartition("-")[0]
        arguments += ["--fund", f"{address}={DEPOSIT_USDC}"]
    return arguments


def simulator_command(venues: Sequence[str], ports: VenuePorts) -> list[str]:
    """The command that runs those venues over one world, without its market."""
    command = [sys.executable, "-m", _MODULES[tuple(venues)]]
    if IBKR in venues:
        command += ["--port", str(ports.ibkr)]
    if DYDX in venues:
        command += ["--grpc-port", str(ports.dydx_node), "--http-port", str(ports.dydx_indexer)]
    return command


def listening_ports(venues: Sequence[str], ports: VenuePorts) -> list[int]:
    """The ports that are open once the simulator is up."""
    found = [ports.ibkr] if IBKR in venues else []
    return found + ([ports.dydx_node, ports.dydx_indexer] if DYDX in venues else [])


def gateway_environment(service: str, ports: VenuePorts, mnemonic_file: Path) -> dict[str, str]:
    """Where a gateway finds its venue; nothing for other services."""
    if service == gateway_of(IBKR):
        return {"SIGNALBOX_IBKR_PORT": str(ports.ibkr)}
    if service == gateway_of(DYDX):
        return {
            "SIGNALBOX_DYDX_NETWORK": "local",
            "SIGNALBOX_DYDX_NODE_URL": f"127.0.0.1:{ports.dydx_node}",
            "SIGNALBOX_DYDX_INDEXER_URL": f"http://127.0.0.1:{ports.dydx_indexer}",
            "SIGNALBOX_DYDX_WEBSOCKET_URL": f"ws://127.0.0.1:{ports.dydx_indexer}/v4/ws",
            "SIGNALBOX_DYDX_MNEMONIC_FILE": str(mnemonic_file),
        }
    return {}
