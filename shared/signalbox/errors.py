"""The error tree. A refusal (a denied intent, a rejected order) is a message, never an error.

SignalboxError
├── ConfigurationError      the user's fault; do not retry; nothing starts
├── BusError                the bus's fault
│   ├── BusUnavailableError     a server that is there does not do it; the process ends, its restart carries on. One
│   │                           that is away is waited for by services, and is an error of people's commands only
│   ├── BusAnswerError          somebody else's fault: what came answers another question; nothing is known; ask again
│   ├── BusPermissionError      this user may not write there; do not retry
│   ├── BusFullError            the sender's fault: too much of his waits already; send again later
│   ├── BusRefusedError         JetStream will not store that message, and has not; what asked for it is held
│   ├── WrongSequenceError      another writer was here first; the process ends, trading goes on without it
│   └── LeaseLostError          another process holds the lease; this one ends, trading goes on without it
├── VenueError              the venue's fault; the gateway reconnects and reconciles, risk denies meanwhile
│   ├── VenueUnavailableError   no connection, or it was lost
│   ├── VenueTimeoutError       no answer: the outcome is unknown, never "empty"
│   └── VenueRefusedError       the venue said no, with a code
├── MessageError            the sender's fault; parked as a dead letter, trading goes on
│   └── TranslationError        a value that the other side (desk, venue) has no word for; refused, or counted
├── QueryFailedError        the asker's fault, or too much was asked: the recorder says what; it goes on
├── QuestionRefusedError    the asker's fault: he asks too often, or of whom can not say now; ask again later
├── SymbolError             the sender's fault: not a symbol of the desk
├── CalendarError           the question lies outside the calendar's data; fail closed
└── IllegalTransitionError  ours: a message that the order's state can not take; nothing changes
"""

from __future__ import annotations

from collections.abc import Sequence


class SignalboxError(Exception):
    """Any error of the desk."""


class ConfigurationError(SignalboxError):
    """The desk file or the environment is wrong. `mistakes` has all of them, each a sentence."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class BusError(SignalboxError):
    """NATS could not do what was asked."""


class BusUnavailableError(BusError):
    """NATS did not answer within the bound."""


class BusPermissionError(BusError):
    """NATS refuses this user that subject."""


class BusAnswerError(BusError):
    """What came in the place of an answer answers another question."""


class BusFullError(BusError):
    """NATS takes no more of this sender for now: what he has sent waits to be dealt with."""


class BusRefusedError(BusError):
    """JetStream refuses to store a message as it is: nothing was stored, and the same message will not be."""


class WrongSequenceError(BusError):
    """The subject has moved on: another writer published there since it was read."""

    def __init__(self, subject: str, expected_sequence: int) -> None:
        self.subject, self.expected_sequence = subject, expected_sequence
        super().__init__(
            f"another writer published on {subject} after sequence {expected_sequence}: is a second copy of this "
            "service running? This one stops so that only one writes."
        )


class LeaseLostError(BusError):
    """Another process has taken over the account."""


class VenueError(SignalboxError):
    """A venue could not do what was asked."""


class VenueUnavailableError(VenueError):
    """There is no connection to the venue."""


class VenueTimeoutError(VenueError):
    """The venue did not answer in time: what it did is not known."""


class VenueRefusedError(VenueError):
    """The venue refused, with its own code and text."""

    def __init__(self, code: str, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"{code}: {text}")


class MessageError(SignalboxError):
    """A message makes no sense where it stands."""


class TranslationError(MessageError):
    """A value of the venue, or of the desk, that has no counterpart on the other side."""


class QueryFailedError(SignalboxError):
    """The recorder refused or could not run a query; the text is its own."""


class QuestionRefusedError(SignalboxError):
    """A service did not answer what it was asked; the text is its own."""


class SymbolError(SignalboxError):
    """A text that names no instrument."""


class CalendarError(SignalboxError):
    """A day that the trading calendar does not cover."""


class IllegalTransitionError(SignalboxError):
    """An event that an order in this status can not take."""

    def __init__(self, order_id: str, status: str, event: str) -> None:
        self.order_id, self.status, self.event = order_id, status, event
        super().__init__(f"order {order_id}: {event} is not possible in status {status}")
