"""Start the recorder: `python -m recorder`."""

from __future__ import annotations

import gc
import os

from signalbox.process import run

from recorder.service import start
from recorder.settings import Settings

GARBAGE_THRESHOLD = 20_000
"""A batch is thousands of tuples that hold no cycles: looking for cycles at each 700 of them costs a tenth of the
time."""

STEPS_BACK = 5
"""Niceness, of the keeper too: what is recorded may be a second old, and each message of an order that goes by wakes
this process. Where processors are short, the order does not wait for that."""


def main() -> None:
    os.nice(STEPS_BACK)
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    run("recorder", Settings, start)


if __name__ == "__main__":
    main()
