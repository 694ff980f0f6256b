"""Asks a service over HTTP whether it is ready: `python -m signalbox.readiness http://127.0.0.1:8080/readyz`.

For health checks in containers, whose images have no curl. Owns one question and its exit status: 0 ready, 1 not ready,
with what it waits for on standard output. It is run every few seconds, so it imports no more than it needs.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException

ANSWER_SECONDS_MAX = 2.0


def ask(address: str) -> tuple[bool, str]:
    """Whether `http://host:port/path` answers 200, and what it says."""
    host, _, path = address.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status == 200, answer.read().decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return False, f"{address} does not answer: {error}"
    finally:
        connection.close()


def main() -> int:
    ready, said = ask(sys.argv[1])
    sys.stdout.write(f"{said}\n")
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())
