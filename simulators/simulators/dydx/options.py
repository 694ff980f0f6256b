"""How the simulated dYdX is set up.

Owns the settings of its front; the market and the books behind it are set up by `simulators.options`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from msgspec import Struct

DEFAULT_CHAIN_ID = "localdydxprotocol"
DEFAULT_BLOCK_MS = 600
DEFAULT_REST_LIMIT = 100
"""The public indexer's."""


class DydxOptions(Struct, frozen=True, kw_only=True):
    """Ports (0 = any free one), block time and first deposits.

    `block_ms` is wall milliseconds between blocks; 0 = blocks come only when the control port says so. `fund` is
    (address, USDC) for subaccount 0, once ever; `used` likewise, with a history. `chain_file` keeps the chain's state
    over restarts. `rest_limit` is REST requests of one address in 10 s; 0 = no limit.
    """

    host: str = "127.0.0.1"
    grpc_port: int = 0
    http_port: int = 0
    block_ms: int = DEFAULT_BLOCK_MS
    chain_id: str = DEFAULT_CHAIN_ID
    fund: tuple[tuple[str, Decimal], ...] = ()
    used: tuple[tuple[str, Decimal], ...] = ()
    chain_file: Path | None = None
    rest_limit: int = DEFAULT_REST_LIMIT
