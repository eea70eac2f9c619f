"""
All of the benchmarks: C{python -m benchmarks}.  See C{benchmarks/README.rst} for what
is measured, and how.
"""

from __future__ import annotations

import sys

from benchmarks import memory, pause, tax, telnet, ways
from benchmarks.running import run

#: The short ones first.
PARTS = (telnet.PART, ways.PART, pause.PART, tax.PART, memory.PART)

if __name__ == "__main__":
    run("benchmarks", PARTS, sys.argv[1:])
