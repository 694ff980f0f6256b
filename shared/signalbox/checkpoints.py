"""A checkpoint: what a service has folded of TRADE up to one of its messages, written down so that a start need not.

Owns its form: a row of frames, of which each service knows what they mean, cut into parts that NATS takes, and a
manifest that says what it is of and what each part must be. A checkpoint is believed whole or not at all; what it costs
not to believe one is the time to fold TRADE from its beginning. It must not know any service, nor the bus.

(The venue's snapshot of an account is a report; a copy of a stream is a backup; the last word on a position is in
STATE. None of them is this.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Protocol

import msgspec
from msgspec import Struct

PART_BYTES = 256 * 1024
FRAME_BYTES_MAX = 64 * 1024 * 1024
CHECKPOINT_BYTES_MAX = 128 * 1024 * 1024
"""One that would be larger is not written."""
SLOTS = 2
"""A new one is written beside the last, never over it."""

_LENGTH = struct.Struct("<I")


class CheckpointManifest(Struct, frozen=True, kw_only=True):
    """What a checkpoint is of, and the SHA-256 of each of its parts.

    `shape` is the version of the frames, `context` a hash of what else the fold depends on. `sequence` is that of the
    last message of TRADE that is in it, `last` the mark of that message.
    """

    service: str
    shape: int
    context: str
    sequence: int
    last: str
    at: datetime
    parts: tuple[str, ...]


class Loader(Protocol):
    """What a service makes of the frames of a checkpoint. Any error means that it is not to be believed."""

    def take(self, frame: bytes) -> None: ...

    def finish(self) -> None: ...


def mark(subject: str, stored_at: datetime, payload: bytes) -> str:
    """What tells a message of TRADE from one that stands at its sequence in another TRADE, or after its end was lost.

    No two streams store the same message in the same microsecond, so a stream that is made anew bears another mark.
    """
    digest = sha256(f"{subject}\n{stored_at.isoformat()}\n".encode("utf-8", "surrogatepass"))
    digest.update(payload)
    return digest.hexdigest()


def parts_of(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Cut frames, each behind its length, into parts. Raises `ValueError` where they are too many."""
    part, total = bytearray(), 0
    for frame in frames:
        part += _LENGTH.pack(len(frame))
        part += frame
        while len(part) >= PART_BYTES:
            total += PART_BYTES
            if total > CHECKPOINT_BYTES_MAX:
                raise ValueError(f"a checkpoint has {CHECKPOINT_BYTES_MAX} bytes at most")
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    if part:
        yield bytes(part)


class Frames:
    """Puts frames together again from parts that come in order."""

    def __init__(self) -> None:
        self._left = bytearray()

    def add(self, part: bytes) -> Iterator[bytes]:
        """The frames that are whole with this part."""
        self._left += part
        begin = 0
        while len(self._left) - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._left, begin)
            if length > FRAME_BYTES_MAX:
                raise ValueError("a frame is longer than any")
            end = begin + _LENGTH.size + length
            if end > len(self._left):
                break
            yield bytes(self._left[begin + _LENGTH.size : end])
            begin = end
        del self._left[:begin]

    def end(self) -> None:
        """Nothing follows. Raises `ValueError` in the middle of a frame."""
        if self._left:
            raise ValueError("the last frame is not whole")


def digest_of(part: bytes) -> str:
    """How a manifest names a part."""
    return sha256(part).hexdigest()


def encode_manifest(manifest: CheckpointManifest) -> bytes:
    """As JSON, for whoever looks at the stream."""
    return msgspec.json.encode(manifest)


def decode_manifest(payload: bytes) -> CheckpointManifest | None:
    """None = it is none."""
    try:
        return msgspec.json.decode(payload, type=CheckpointManifest)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
