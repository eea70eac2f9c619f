"""
What adapters do to each of thousands of objects, compiled for the usual case, where
that was built: see L{migrate.graph.compiled}.

It must not know what that is.
"""

from __future__ import annotations

from typing import Any

from migrate.graph.compiled import compiled

#: What the compiled part has to say to fit.
VERSION = 3

native: Any = compiled("migrate.adapters._native", VERSION)
