"""Names that stand for others: the same one for the same secret wherever it occurs, and none that leads back.

Owns what is hidden in any text, whatever message it stands in: accounts that were learned, words that the user named,
and what looks like an account, a mail or network address, a link or a key. Which fields may be kept at all is a venue's
own module's (`tws_redaction`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from signalbox_cli.simulated_venues import TEST_ACCOUNT

WORD_CHARACTERS_MIN = 3
SUBSTRING_CHARACTERS_MIN = 5
"""A shorter secret is hidden as a word of its own only: within others it would be found where nobody meant it."""
SECRETS_MAX = 200_000
"""More names than a session has: what comes after has one name together."""
BEYOND = "hidden"
SENTENCES_MAX = 200

_PATTERNS = {
    "chain": r"\b[a-z]{2,16}1[02-9ac-hj-np-z]{38,58}\b",  # an address of a chain (BIP-173), dYdX's or another
    "link": r"\b[a-z][a-z0-9+.-]{1,20}://\S+|\bwww\.\S+",
    "mail": r"[^\s@<>,;:\"'=]+@[^\s@<>,;:\"']+\.[a-z]{2,}",
    "address": r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f:]+",
    "key": r"(?<![\w+/=.-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])[\w+/=-]{24,}",
    "account": r"(?<![a-z0-9])(?:du[a-z]?|df|[ufi])\d{4,10}(?!\d)",  # IBKR's: live, advisor's, and those on paper
}
_KINDS = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items())


class Pseudonyms:
    """What was hidden so far, and under which names. `words` are what the user wants hidden besides."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._anywhere: set[str] = set()
        self.sentences: dict[str, None] = {}
        """The venue's sentences that were kept, for who sends the file."""
        self._pattern = re.compile(_KINDS, re.IGNORECASE)
        self._known: re.Pattern[str] | None = None
        for word in words:
            self._name("word", word)
            self._hide_anywhere(word)

    def account(self, account: str) -> str:
        """The name of an account: one on paper, whatever it was, so that a gateway on paper takes it."""
        if (known := self._names.get(account.upper())) is not None:
            return known
        prefix = "DF" if account.upper().startswith(("DF", "F")) else "DU"
        name = self._keep(account, f"{prefix}{self._next('account'):0{max(1, len(account) - len(prefix))}d}")
        self._hide_anywhere(account)
        return name

    def of(self, kind: str, secret: str, form: Callable[[int], str]) -> str:
        """The name of a secret of some kind, made from the number that it is among those."""
        return self._names.get(secret.upper()) or self._keep(secret, form(self._next(kind)))

    def chain_address(self, address: str) -> str:
        """The name of an address of a chain."""
        return self.of("chain", address, _chain_address)

    def chosen(self, text: str) -> str:
        """The name of a text that somebody chose, as an order's reference: nothing of it is kept."""
        return self._names.get(text.upper()) or self._keep(text, f"text-{self._next('text')}")

    def hidden(self, text: str) -> str:
        """The text with a name for each secret in it."""
        if len(text) < WORD_CHARACTERS_MIN:
            return text
        if text.isascii() and text.isdigit():
            return self._known.sub(self._by_name, text) if self._known is not None else text
        return self._pattern.sub(self._by_kind, text)

    def sentence(self, text: str) -> str:
        """The venue's own sentence with a name for each secret in it, which whoever sends it is shown."""
        kept = self.hidden(text)
        if len(self.sentences) < SENTENCES_MAX:
            self.sentences.setdefault(kept)
        return kept

    def _by_name(self, found: re.Match[str]) -> str:
        return self._names.get(found[0].upper(), BEYOND)

    def _by_kind(self, found: re.Match[str]) -> str:
        match found.lastgroup:
            case None | "known":
                return self._by_name(found)
            case "account":
                return self.account(found[0])
            case "chain":
                return self.chain_address(found[0])
            case kind:
                return self._name(kind, found[0])

    def _name(self, kind: str, secret: str) -> str:
        return self._names.get(secret.upper()) or self._keep(secret, f"{kind}-{self._next(kind)}")

    def _next(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def _keep(self, secret: str, name: str) -> str:
        if len(self._names) >= SECRETS_MAX:
            return BEYOND
        self._names[secret.upper()] = name
        return name

    def _hide_anywhere(self, secret: str) -> None:
        self._anywhere.add(secret)
        longest_first = sorted(self._anywhere, key=lambda each: (-len(each), each))
        known = "|".join(_anywhere(each) for each in longest_first)
        self._known = re.compile(known, re.IGNORECASE)
        self._pattern = re.compile(f"(?P<known>{known})|{_KINDS}", re.IGNORECASE)


def _chain_address(number: int) -> str:
    """The first one is that of the test key: a gateway that signs with it can be played to."""
    return TEST_ACCOUNT.rpartition("-")[0] if number == 1 else f"dydx1{'q' * 30}{number:08d}"


def _anywhere(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= SUBSTRING_CHARACTERS_MIN else rf"(?<!\w){escaped}(?!\w)"
