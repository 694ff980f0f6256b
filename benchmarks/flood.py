"""One name's flood: intents over a bare connection, so many in so many seconds, whether anybody takes them or not.

A process of its own, so that whoever measures what others wait has a processor to do it. It says when it is ready, and
begins at a line on its standard input.

    FLOOD_PASSWORD=... python -m benchmarks.flood PORT USER COUNT SECONDS
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time

from signalbox import messages, subjects

from benchmarks.decisions_per_second import an_order

CHUNKS = 20


def flood(port: int, user: str, count: int, seconds: float) -> None:
    """Connect, wait for the word, and send."""
    template = messages.encode(an_order("flood-%d"))
    subject = subjects.intent(an_order("flood")).encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        login = {"user": user, "pass": os.environ["FLOOD_PASSWORD"], "verbose": False}
        connection.sendall(b"CONNECT %s\r\n" % json.dumps(login).encode())
        threading.Thread(target=_drain, args=(connection,), daemon=True).start()
        chunks = []
        for first in range(0, count, count // CHUNKS):
            payloads = [template.replace(b"%d", b"%d" % number) for number in range(first, first + count // CHUNKS)]
            chunks.append(b"".join(b"PUB %s %d\r\n%s\r\n" % (subject, len(each), each) for each in payloads))
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.perf_counter()
        for number, chunk in enumerate(chunks):
            time.sleep(max(0.0, began + number * seconds / CHUNKS - time.perf_counter()))
            connection.sendall(chunk)
        print(f"sent in {time.perf_counter() - began:.2f} s", flush=True)
        sys.stdin.readline()


def _drain(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


if __name__ == "__main__":
    port, user, count, seconds = sys.argv[1:]
    flood(int(port), user, int(count), float(seconds))
