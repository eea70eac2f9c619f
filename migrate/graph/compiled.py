"""
Which of two ways the loops are run that go over every element of a graph: compiled,
where that was built, or in plain Python.

C{TXMIGRATE_PLAIN=1} in the environment has the plain ones used.  It must not know
what they do.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

#: What the compiled parts have to say to fit.
VERSION = 4


def compiled(name: str, version: int) -> Any:
    """
    @param name: of a compiled module.
    @param version: what it has to say to fit.
    @return: it; L{None} if there is none that fits, or plain Python is wanted.
    """
    if os.environ.get("TXMIGRATE_PLAIN", "0") not in ("", "0"):
        return None
    try:
        found: Any = import_module(name)
    except ImportError:
        return None
    return found if version == found.VERSION else None


native: Any = compiled("migrate.graph._native", VERSION)
