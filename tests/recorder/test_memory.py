"""What may be given back: code of libraries, and only where the process has changed nothing."""

from __future__ import annotations

import subprocess
import sys

from recorder.memory import Mapping, code_of_libraries

SMAPS = """\
1000-3000 r-xp 00000000 00:00 1 /lib/changed.so.1
Rss: 8 kB
Anonymous: 4 kB
VmFlags: rd ex mr mw me sd
4000-6000 r-xp 00000000 00:00 2 /lib/untouched.so.1
Anonymous: 0 kB
7000-8000 r--p 00000000 00:00 2 /lib/untouched.so.1
Anonymous: 0 kB
8000-9000 rw-p 00000000 00:00 2 /lib/untouched.so.1
Anonymous: 0 kB
9000-a000 r-xp 00000000 00:00 0 [vdso]
Anonymous: 0 kB
a000-b000 rw-p 00000000 00:00 0
Anonymous: 0 kB
"""


def test_only_unchanged_code_of_libraries_is_given_back() -> None:
    assert list(code_of_libraries(SMAPS.splitlines())) == [Mapping(0x4000, 0x2000)]


def test_a_process_goes_on_as_before_after_giving_back() -> None:
    program = (
        "import duckdb; from recorder.memory import give_back; c = duckdb.connect(); c.execute('SELECT 1');"
        "give_back(); print(c.execute('SELECT sum(range) FROM range(1000)').fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[(499500,)]\n")
