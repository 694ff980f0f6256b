"""Seals: what makes a decision risk's, a command the OMS's, a report its gateway's, a trading state an operator's.

NATS says who may publish where, and can be made to publish itself: it sends an answer to any reply subject, and copies
a stored message there. So what the desk acts upon bears a seal in a header: an HMAC-SHA256 over its link, the name of
who sealed it, its subject, the headers that say where it may stand, and its bytes. Whoever acts checks it. A message
that was copied to another subject, or changed, bears none.

Keys belong to links, and a link is two who trust each other: no third one holds its key.

    risk-oms                  decisions (risk), order events (OMS)
    oms-<gateway>             commands (OMS), reports and the submission ledger (that gateway)
    checkpoint-<service>      its own checkpoints. The key is made of all keys that it has (nobody else has all),
                              and of what it believes unsealed: with other keys, checkpoints are not believed
    control                   the trading state; risk and the gateways have the key itself, for each obeys it by
                              itself (decision 99). Each operator has one derived from it and his name,
                              `control/<name>`: so they know who sealed, and no operator seals as another

Among the headers are the id and the sequence that the writer expected to be last. JetStream takes such a message only
where that is so: a true copy of a decision, order event or claim on its own subject is refused by the server, and one
without those headers bears no seal. What has no such sequence may come again, and is known by its ids where it is acted
upon.

Owns the keys' text form, the table of links, and both directions of a seal. It must not know NATS.
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from signalbox import services, subjects
from signalbox.errors import ConfigurationError
from signalbox.venues import gateway_of

SEAL_HEADER = "Signalbox-Seal"
EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence"
COVERED_HEADERS = ("Nats-Msg-Id", EXPECTED_HEADER, f"{EXPECTED_HEADER}-Subject")
"""What of the headers a seal is over."""
VERSION = "1"
KEY_BYTES = 32
KEYS_PER_LINK_MAX = 4

RISK_OMS, CONTROL = "risk-oms", "control"
KEYS_BEGUN_MAX = 128
_PREFIX = b"signalbox-seal-1"
_LENGTHS = struct.Struct("!7I")
_LINK = re.compile(r"risk-oms|oms-gateway-[a-z0-9-]+|control(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?")
_SEAL = re.compile(r"1:([A-Za-z0-9._-]{0,64}):([0-9a-f]{64})", re.ASCII)

Header = Callable[[str], str]
"""The value of a header by its name, "" without one."""


def link_of(subject: str) -> str:
    """The link whose seal a message on `subject` must bear; "" = none, for nobody acts upon it alone."""
    word, _, rest = subject.partition(".")
    if word in ("decision", "order"):
        return RISK_OMS
    if word in ("command", "report", "ledger"):
        return f"oms-{gateway_of(rest.partition('.')[0])}"
    if subjects.is_trading_state(subject):
        return CONTROL
    if word == "checkpoint":
        return f"checkpoint-{rest.partition('.')[0]}"
    return ""


def operator_link(name: str) -> str:
    """The link of one operator (or of `bootstrap`): what the line of his key begins with."""
    return f"{CONTROL}/{name}"


def operator_key(control: bytes, name: str) -> bytes:
    """The key of the operator `name`, who can not find the control key, nor another's, from his."""
    return hmac.digest(control, b"signalbox-operator:" + name.encode(), "sha256")


class Seals:
    """The keys that one process holds. None at all: it seals nothing, and acts upon nothing that needs a seal."""

    def __init__(self, keys: Mapping[str, tuple[bytes, ...]], accepted: Mapping[str, int] | None = None) -> None:
        self._keys = dict(keys)
        self._accepted = dict(accepted or {})
        self._operator = next((link.partition("/")[2] for link in keys if link.startswith(f"{CONTROL}/")), "")
        self._derived: dict[tuple[bytes, str], bytes] = {}
        self.judges = any("/" not in link for link in keys)
        """Whether this process acts upon what is sealed. Who only has an operator's key reads like anybody."""

    def __repr__(self) -> str:
        return f"Seals({shown_links(self._keys)})"

    @property
    def links(self) -> frozenset[str]:
        """The links of which this process has a key."""
        return frozenset(self._keys)

    @property
    def operator(self) -> str:
        """Under which name this process seals a trading state; "" = it can not."""
        return self._operator

    def first_key(self, link: str) -> bytes:
        """The key that seals on `link`, of those that this process has."""
        return self._keys[link][0]

    def may_speak_with(self, other: Seals) -> bool:
        """Whether both have the same links, with a key in common on each."""
        return self.links == other.links and all(set(self._keys[link]) & set(other._keys[link]) for link in self._keys)

    def seal(self, subject: str, header: Header, payload: bytes) -> str:
        """The header's value for a message about to be sent; "" = it needs no seal, or the key is not ours."""
        link = link_of(subject)
        name = self._operator if link == CONTROL else ""
        keys = self._keys_of(operator_link(name) if name else link)
        if not link or keys is None or (link == CONTROL and not name):
            return ""
        return f"{VERSION}:{name}:{_digest(keys[0], link, name, subject, header, payload).hex()}"

    def _keys_of(self, link: str) -> tuple[bytes, ...] | None:
        if link.startswith("checkpoint-"):
            return _own_keys(self._keys, self._accepted).get(link)
        return self._keys.get(link)

    def fault(self, subject: str, header: Header, payload: bytes, stream: str = "", sequence: int = 0) -> str:
        """Why a message must not be acted upon; "" = it is genuine, or of a kind that bears no seal."""
        link = link_of(subject)
        if not link:
            return ""
        keys = self._keys_of(link)
        if keys is None:
            return f"not sealed by {_who(link)}: this process has no key of {link}"
        text = header(SEAL_HEADER)
        if not text:
            if 0 < sequence <= self._accepted.get(stream, 0):
                return ""
            return f"not sealed by {_who(link)}: there is no {SEAL_HEADER}"
        found = _SEAL.fullmatch(text)
        if found is None or (link == CONTROL) != bool(found[1]):
            return f"not sealed by {_who(link)}: {SEAL_HEADER} is none of version {VERSION}"
        if link == CONTROL and not header(EXPECTED_HEADER):
            return f"not sealed by {_who(link)}: it does not say which trading state it follows"
        name, given = found[1], bytes.fromhex(found[2])
        if link == CONTROL and subjects.operator_of(subject) not in ("", name):
            return f"not sealed by {_who(link)}: it is stored under another name than that of its seal"
        genuine = False
        for key in keys:  # every key is tried: which one it was takes no time to tell
            own = self._operators_key(key, name) if name else key
            genuine |= hmac.compare_digest(given, _digest(own, link, name, subject, header, payload))
        return "" if genuine else f"not sealed by {_who(link)}: the seal is not of this message and key"

    def _operators_key(self, control: bytes, name: str) -> bytes:
        """Remembered for as many names as an honest desk may have: names are chosen by whoever sends."""
        key = self._derived.get((control, name))
        if key is None:
            key = operator_key(control, name)
            if len(self._derived) < OPERATORS_KNOWN_MAX:
                self._derived[control, name] = key
        return key


OPERATORS_KNOWN_MAX = 64
NO_SEALS = Seals({})
"""Of everybody who neither decides nor acts."""


def _own_keys(keys: Mapping[str, tuple[bytes, ...]], accepted: Mapping[str, int]) -> dict[str, tuple[bytes, ...]]:
    """The key that a service seals its own checkpoints with; of nobody who has not all the links of such a service."""
    for service in services.CHECKPOINTING_SERVICES:
        if set(links_of(service)) == keys.keys():
            made_of = repr((sorted(keys.items()), sorted(accepted.items()))).encode()
            link = f"checkpoint-{service}"
            return {link: (hmac.digest(keys[RISK_OMS][0], f"signalbox-{link}:".encode() + made_of, "sha256"),)}
    return {}


def sealer(header: Header) -> str:
    """The name in a message's seal, which is to be believed only of a genuine one; "" = it names nobody."""
    found = _SEAL.fullmatch(header(SEAL_HEADER))
    return found[1] if found else ""


def _who(link: str) -> str:
    if link == RISK_OMS:
        return "risk or the OMS"
    if link.startswith("checkpoint-"):
        return link.removeprefix("checkpoint-")
    return "an operator" if link == CONTROL else f"the OMS or {link.removeprefix('oms-')}"


def _digest(key: bytes, link: str, name: str, subject: str, header: Header, payload: bytes) -> bytes:
    if link == CONTROL:
        subject = subjects.TRADING_STATE  # as it was sent: the server adds the name
    first, second, third = COVERED_HEADERS
    texts = (link, name, subject, header(first), header(second), header(third))
    whole = "".join(texts)
    if whole.isascii():  # as good as always: then lengths are those of the texts
        framed = _LENGTHS.pack(*map(len, texts), len(payload)) + whole.encode()
    else:
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        framed = _LENGTHS.pack(*map(len, parts), len(payload)) + b"".join(parts)
    code = _begun(key).copy()
    code.update(b"".join((_PREFIX, framed, payload)))
    return code.digest()


@lru_cache(KEYS_BEGUN_MAX)
def _begun(key: bytes) -> hmac.HMAC:
    """A code that has taken in its key and nothing else: to copy it costs half of making one, on an order's way."""
    return hmac.new(key, digestmod="sha256")


# ------------------------------------------------------------------------------------------------------ as a text


def parse(text: str) -> Seals:
    """Read keys: a line `link = 64 hexadecimal digits` each, `#` begins a remark.

    Of several keys of one link the first seals, and all are believed: so a key can be changed while the desk runs.
    `accept TRADE = 1234` believes what bears no seal up to that sequence: the history of a desk from before seals.

    Raises `ConfigurationError` with every mistake; no key is in it.
    """
    keys: dict[str, tuple[bytes, ...]] = {}
    accepted: dict[str, int] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("#")[0].partition("="))
        if not name and not equals:
            continue
        stream = name.removeprefix("accept ").strip() if name.startswith("accept ") else ""
        if stream and value.isascii() and value.isdigit() and len(value) < 20:
            accepted[stream] = int(value)
        elif stream or not equals:
            mistakes.append(f"line {number} is neither `link = key` nor `accept STREAM = sequence`.")
        elif _LINK.fullmatch(name) is None:
            mistakes.append(f"line {number} names no link: {RISK_OMS}, oms-gateway-<venue>, control, control/<name>.")
        elif re.fullmatch(r"[0-9a-fA-F]{64}", value) is None:
            mistakes.append(
                f"line {number}, {name}: a key is {2 * KEY_BYTES} hexadecimal digits (`openssl rand -hex 32`)."
            )
        elif len(keys.get(name, ())) == KEYS_PER_LINK_MAX:
            mistakes.append(f"line {number}, {name}: more than {KEYS_PER_LINK_MAX} keys of one link.")
        else:
            keys[name] = (*keys.get(name, ()), bytes.fromhex(value))
    if len([link for link in keys if link.startswith(f"{CONTROL}/")]) > 1:
        mistakes.append("there are keys of several operators: a person has one name.")
    if mistakes:
        raise ConfigurationError(mistakes)
    return Seals(keys, accepted)


def demand(text: str, links: Iterable[str]) -> Seals:
    """Read the keys of a process that can not do without those of `links`. Raises `ConfigurationError`."""
    found = parse(text)
    if missing := sorted(set(links) - found.links):
        raise ConfigurationError([f"the key of {link} is missing." for link in missing])
    if strange := sorted(found.links - set(links)):
        raise ConfigurationError([f"there is a key of {link}, which this process must not have." for link in strange])
    return found


def links_of(user: str) -> tuple[str, ...]:
    """The links of which a user of the desk holds the keys: the services by what they do, the others as operators."""
    if user == "risk":
        return (RISK_OMS, CONTROL)
    if user == "oms":
        return (RISK_OMS, *(f"oms-{gateway}" for gateway in services.GATEWAYS))
    if user in services.GATEWAYS:
        return (f"oms-{user}", CONTROL)
    return (operator_link(user),) if user in ("bootstrap", "operator") else ()


def shown_links(links: Iterable[str]) -> str:
    """Links as a service tells of them."""
    return ", ".join(sorted(links))


MADE_LINKS = (RISK_OMS, *(f"oms-{gateway}" for gateway in services.GATEWAYS), CONTROL)
"""The links whose keys are made; those of operators are derived from that of `control`."""


def text_for(user: str, keys: Mapping[str, bytes]) -> str:
    """The lines that a user of the desk is given, of the keys of `MADE_LINKS`; "" = it is given none."""
    return "".join(f"{link} = {_key_of(link, keys).hex()}\n" for link in links_of(user))


def _key_of(link: str, keys: Mapping[str, bytes]) -> bytes:
    operator = link.partition("/")[2]
    return operator_key(keys[CONTROL], operator) if operator else keys[link]
