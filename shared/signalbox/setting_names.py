"""Every `SIGNALBOX_...` name that some part of the desk reads: a name that none reads is a slip, and is said.

One environment serves many: all services of a machine, the command line, compose. So what is another's is no mistake.
Owns the list (a test holds it against every settings struct, the command line and docker-compose.yml) and the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

PREFIX = "SIGNALBOX_"

EVERY_SERVICE = """
    NATS_URL NATS_USER NATS_PASSWORD NATS_PASSWORD_FILE NATS_CA_FILE DESK_FILE HTTP_HOST HTTP_PORT LOG_LEVEL
    SEALS SEALS_FILE
"""
GATEWAYS = """
    LIVE_CONFIRMATION LIVE_CONFIRMATION_FILE CONNECT_SECONDS_MAX ANSWER_SECONDS_MAX RETRY_DELAY_SECONDS
    RETRY_DELAY_SECONDS_MAX QUOTE_INTERVAL_SECONDS ACCOUNT_INTERVAL_SECONDS CANCEL_WAIT_SECONDS_MAX
    IBKR_HOST IBKR_PORT IBKR_ORDERS_CLIENT_ID IBKR_DATA_CLIENT_ID HISTORY_SECONDS_MAX HEARTBEAT_SECONDS
    HEARTBEAT_ANSWER_SECONDS_MAX ACKNOWLEDGE_SECONDS_MAX VISIBILITY_SECONDS ENDED_ORDERS EXTERNAL_ORDERS_SECONDS
    SILENCE_SECONDS_MAX IBKR_MARGIN
    SILENCE_WALL_SECONDS_MAX ACCOUNT_SILENCE_SECONDS_MAX RESUBSCRIBE_DELAY_SECONDS RESUBSCRIBE_DELAY_SECONDS_MAX
    DYDX_NETWORK DYDX_NODE_URL DYDX_INDEXER_URL DYDX_WEBSOCKET_URL DYDX_CHAIN_ID DYDX_MNEMONIC DYDX_MNEMONIC_FILE
    DYDX_PRIVATE_KEY DYDX_PRIVATE_KEY_FILE DYDX_TRADING_KEY DYDX_TRADING_KEY_FILE
    MARKET_SLIPPAGE_FRACTION STOP_SLIPPAGE_FRACTION BROADCAST_SECONDS_MAX
    STREAM_SILENCE_SECONDS_MAX STREAM_PING_SECONDS DATA_RECONCILE_SECONDS HEIGHT_INTERVAL_SECONDS
    STANDSTILL_SECONDS_MAX INDEXER_LAG_BLOCKS_MAX RECONCILE_SECONDS ASK_SECONDS SEQUENCE_SECONDS
    TRAIL_INTERVAL_SECONDS TRAIL_STEP_FRACTION
"""
OTHER_SERVICES = """
    LINK_SILENCE_SECONDS_MAX ROOM_SILENCE_SECONDS_MAX SETTLE_SECONDS_MAX
    SUBMIT_WINDOW_SECONDS UNKNOWN_GRACE_SECONDS
    STUDIES_FOLDER
    DATABASE_FILE BATCH_ROWS_MAX BATCH_BYTES_MAX BATCH_DELAY_SECONDS_MAX DATABASE_MEMORY_MEGABYTES_MAX
    QUERY_SECONDS_MAX QUERY_ROWS_MAX QUERY_MEMORY_MEGABYTES_MAX QUERIES_AT_ONCE_MAX QUERIES_PER_ASKER_MAX
    QUERIES_WAITING_MAX QUERIES_WAITING_PER_ASKER_MAX
"""
COMMAND_LINE = """
    RUN_FOLDER CREDENTIALS_FOLDER PEOPLE_FILE CONTROL PROMETHEUS_URL ALERTMANAGER_URL
"""
COMPOSE = """
    VERSION DESK NATS_CONFIG NATS_IMAGE NATS_PORT PROMETHEUS_PORT PROMETHEUS_IMAGE ALERTMANAGER_PORT ALERTMANAGER_IMAGE
    ALERTMANAGER_FOLDER GRAFANA_PORT GRAFANA_IMAGE METRICS_DAYS SIMULATOR_SPEED
    IB_IMAGE IB_MODE IB_API_PORT IB_PORT IB_RESTART_TIME IB_HOOK IB_FOLDER TWS_USER_FILE TWS_PASSWORD_FILE
"""
TESTS = """
    CONTAINERS
"""
KNOWN = frozenset(
    PREFIX + name
    for part in (EVERY_SERVICE, GATEWAYS, OTHER_SERVICES, COMMAND_LINE, COMPOSE, TESTS)
    for name in part.split()
)

SIMILARITY_MIN = 0.85
"""Of a name's first word to ours: SINGALBOX_LOG_LEVEL is a slip, SIGNAL_LOG_LEVEL somebody else's."""


def unknown_names(names: Iterable[str], own: Iterable[str] = ()) -> Iterator[str]:
    """Yield a sentence for each name that was meant for the desk, and that nobody reads. `own` = also known."""
    known = KNOWN.union(own)
    for name in sorted(names):
        first = name.upper().partition("_")[0] + "_"
        is_meant = _joined(name).startswith(_joined(PREFIX)) or get_close_matches(first, [PREFIX], 1, SIMILARITY_MIN)
        if name not in known and is_meant:
            close = get_close_matches(name.upper(), sorted(known), n=1)
            meant = f"did you mean {close[0]}?" if close else "unset it."
            yield f"{name} is set, but nothing of the desk reads a variable of this name: {meant}"


def _joined(name: str) -> str:
    """SIGNAL_BOX_LOG_LEVEL and signalbox.log-level are slips as well."""
    return "".join(letter for letter in name.upper() if letter.isalnum())
