"""Which names the identities of a dYdX session have: addresses, sub-accounts, orders, fills, transactions.

Owns their forms, each such that the gateway reads it as the real one. The chain is public: an order's id or a
transaction's hash would lead to its owner at once.
"""

from __future__ import annotations

from signalbox_cli.sessions.pseudonyms import Pseudonyms

CHILDREN = 128
"""A sub-account from 128 on is a child of the one with the same rest: one for each isolated market."""


def account_name(account: str, names: Pseudonyms) -> str:
    """The name of `<address>-<number>`."""
    address, _, number = account.rpartition("-")
    return f"{names.chain_address(address)}-{number_name(number, names)}"


def subscription_name(id_: str, names: Pseudonyms) -> str:
    """The name of `<address>/<number>`."""
    address, _, number = id_.partition("/")
    return f"{names.chain_address(address)}/{number_name(number, names)}"


def number_name(number: str, names: Pseudonyms) -> str:
    """The name of a sub-account's number: the first one's is 0, a child's is a child of its parent's."""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return names.hidden(number)
    child, parent = divmod(int(number), CHILDREN)
    parent_name = names.of("parent", f"parent {parent}", lambda count: str(count - 1))
    child_name = names.of("child", f"child {child}", str) if child else "0"
    return str(_whole(child_name) * CHILDREN + _whole(parent_name) % CHILDREN)


def uuid_name(uuid: str, names: Pseudonyms) -> str:
    """The name of an id that the indexer gives: of an order, a fill, a transfer, a sub-account."""
    return names.of("uuid", uuid, lambda count: f"00000000-0000-4000-8000-{count:012x}")


def hash_name(digest: str, names: Pseudonyms) -> str:
    """The name of a transaction's hash, or of an event's id."""
    return names.of("hash", digest.removeprefix("0x"), lambda count: f"{count:064X}")


def choice_name(number: str, names: Pseudonyms) -> str:
    """The name of a number that whoever placed an order has chosen: 0 stays 0."""
    if number in ("", "0"):
        return number
    return names.of("choice", f"choice {number}", str)


def _whole(name: str) -> int:
    return int(name) if name.isdigit() else 0  # beyond the names that there are
