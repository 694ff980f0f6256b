"""Start the recorder: `python -m recorder`."""

from __future__ import annotations

import gc
import sys

from signalbox.process import run

from recorder.service import start
from recorder.settings import Settings

SWITCH_SECONDS = 0.001
"""The writer's thread takes the interpreter back about once in 200 rows, and waits this long for it each time while the
event loop is busy. At Python's default of 5 ms it can not write more than 40k rows/s, however fast DuckDB is."""

GARBAGE_THRESHOLD = 20_000
"""A batch is thousands of tuples that hold no cycles: looking for cycles at each 700 of them costs a tenth of the
time."""


def main() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    run("recorder", Settings, start)


if __name__ == "__main__":
    main()
