"""Reads header blocks, which may be any bytes: whoever may publish writes what he likes between the sizes he names.

Nothing here raises. A header is looked for as nats-server looks for it: the first line that begins with the name, as it
is spelt, and a colon. It must not know what a header means.
"""

from __future__ import annotations

from functools import lru_cache

VALUE_BYTES_MAX = 512
"""Longer than any id or seal of ours; what is longer is somebody's nonsense, and is not read."""
NAMES_KNOWN_MAX = 64


def read_header(block: bytes, name: str) -> str:
    """The first value of a header; "" = there is none, or none that is printable text of at most `VALUE_BYTES_MAX`."""
    begins = _begins(name)
    at = block.find(begins)
    if at < 0:
        return ""
    begin = at + len(begins)
    end = block.find(b"\r\n", begin, begin + VALUE_BYTES_MAX + 2)
    if end < 0:
        return ""
    try:
        value = block[begin:end].decode().strip(" \t")
    except UnicodeDecodeError:
        return ""
    return value if value.isprintable() else ""


@lru_cache(NAMES_KNOWN_MAX)
def _begins(name: str) -> bytes:
    """How the line of a header begins, behind the one before."""
    return b"\r\n%b:" % name.encode()


def printable(data: bytes) -> str:
    """Any bytes as text that says which they are: what is not printable ASCII, and the backslash, is escaped."""
    if data.isascii() and (text := data.decode("ascii")).isprintable() and b"\\" not in data:
        return text
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in data)
