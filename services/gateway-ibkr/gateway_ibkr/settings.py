"""The gateway's settings, and the rule that keeps it on paper.

Owns where TWS or IB Gateway is, and every bound of waiting for it. Which account and which symbols is in the desk file.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace
from signalbox.desk import Desk, Mode
from signalbox.errors import ConfigurationError
from signalbox.settings import Port, Secret, ServiceSettings

from gateway_ibkr.subscriptions import Patience
from gateway_ibkr.translate import VENUE

LIVE_PORTS = {7496: "TWS live", 4001: "IB Gateway live", 4003: "IB Gateway live, in a container"}
PAPER_PORTS = {7497: "TWS paper", 4002: "IB Gateway paper", 4004: "IB Gateway paper, in a container"}
PAPER_ACCOUNT_PREFIXES = ("DU", "DF", "DI")
"""Of a client, of an advisor and of a broker. Live ones begin with U, F and I; what is not known is live."""


ACCOUNTS_MAX = 24


class Margin(StrEnum):
    """By what it is reckoned what an order binds."""

    FULL_VALUE = "FULL_VALUE"
    WHAT_IF = "WHAT_IF"


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Time-outs are wall time: they belong to the socket, not to the market."""

    ibkr_host: str = "127.0.0.1"
    ibkr_port: Port = 4002
    """IB Gateway 4002 paper, 4001 live (4004 and 4003 in a container: docs/ib-gateway.md); TWS 7497 and 7496."""
    ibkr_orders_client_id: int = 11
    """Not 0: client 0 adopts orders that a person enters in TWS. Of the desk's first account; those after it have the
    ids behind the larger of these two, in the order of the desk file: TWS tells one session the figures of one account.
    """
    ibkr_data_client_id: int = 12
    live_confirmation: Secret | None = None
    """Live trading only: must be the account id, said again; of several all of them, with commas between."""

    ibkr_margin: Margin = Margin.FULL_VALUE
    """What an order binds of an account's funds, but for options that are sold: FULL_VALUE = all that it is worth, so
    that nothing is bought on credit; WHAT_IF = the part of it that IBKR asks for, by its answer to orders that are not
    placed, and all of it while there is no such answer of the last half hour."""

    connect_seconds_max: float = 8.0
    """From the first byte to a session. TWS takes seconds when it has just started."""
    answer_seconds_max: float = 15.0
    """Until a request's end marker; after that the answer has failed, which is not "empty"."""
    history_seconds_max: float = 60.0
    """History is slower than anything else, and slowest right after a reconnect."""
    heartbeat_seconds: float = 10.0
    """A half-open socket looks connected: only an answer proves that it is."""
    heartbeat_answer_seconds_max: float = 5.0
    retry_delay_seconds: float = 0.2
    retry_delay_seconds_max: float = 15.0
    acknowledge_seconds_max: float = 3.0
    """An order without any word of the venue for this long is asked about."""
    visibility_seconds: float = 3.0
    """How long the venue may take to show an order that it has. "Not found" counts when asked twice, this far apart."""
    external_orders_seconds: float = 60.0
    """How often TWS is asked what others have placed in the account: unasked it tells of this client's orders alone."""
    cancel_wait_seconds_max: float = 10.0
    """How long a cancel waits for the link; then it is refused, and the order stays as it was. Commands behind it wait
    as long, and whoever wants the order gone must learn that it is not."""
    ended_orders: str = ""
    """Ids of orders, with spaces between, that an operator has found to be over in IBKR's own statement: believed only
    of an order older than the venue's memory (docs/runbooks/unknown-order.md)."""
    quote_interval_seconds: float = 0.02
    """At most one quote per symbol in this wall time, always the latest. At 1500x it is 30 s of desk time."""
    account_interval_seconds: int = 60
    """Desk time between two account states when nothing changes."""
    silence_seconds_max: int = 30
    """A subscription in session that says nothing for this long (desk time) is made anew: a price is news again before
    risk finds it too old ..."""
    silence_wall_seconds_max: float = 15.0
    """... if it was silent for this long on the wall clock too: a simulated clock may run ahead of the socket. Also how
    long what a farm's return may have ended has to show that it lives."""
    account_silence_seconds_max: int = 240
    """The same for the account's figures and its profit and loss: TWS repeats the figures every three minutes, and risk
    finds them too old after five."""
    resubscribe_delay_seconds: float = 10.0
    """Between two requests for the same subscription, twice as long each time that nothing comes of it ..."""
    resubscribe_delay_seconds_max: float = 120.0
    """... up to this: as often what is refused is asked for again, and the end of a competing session is noticed."""


def patience_of(settings: Settings) -> Patience:
    """How long a subscription to market data may be silent."""
    return Patience(
        silence_seconds=settings.silence_seconds_max,
        silence_wall_seconds=settings.silence_wall_seconds_max,
        delay_seconds=settings.resubscribe_delay_seconds,
        delay_seconds_max=settings.resubscribe_delay_seconds_max,
    )


def account_patience_of(settings: Settings) -> Patience:
    """How long the account's figures, and its profit and loss, may be silent."""
    return replace(patience_of(settings), silence_seconds=settings.account_silence_seconds_max)


def accounts_of(desk: Desk, settings: Settings) -> tuple[str, ...]:
    """The accounts to trade; raises `ConfigurationError` unless every sign says paper, or live is confirmed."""
    accounts = desk.accounts_at(VENUE)
    check = _live_mistakes if desk.mode is Mode.LIVE else _paper_mistakes
    mistakes = check(accounts, settings)
    if settings.ibkr_orders_client_id == settings.ibkr_data_client_id:
        mistakes.append("SIGNALBOX_IBKR_ORDERS_CLIENT_ID and SIGNALBOX_IBKR_DATA_CLIENT_ID must differ.")
    if len(accounts) > ACCOUNTS_MAX:
        mistakes.append(
            f"venues.{VENUE}.accounts names {len(accounts)} accounts: TWS has 32 clients, of which each account takes "
            f"one and market data another, so that {ACCOUNTS_MAX} can be traded beside other programs."
        )
    if mistakes:
        raise ConfigurationError(mistakes)
    return accounts


def orders_client_id(settings: Settings, place: int) -> int:
    """The client id of the orders session of the desk's account at that place, from 0 on."""
    if place == 0:
        return settings.ibkr_orders_client_id
    return max(settings.ibkr_orders_client_id, settings.ibkr_data_client_id) + place


def _paper_mistakes(accounts: tuple[str, ...], settings: Settings) -> list[str]:
    mistakes = []
    if settings.ibkr_port in LIVE_PORTS:
        mistakes.append(
            f'port {settings.ibkr_port} is {LIVE_PORTS[settings.ibkr_port]}, but the desk file says mode = "paper": '
            "set SIGNALBOX_IBKR_PORT to 4002 (IB Gateway paper) or 7497 (TWS paper)."
        )
    mistakes += [
        f"account {account} is no paper account (those begin with {', '.join(PAPER_ACCOUNT_PREFIXES)}), but "
        'the desk file says mode = "paper": name the paper account.'
        for account in accounts
        if not is_paper(account)
    ]
    return mistakes


def _live_mistakes(accounts: tuple[str, ...], settings: Settings) -> list[str]:
    mistakes = []
    if settings.ibkr_port in PAPER_PORTS:
        mistakes.append(
            f'port {settings.ibkr_port} is {PAPER_PORTS[settings.ibkr_port]}, but the desk file says mode = "live": '
            "set SIGNALBOX_IBKR_PORT to 4001 (IB Gateway live) or 7496 (TWS live), or the mode to paper."
        )
    mistakes += [
        f'account {account} is a paper account, but the desk file says mode = "live".'
        for account in accounts
        if is_paper(account)
    ]
    confirmation = settings.live_confirmation
    if confirmation is None or confirmation.reveal() != ",".join(accounts):
        what = "the account id" if len(accounts) == 1 else "the account ids, with commas between:"
        mistakes.append(
            'mode = "live" trades real money: SIGNALBOX_LIVE_CONFIRMATION (or the file named by '
            f"SIGNALBOX_LIVE_CONFIRMATION_FILE) must be {what} {','.join(accounts)}."
        )
    return mistakes


def is_paper(account: str) -> bool:
    return account.startswith(PAPER_ACCOUNT_PREFIXES)


def session_mistake(account: str, managed: tuple[str, ...], mode: Mode) -> str:
    """What is wrong with the accounts of the session that TWS has opened; "" = nothing."""
    if account not in managed:
        kind = "paper" if managed and is_paper(managed[0]) else "live"
        return (
            f"this TWS or IB Gateway is logged in to {', '.join(managed) or 'no account'} ({kind}), not to {account}: "
            "log in there with the right user, or change the account in the desk file or SIGNALBOX_IBKR_PORT"
        )
    if mode is Mode.PAPER and not all(is_paper(name) for name in managed):
        return f"this TWS or IB Gateway manages live accounts ({', '.join(managed)}), but the desk's mode is paper"
    return ""
