"""The ports of a desk on this machine: free ones, and the same from start to start.

Owns the file in which a folder's desk keeps them. What listens on a port, it must not know.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

FILE = "ports.json"
PORT_MAX = 65_535


def free_port(wanted: int = 0) -> int:
    """Reserve a port of loopback for about a minute: a listening server may bind it, nobody else is given its number.

    Its only connection is closed from the listening side, which leaves it in TIME_WAIT: the kernel then passes it over.
    `wanted` 0 = any. Raises `OSError` when somebody listens on the one that is wanted.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", wanted))
        listener.listen(1)
        port: int = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
        return port


class Ports:
    """The ports of the desk of one folder: as they were when it ran last, where nobody else listens there now."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._kept, self._taken = _read(self._file), dict[str, int]()

    def take(self, name: str) -> int:
        """The port of `name`, which is nobody else's from now on."""
        kept = self._kept.get(name, 0)
        try:
            port = free_port(0 if kept in self._taken.values() else kept)
        except OSError:
            port = free_port()
        self._taken[name] = port
        return port

    def keep(self) -> None:
        """Write down which were taken, whole or not at all; of a name that was not asked for, what it was before."""
        draft = self._file.with_name(f"{FILE}.new")
        draft.write_text(json.dumps(self._kept | self._taken, indent=2) + "\n")
        draft.replace(self._file)


def _read(file: Path) -> dict[str, int]:
    """What the file says; of one that is missing, or says anything else, nothing."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: port for name, port in found.items() if type(port) is int and 1024 <= port <= PORT_MAX}
