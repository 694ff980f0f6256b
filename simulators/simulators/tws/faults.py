"""How the gateway is told to misbehave.

Owns the faults that are set and what they do to a message on its way out. It must not know sockets, and it changes
nothing in the world: a fault is what a client sees, the books stay true.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from simulators.tws.kinds import Outbound
from simulators.tws.replies import Message

RULES_MAX = 1_000
MARKET_DATA_FARM, HISTORY_FARM, DEFINITION_FARM = "usfarm", "ushmds", "secdefil"

TAG_FIELDS = {Outbound.ACCOUNT_VALUE: 2, Outbound.ACCOUNT_SUMMARY: 4, Outbound.ACCOUNT_UPDATE_MULTI: 5}
"""Where the messages of account figures have the figure's tag."""


class Effect(StrEnum):
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    OMIT = "omit"
    SPOIL = "spoil"


@dataclass(slots=True)
class Rule:
    """One fault on messages: of `kind` (None = any), to `client` (None = any), the next `remaining` (None = all)."""

    effect: Effect
    kind: Outbound | None
    client: int | None
    remaining: int | None
    milliseconds: int = 0
    field: int = 0
    """Of a spoilt message the place (0 = its kind) at which `text` stands instead of what is true."""
    text: str = ""

    def takes(self, client: int, kind: Outbound) -> bool:
        wanted = self.kind in (None, kind) and self.client in (None, client)
        return wanted and self.remaining != 0

    def use(self) -> None:
        if self.remaining is not None:
            self.remaining -= 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to write, now or after a while."""

    message: Message
    after_seconds: float = 0.0


@dataclass(slots=True)
class Faults:
    """Everything that is set, for all clients. Counters count down to 0 = as usual."""

    rules: list[Rule] = field(default_factory=list)
    held: dict[int, Message] = field(default_factory=dict)
    execution_before_status: int = 0
    commission_before_execution: int = 0
    swallow_replies: int = 0
    reject_reasons: list[str] = field(default_factory=list)
    attached_reject_reasons: list[str] = field(default_factory=list)
    commission_not_reckoned: int = 0
    hold_reasons: list[str] = field(default_factory=list)
    bare_errors: list[tuple[int, str]] = field(default_factory=list)
    slow_cancels: int = 0
    keep_types: int = 0
    """So many next changes of an order's type are refused (329)."""
    preset_time_in_force: int = 0
    not_subscribed: set[str] = field(default_factory=set)
    delayed_only: set[str] = field(default_factory=set)
    farms_down: set[str] = field(default_factory=set)
    silent_orders: set[int] = field(default_factory=set)
    withheld_tags: set[str] = field(default_factory=set)
    link_lost: bool = False
    competing_session: bool = False
    read_only: bool = False
    settles_by_position: bool = False
    """Exercises, assignments and expiries are told as positions alone: no execution of them is listed."""

    def add(self, rule: Rule) -> None:
        """Set a fault. Raises ValueError when too many are set: then somebody forgot `clear`."""
        self.rules = [each for each in self.rules if each.remaining != 0]
        if len(self.rules) >= RULES_MAX:
            raise ValueError(f"{RULES_MAX} faults are set already; clear them first")
        self.rules.append(rule)

    def clear(self) -> None:
        """Forget every fault that is set; what is held back for reordering is dropped with it."""
        fresh = Faults()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def deliver(self, client: int, message: Message) -> list[Delivery]:
        """Say what really goes out for `message`, in order."""
        kind = message[0]
        assert isinstance(kind, Outbound)
        if kind in TAG_FIELDS and message[TAG_FIELDS[kind]] in self.withheld_tags:
            return []
        deliveries = [Delivery(message)]
        for rule in self.rules:
            if not rule.takes(client, kind):
                continue
            rule.use()
            if rule.effect is Effect.OMIT:
                return []
            if rule.effect is Effect.DUPLICATE:
                deliveries = [*deliveries, *deliveries]
            elif rule.effect is Effect.SPOIL:
                deliveries = [replace(each, message=_spoilt(each.message, rule)) for each in deliveries]
            elif rule.effect is Effect.DELAY:
                deliveries = [Delivery(each.message, rule.milliseconds / 1000) for each in deliveries]
            elif client not in self.held:  # reorder: changes places with whatever follows it
                self.held[client] = message
                return []
        if client in self.held:
            deliveries.append(Delivery(self.held.pop(client)))
        return deliveries

    def silences_data(self) -> bool:
        """Whether ticks and bars stand still: the link to IBKR is lost, or the market data farm is down."""
        return self.link_lost or MARKET_DATA_FARM in self.farms_down

    def takes_one(self, counter: str) -> bool:
        """Use up one of a counted fault; False if none is set."""
        left: int = getattr(self, counter)
        if left <= 0:
            return False
        setattr(self, counter, left - 1)
        return True


def _spoilt(message: Message, rule: Rule) -> Message:
    """The message with another text in one field; one that is shorter stays as it is."""
    return message if rule.field >= len(message) else (*message[: rule.field], rule.text, *message[rule.field + 1 :])
