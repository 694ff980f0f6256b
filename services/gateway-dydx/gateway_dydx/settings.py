"""The gateway's settings, and the rule that keeps it on paper.

Owns where the node and the indexer are, whose key signs, and every bound of waiting for them. Which account and which
markets is in the desk file.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace
from signalbox.desk import Desk, Mode
from signalbox.errors import ConfigurationError, TranslationError
from signalbox.settings import Secret, ServiceSettings

from gateway_dydx.keys import KeySource, key_source
from gateway_dydx.plans import Subaccount, subaccount_of
from gateway_dydx.translate import VENUE


class Network(StrEnum):
    TESTNET = "testnet"
    MAINNET = "mainnet"
    LOCAL = "local"
    """A simulator or a node of one's own: without TLS, and so on this machine or a private network alone, where it is
    called by a container's name, say. A signature for its chain id is worth nothing on any other chain."""


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Time-outs are wall time: they belong to the socket, not to the market."""

    dydx_network: Network = Network.TESTNET
    dydx_node_url: str = ""
    """The validator's gRPC, `host:port`. The public ones answer a few calls a second: for trading, rent one or run one.
    Empty = the network's public one; with `local`, all three addresses must be given."""
    dydx_indexer_url: str = ""
    """The indexer's REST, `https://host`, without the `/v4`."""
    dydx_websocket_url: str = ""
    """The indexer's websocket, `wss://host/v4/ws`."""
    dydx_chain_id: str = ""
    """Part of every signature. Empty = the network's own."""
    dydx_mnemonic: Secret | None = None
    """The words of the wallet; or its private key in hex digits; or a trading key: one of the three."""
    dydx_private_key: Secret | None = None
    dydx_trading_key: Secret | None = None
    """Hex digits or words of a key that is not the wallet's, and that its owner lets trade (`signalbox dydx-key`)."""
    live_confirmation: Secret | None = None
    """Live trading only: must be the account, said again."""

    market_slippage_fraction: Decimal = Decimal("0.02")
    """A market order may fill so much worse than the best price of its moment, and the rest of it ends."""
    stop_slippage_fraction: Decimal = Decimal("0.05")
    """The same for a triggered stop, from its stop price: wider, for when it triggers the market is moving."""
    connect_seconds_max: float = 8.0
    """From no connection to a usable one."""
    answer_seconds_max: float = 10.0
    """Of a query of the node or the indexer; after that the answer has failed, which is not "empty"."""
    broadcast_seconds_max: float = 5.0
    """Of a broadcast; after that its outcome is unknown, and the venue is asked."""
    retry_delay_seconds: float = 0.2
    retry_delay_seconds_max: float = 15.0
    stream_silence_seconds_max: float = 10.0
    """Blocks come every second: a websocket on which nothing comes for this long is half open, and is cut."""
    stream_ping_seconds: float = 5.0
    data_reconcile_seconds: float = 30.0
    """Market data is held against REST so often: messages between a snapshot and its registration are lost."""
    quote_interval_seconds: float = 0.02
    """At most one quote of a symbol in this time, always the latest."""

    height_interval_seconds: float = 1.0
    """How often the node is asked for its height. Public nodes answer four calls a second."""
    standstill_seconds_max: float = 10.0
    """Blocks come every second: a chain whose height stands so long, or a node that is silent so long, is frozen."""
    indexer_lag_blocks_max: int = 25
    """So many blocks may the indexer be behind the chain. Short-term orders live 40 at most: beyond that it would tell
    of them when they are over."""
    reconcile_seconds: float = 30.0
    """How often orders, fills and figures are held against REST: the websocket loses messages without a word."""
    ask_seconds: float = 1.0
    """After how long an order without a word is asked about; then each time later."""
    sequence_seconds: float = 70.0
    """How long a signed stateful transaction can still come on the chain: its sequence is a time, which the chain takes
    within 30 s of its own; both clocks may be wrong."""
    trail_interval_seconds: float = 5.0
    """A trailing stop is moved at most so often: each move takes one of the stateful orders that the chain allows."""
    trail_step_fraction: Decimal = Decimal("0.0005")
    """It is moved once it lies so much of the price nearer to the market, and a tick at least."""
    cancel_wait_seconds_max: float = 10.0
    """How long a cancel is tried. Commands behind it wait as long."""
    account_interval_seconds: int = 60
    """Desk time between two account states when nothing changes."""


class Addressed(Protocol):
    """Whoever says where the venue is, as these settings do."""

    @property
    def dydx_network(self) -> Network: ...

    @property
    def dydx_node_url(self) -> str: ...

    @property
    def dydx_indexer_url(self) -> str: ...

    @property
    def dydx_websocket_url(self) -> str: ...

    @property
    def dydx_chain_id(self) -> str: ...


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where the venue is. `secure` = the node has TLS, verified; of the others the address says it."""

    chain_id: str
    denomination: str
    node: str
    """`host:port`, without a scheme."""
    indexer_url: str
    websocket_url: str
    secure: bool


USDC = "ibc/8E27BA2D5493AF5636760E354E46004562C46AB7EC0CC4C1CA14E9E20E2545B5"

_NETWORKS: dict[Network, Endpoints] = {
    Network.MAINNET: Endpoints(
        chain_id="dydx-mainnet-1",
        denomination=USDC,
        node="dydx-ops-grpc.kingnodes.com:443",
        indexer_url="https://indexer.dydx.trade",
        websocket_url="wss://indexer.dydx.trade/v4/ws",
        secure=True,
    ),
    Network.TESTNET: Endpoints(
        chain_id="dydx-testnet-4",
        denomination=USDC,
        node="test-dydx-grpc.kingnodes.com:443",
        indexer_url="https://indexer.v4testnet.dydx.exchange",
        websocket_url="wss://indexer.v4testnet.dydx.exchange/v4/ws",
        secure=True,
    ),
    Network.LOCAL: Endpoints(
        chain_id="localdydxprotocol", denomination=USDC, node="", indexer_url="", websocket_url="", secure=False
    ),
}

_PLAIN_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""RFC 1918 and RFC 4193: no router of the internet forwards to them."""

_PUBLIC_CHAIN_IDS = {_NETWORKS[network].chain_id for network in (Network.MAINNET, Network.TESTNET)}

_VARIABLES = {
    "dydx_node_url": ("http", "https", ""),
    "dydx_indexer_url": ("http", "https"),
    "dydx_websocket_url": ("ws", "wss"),
}
"""The addresses, and the schemes each may have: without TLS first."""


def subaccount_to_trade(desk: Desk, settings: Settings) -> Subaccount:
    """The one account to trade; raises `ConfigurationError` unless every sign says paper, or live is confirmed."""
    account = desk.only_account(VENUE)
    mistakes = list(_mode_mistakes(desk.mode, account, settings))
    subaccount = None
    try:
        subaccount = subaccount_of(account)
    except TranslationError as error:
        mistakes.append(f"venues.{VENUE}.accounts: {error}.")
    if subaccount is None or mistakes:
        raise ConfigurationError(mistakes)
    return subaccount


def _mode_mistakes(mode: Mode, account: str, settings: Settings) -> list[str]:
    mistakes = []
    network = settings.dydx_network
    if mode is Mode.PAPER and network is Network.MAINNET:
        mistakes.append(
            'SIGNALBOX_DYDX_NETWORK=mainnet trades real money, but the desk file says mode = "paper": take testnet or '
            "local."
        )
    if mode is Mode.LIVE and network is not Network.MAINNET:
        mistakes.append(
            f'SIGNALBOX_DYDX_NETWORK={network.value} is not where real money is, but the desk file says mode = "live": '
            "set it to mainnet, or the mode to paper."
        )
    if mode is Mode.PAPER and settings.dydx_chain_id == _NETWORKS[Network.MAINNET].chain_id:
        mistakes.append('SIGNALBOX_DYDX_CHAIN_ID is that of mainnet, but the desk file says mode = "paper".')
    confirmation = settings.live_confirmation
    if mode is Mode.LIVE and (confirmation is None or confirmation.reveal() != account):
        mistakes.append(
            'mode = "live" trades real money: SIGNALBOX_LIVE_CONFIRMATION (or the file named by '
            f"SIGNALBOX_LIVE_CONFIRMATION_FILE) must be the account {account}."
        )
    return mistakes


def endpoints(settings: Addressed) -> Endpoints:
    """Where to connect.

    Raises `ConfigurationError` for a local network that is not near, and for any other without TLS, but for what stands
    on this machine and has TLS itself (a recorder, a tunnel).
    """
    network = settings.dydx_network
    given = _NETWORKS[network]
    mistakes: list[str] = []
    for field, schemes in _VARIABLES.items():
        mistakes.extend(_address_mistakes(field, str(getattr(settings, field)), schemes, network))
    if network is Network.LOCAL and settings.dydx_chain_id in _PUBLIC_CHAIN_IDS:
        mistakes.append(f"SIGNALBOX_DYDX_CHAIN_ID={settings.dydx_chain_id} is no local network's: leave it out.")
    if mistakes:
        raise ConfigurationError(mistakes)
    return Endpoints(
        chain_id=settings.dydx_chain_id or given.chain_id,
        denomination=given.denomination,
        node=settings.dydx_node_url.rpartition("://")[2].rstrip("/") or given.node,
        indexer_url=(settings.dydx_indexer_url or given.indexer_url).rstrip("/").removesuffix("/v4"),
        websocket_url=settings.dydx_websocket_url or given.websocket_url,
        secure=given.secure and not settings.dydx_node_url.startswith("http://"),
    )


def chain_at(network: Network, node_url: str) -> Endpoints:
    """The chain alone, for what needs no indexer. Raises `ConfigurationError` as `endpoints` does."""
    given = _NETWORKS[network]
    mistakes = _address_mistakes("dydx_node_url", node_url, _VARIABLES["dydx_node_url"], network)
    if mistakes:
        raise ConfigurationError(mistakes)
    return replace(given, node=node_url.rpartition("://")[2].rstrip("/") or given.node)


def _address_mistakes(field: str, url: str, schemes: tuple[str, ...], network: Network) -> list[str]:
    variable = f"SIGNALBOX_{field.upper()}"
    if not url:
        hint = "SIGNALBOX_DYDX_NETWORK=local needs the address of each: node, indexer and websocket."
        return [f"{variable} is not set: {hint}"] if network is Network.LOCAL else []
    scheme, separator, _ = url.partition("://")
    scheme = scheme if separator else ""
    if scheme not in schemes:
        return [f"{variable}={url} begins with none of {', '.join(f'{word}://' for word in schemes if word)}."]
    try:
        parts = urlsplit(url if separator else f"//{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:  # brackets that do not match, a port that is none
        host, port = "", 0
    is_node = field == "dydx_node_url"
    if not host or port == 0 or (is_node and (port is None or parts.path.strip("/"))):
        form = "host:port" if is_node else f"{schemes[1]}://host, and a port if it is not the usual one"
        return [f"{variable}={url} has no host, or a port that is none: write {form}."]
    if network is Network.LOCAL and not is_near(host):
        near = "use 127.0.0.1, a private address, or a name without a dot, as containers have"
        return [f"{variable}={url} may be anywhere, and the local network has no TLS: {near}."]
    if network is Network.LOCAL and scheme in ("https", "wss"):
        return [f"{variable}={url}: the local network has no TLS."]
    if network is not Network.LOCAL and scheme == schemes[0] and not _is_loopback(host):
        return [f"{variable}={url} has no TLS: use {schemes[1]}://."]
    return []


def is_near(host: str) -> bool:
    """Say whether a host is this machine or on a private network, without asking anybody.

    A name without a dot is of this machine or of a container network: no public name is so short.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(_PLAIN_NAME.fullmatch(host))
    return address.is_loopback or any(address in network for network in _PRIVATE if address.version == network.version)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def signing_key(settings: Settings) -> KeySource:
    """Whose key signs; raises `ConfigurationError`, whose text shows nothing of it."""
    return key_source(settings.dydx_mnemonic, settings.dydx_private_key, settings.dydx_trading_key)
