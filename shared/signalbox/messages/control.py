"""How the desk is run: the clock, timers, the main switch, leases, and messages that could not be read."""

from __future__ import annotations

from signalbox.messages.words import Message, TradingMode, Utc


class ClockTick(Message, frozen=True, kw_only=True):
    """The simulator's time: `at` is desk time, `speed` desk seconds per wall second (0 = stands still)."""

    speed: float


class TimerFired(Message, frozen=True, kw_only=True):
    """A timer set by the OMS has come due. `due` is desk time; fired early (the clock slowed), it is set again."""

    due: Utc
    order_id: str


class TradingState(Message, frozen=True, kw_only=True):
    """The desk's main switch (KV bucket CONTROL, key `trading-state`)."""

    mode: TradingMode
    reason: str
    by: str


class Lease(Message, frozen=True, kw_only=True):
    """Who may trade an account, or work as a service (KV bucket LEASES).

    `holder` is a process, "" = given back; `epoch` counts them. Either `venue` and `account` or `service` are set.
    """

    venue: str = ""
    account: str = ""
    holder: str
    epoch: int
    service: str = ""


class DeadLetter(Message, frozen=True, kw_only=True):
    """A message that could not be read: where it stands, what is wrong with it, and its first bytes (base64)."""

    service: str
    stream: str
    sequence: int
    subject: str
    error: str
    payload: bytes
    payload_bytes: int


class SetAside(Message, frozen=True, kw_only=True):
    """One message of a stream that a service is to go on without: who says so, and why."""

    service: str
    stream: str
    sequence: int
    by: str
    reason: str
