"""The declaration of every stream, bucket and durable consumer; `signalbox.bus.bootstrap` makes them.

Owns names, storage and limits. Consumers are declared here too, so that no service needs the permission to create
one: a client that may create consumers can make the server copy a message of its own onto any subject.

`BARS` is partitioned: a bar published on `md.bar.<venue>.<symbol>.<timeframe>` is stored as
`md.bar.<partition>.<venue>.<symbol>.<timeframe>`, so that indicator replicas can share the symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

from signalbox.venues import VENUES

DAY_SECONDS = 86_400
KIBIBYTE, MEBIBYTE = 1024, 1024 * 1024
BAR_PARTITIONS = 8
REPLICAS = "replicas"
"""The priority group in which all processes pull that share a consumer."""


@dataclass(frozen=True)
class Consumer:
    """A durable pull consumer. One message at a time keeps order across a failover.

    `shared`: any number of processes may pull from it, each with a priority; the server prefers the lowest that asks.
    """

    name: str
    filter_subjects: tuple[str, ...]
    unacked_max: int = 1
    ack_wait_seconds: float = 2.0
    acks: bool = True
    shared: bool = False


@dataclass(frozen=True)
class Stream:
    """A stream on file storage. `age_days_max`, `per_subject_max` and `message_bytes_max` 0 = unbounded.

    `refuse_second` refuses a message beyond `per_subject_max` instead of replacing the oldest, `refuse_when_full` one
    that does not fit into the stream's part of the store (`signalbox.room`) instead of dropping the oldest. The part is
    never more than `bytes_max`, where there is one. The server refuses a message whose headers and payload have more
    than `message_bytes_max`, so that whatever is stored can be read. `leaves_when_acknowledged`: a work queue of one
    consumer; what has been acknowledged is gone. `batches`: messages may be stored several at a time, all or none.
    `stored_as` = (pattern, NATS's words for the subject to store under). `told_again`: what is stored is published once
    more, on these subjects, by the server: an account that imports them hears it then. The server knows message ids for
    `duplicate_window_seconds`, and has them in memory, as long as who publishes has made them: of what people write,
    briefly.
    """

    name: str
    subjects: tuple[str, ...]
    about: str
    age_days_max: int
    consumers: tuple[Consumer, ...] = ()
    per_subject_max: int = 0
    refuse_second: bool = False
    refuse_when_full: bool = False
    deny_delete: bool = False
    schedules: bool = False
    told_again: str = ""
    partitions: int = 0
    bytes_max: int = 0
    message_bytes_max: int = 65_536
    leaves_when_acknowledged: bool = False
    batches: bool = False
    stored_as: tuple[str, str] = ("", "")
    duplicate_window_seconds: int = 600


RECORDED = Consumer("recorder", (), unacked_max=-1, acks=False)

INTENTS_PER_NAME_MAX = 10_000
"""What one sender may have waiting undecided; NATS refuses the next one to him, and nobody else notices."""
INTENT_BYTES_MAX = 4 * KIBIBYTE
INTENTS_UNACKED_MAX = 8 * INTENTS_PER_NAME_MAX
"""As many as several senders may have waiting: whoever comes behind them is heard all the same."""

STREAMS: tuple[Stream, ...] = (
    Stream(
        "BARS",
        ("md.bar.*.*.*",),
        "closed bars, partitioned by venue and symbol",
        age_days_max=7,
        message_bytes_max=16_384,
        partitions=BAR_PARTITIONS,
        consumers=(
            *(
                Consumer(f"indicators-{number}", (f"md.bar.{number}.>",), shared=True)
                for number in range(BAR_PARTITIONS)
            ),
            RECORDED,
        ),
    ),
    Stream(
        "SCORES",
        ("ind.score.*.*.*", "ind.levels.*.*.*"),
        "scores at each bar close, and the levels of the day",
        age_days_max=7,
        consumers=(RECORDED,),
    ),
    Stream(
        "INTENTS",
        ("intent.*.*.*",),
        "what people want, by who sent it, until it is decided; not recorded: each decision holds its intent",
        age_days_max=1,
        per_subject_max=INTENTS_PER_NAME_MAX,
        refuse_second=True,
        bytes_max=1024 * MEBIBYTE,
        message_bytes_max=INTENT_BYTES_MAX,
        duplicate_window_seconds=120,  # risk knows ids for ever: this is for who publishes again after a time-out
        leaves_when_acknowledged=True,
        stored_as=("intent.*.*.*", "intent.{{wildcard(1)}}"),
        consumers=(Consumer("risk", (), unacked_max=INTENTS_UNACKED_MAX, ack_wait_seconds=30.0),),
    ),
    Stream(
        "TRADE",
        ("decision.*.*.*", "order.*.*.*"),
        "decisions and order events: the desk's total order, kept for ever: the books are a fold over it",
        age_days_max=0,
        message_bytes_max=640 * KIBIBYTE,  # more than REPORTS: an account is adopted with all that its snapshot says
        refuse_when_full=True,
        deny_delete=True,
        batches=True,
        consumers=(
            Consumer("risk", ("order.>",)),
            Consumer("oms", ("decision.approved.>",)),
            Consumer("oms-denied", ("decision.denied.>",)),
            RECORDED,
        ),
    ),
    Stream(
        "COMMANDS",
        ("command.*.*.*",),
        "venue commands; a second one on a subject is refused",
        age_days_max=90,
        message_bytes_max=32_768,
        refuse_when_full=True,
        per_subject_max=1,
        refuse_second=True,
        deny_delete=True,
        consumers=(
            *(Consumer(row.gateway, (f"command.{row.name}.>",)) for row in VENUES),
            RECORDED,
        ),
    ),
    Stream(
        "LEDGER",
        ("ledger.*.*",),
        "the gateways' submission ledger; kept for longer than an order works at any venue",
        age_days_max=200,
        refuse_when_full=True,
        message_bytes_max=65_536,
        deny_delete=True,
        consumers=(RECORDED,),
    ),
    Stream(
        "REPORTS",
        ("report.*.*.*",),
        "execution reports of the venues",
        age_days_max=90,
        message_bytes_max=524_288,
        refuse_when_full=True,
        deny_delete=True,
        consumers=(Consumer("oms", ("report.>",)), RECORDED),
    ),
    Stream(
        "STATE",
        ("md.instrument.*.*", "md.funding.*.*", "position.*.*.*", "book.*.*", "account.*.*"),
        "the last word on instruments, funding rates, positions, cash and accounts",
        age_days_max=90,
        message_bytes_max=131_072,
        per_subject_max=1,
        consumers=(RECORDED,),
    ),
    Stream(
        "CHECKPOINTS",
        ("checkpoint.*.*.*",),
        "what risk and OMS have folded of TRADE, in two slots of parts each: never needed, it only saves time",
        age_days_max=0,
        message_bytes_max=512 * KIBIBYTE,
        per_subject_max=1,
    ),
    Stream(
        "TIMERS",
        ("timer.schedule.*", "timer.fired.*"),
        "timers of the OMS, fired by the server",
        age_days_max=7,
        message_bytes_max=16_384,
        schedules=True,
        consumers=(Consumer("oms", ("timer.fired.>",)), RECORDED),
    ),
    Stream(
        "DEAD",
        ("dead.*.*",),
        "messages that could not be read",
        age_days_max=90,
        message_bytes_max=16_384,
        per_subject_max=10_000,
        deny_delete=True,
        consumers=(RECORDED,),
    ),
    Stream(
        "KV_CONTROL",
        ("$KV.CONTROL.>",),
        "the trading state, acts on the books and limits, a KV bucket: each operator's word, under his name",
        age_days_max=0,
        told_again="control.>",
        message_bytes_max=16 * KIBIBYTE,
        per_subject_max=64,
        deny_delete=True,
        consumers=(Consumer("oms", ("$KV.CONTROL.books.>",)), Consumer("risk", ("$KV.CONTROL.limits.>",)), RECORDED),
    ),
    Stream(
        "KV_LEASES",
        ("$KV.LEASES.>",),
        "who trades an account or works as a service, a KV bucket; written each second, and not recorded",
        age_days_max=0,
        message_bytes_max=4_096,
        per_subject_max=1,
    ),
)

RECORDED_STREAMS: tuple[Stream, ...] = tuple(stream for stream in STREAMS if RECORDED in stream.consumers)
"""What the recorder writes down: all but intents, which decisions hold, leases, which say that nothing happened, and
checkpoints, which follow from TRADE."""
