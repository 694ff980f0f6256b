"""A session with dYdX on its way into a file: what a relay sees, redacted, written with its time.

Owns the lines that there are. Questions and their answers bear a number; what is kept of each is `dydx_redaction`'s and
`dydx_node_messages`'.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import msgspec

from signalbox_cli.sessions.dydx_node_messages import asked_of_node, naming, told_by_node
from signalbox_cli.sessions.dydx_redaction import DydxRedaction
from signalbox_cli.sessions.dydx_relay import ABANDONED, UNREACHABLE
from signalbox_cli.sessions.recording import Pen
from signalbox_cli.sessions.relay import Side
from signalbox_cli.sessions.session_file import Line, Said, SessionWriter

CALL, ASK, ANSWER, TEXT = "call", "ask", "answer", "text"
"""The first field of a line: a call of the node, a question over REST, the answer to either, a websocket's message."""
NODE_LINK, REST_LINK, WEBSOCKETS = 1, 2, 2
"""All calls of the node are link 1, all questions over REST link 2; the first websocket is link 3."""
OK = "OK"
_METHOD = re.compile(r"/[A-Za-z0-9_.]{1,100}/[A-Za-z0-9_]{1,60}")
GATEWAYS_OWN = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", ABANDONED})
"""How a question ends that the gateway does not wait for any longer."""


class DydxRecording:
    """A `dydx_relay.Watcher` that writes what it sees."""

    def __init__(self, writer: SessionWriter, redaction: DydxRedaction, say: Callable[[str], None]) -> None:
        self._pen, self._redaction = Pen(writer, say), redaction
        self._withheld: set[int] = set()
        """Questions of which nothing is kept: nor is anything of their answers."""

    # ------------------------------------------------------------------------------------------------------ the node

    def called(self, number: int, method: str, data: bytes) -> None:
        kept = asked_of_node(method, data, naming(self._redaction.names))
        if kept is None:
            self._withheld.add(number)
            told = method if _METHOD.fullmatch(method) else "a method"
            self._withhold(NODE_LINK, "gateway", f"{told}, {len(data)} bytes")
            return
        self._say(NODE_LINK, "gateway", CALL, str(number), method, _json(kept))

    def answered(self, number: int, method: str, data: bytes) -> None:
        kept = None if number in self._withheld else told_by_node(method, data, self._redaction.names)
        if kept is None:
            self._withheld.discard(number)
            self._withhold(NODE_LINK, "venue", f"an answer, {len(data)} bytes")
            return
        self._say(NODE_LINK, "venue", ANSWER, str(number), OK, _json(kept))

    def failed(self, number: int, code: str, text: str) -> None:
        """A call or a question has no answer: the venue says why, or the gateway has stopped waiting."""
        if number in self._withheld:
            self._withheld.discard(number)
            return
        link = REST_LINK if code in (UNREACHABLE, ABANDONED) else NODE_LINK
        kept = self._redaction.names.sentence(text) if text else ""
        self._say(link, "gateway" if code in GATEWAYS_OWN else "venue", ANSWER, str(number), code, kept)

    # --------------------------------------------------------------------------------------------------- the indexer

    def asked(self, number: int, path: str, query: dict[str, str]) -> None:
        kept = self._redaction.question(path, query)
        if kept is None:
            self._withheld.add(number)
            self._withhold(REST_LINK, "gateway", f"a question of {len(path)} characters")
            return
        self._say(REST_LINK, "gateway", ASK, str(number), *kept)

    def told(self, number: int, status: int, body: bytes) -> None:
        kept = None if number in self._withheld else self._redaction.json(body)
        if kept is None:
            was_withheld = number in self._withheld
            self._withheld.discard(number)
            self._withhold(REST_LINK, "venue", f"an answer, {status}, {len(body)} bytes")
            if was_withheld:
                return
            kept = ""
        self._say(REST_LINK, "venue", ANSWER, str(number), str(status), kept)

    def opened(self, link: int) -> None:
        self._pen.write(Line(at=self.now(), link=WEBSOCKETS + link, by="gateway", what=Said.OPENED))

    def refused(self, link: int) -> None:
        self._pen.write(Line(at=self.now(), link=WEBSOCKETS + link, by="venue", what=Said.REFUSED))

    def passed(self, link: int, by: Side, text: str) -> None:
        kept = self._redaction.json(text)
        if kept is None:
            self._withhold(WEBSOCKETS + link, by, f"a message, {len(text)} characters, that is no JSON")
            return
        self._say(WEBSOCKETS + link, by, TEXT, kept)

    def closed(self, link: int, by: Side) -> None:
        self._pen.write(Line(at=self.now(), link=WEBSOCKETS + link, by=by, what=Said.CLOSED))

    def now(self) -> datetime:
        """The time of the next line."""
        return self._pen.now()

    def _say(self, link: int, by: Side, *fields: str) -> None:
        self._pen.write(Line(at=self.now(), link=link, by=by, fields=fields))

    def _withhold(self, link: int, by: Side, note: str) -> None:
        self._pen.write(Line(at=self.now(), link=link, by=by, what=Said.WITHHELD, note=note))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
