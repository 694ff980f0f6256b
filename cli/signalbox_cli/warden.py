"""Ends a desk's processes when who started them dies without a word (a SIGKILL, a closed terminal).

It leads the process group that they all run in, and reads a pipe whose other end only their parent holds. It must not
know what they do: each is safe to end at any instant.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.getpgrp() != os.getpid():
        sys.exit("this is not started by hand: it would end the processes of your terminal")
    sys.stdin.buffer.read()  # returns when the parent is gone
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
