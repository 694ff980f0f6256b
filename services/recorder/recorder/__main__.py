"""Start the recorder: `python -m recorder`."""

from __future__ import annotations

import gc

from signalbox.process import run

from recorder.service import start
from recorder.settings import Settings

GARBAGE_THRESHOLD = 20_000
"""A batch is thousands of tuples that hold no cycles: looking for cycles at each 700 of them costs a tenth of the
time."""


def main() -> None:
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
    run("recorder", Settings, start)


if __name__ == "__main__":
    main()
