"""Reads a text file of bounded size that a person has written, without waiting for what is no file.

Owns the sentences about a file that is none. It must not know what the text means.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

LINE_CHARACTERS_MAX = 4_000
"""A key of ten thousand parts keeps Python's TOML reader busy for a minute."""


class TextFileError(Exception):
    """Why a file can not be read, as words after its name."""


def read_text_file(path: Path, bytes_max: int) -> str:
    """Read UTF-8. Raises `TextFileError` when it is no such file, or larger, or has a line that nobody writes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to is opened at once
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TextFileError("can not be read: it is no file.")
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise TextFileError(f"can not be read: {error.strerror}.") from None
    if len(content) > bytes_max:
        raise TextFileError(f"has more than {bytes_max} bytes: is it another file?")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TextFileError("is UTF-16: save it as UTF-8.")
    if content.startswith(b"\xef\xbb\xbf"):
        raise TextFileError("begins with a byte order mark: save it as plain UTF-8 without.")
    try:
        text = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise TextFileError(f"is no text in UTF-8: see line {number}.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise TextFileError(f"has a line of {len(line)} characters (line {number}): is it another file?")
    return text
