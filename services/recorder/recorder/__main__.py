"""Start the recorder: `python -m recorder`."""

from __future__ import annotations

from signalbox.process import run

from recorder.service import start
from recorder.settings import Settings


def main() -> None:
    run("recorder", Settings, start)


if __name__ == "__main__":
    main()
