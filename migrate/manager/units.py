"""
Sizes and times as people write them: 500M, 24h.

It must not know what they are of.
"""

from __future__ import annotations

import re

_NUMBER = r"(\d+\.?\d*|\.\d+)"
_SIZE = re.compile(rf"\s*{_NUMBER}\s*([KMGT]?)(?:i?B)?\s*", re.ASCII | re.IGNORECASE)
_PART = re.compile(rf"\s*{_NUMBER}\s*([smhdw])", re.ASCII)
_SECONDS = re.compile(rf"\s*{_NUMBER}\s*", re.ASCII)

_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

LONGEST = 1e9
"""
Seconds that a time may be, about 30 years: timers take no more.
"""


def size(option: str, text: str) -> int:
    """
    @param text: a number of bytes, or one followed by K, M, G or T, which are powers
        of 1024.
    @return: bytes.
    @raise ValueError: it is no such size, or less than a byte.
    """
    found = _SIZE.fullmatch(text)
    value = 0 if found is None else int(float(found[1]) * _BYTES[found[2].lower()])
    if value < 1:
        raise ValueError(f"--{option} {text}: give a size such as 500M or 1.5G")
    return value


def span(option: str, text: str) -> float:
    """
    @param text: a number of seconds, or numbers followed by s, m, h, d or w, the
        largest unit first or not: C{1h30m}.
    @return: seconds.
    @raise ValueError: it is no such time, or none at all.
    """
    value = float(text) if _SECONDS.fullmatch(text) else _sum(text)
    if not 0.0 < value <= LONGEST:
        raise ValueError(
            f"--{option} {text}: give a time such as 24h, 30m or 1h30m; a number alone "
            "is in seconds"
        )
    return value


def _sum(text: str) -> float:
    parts = list(_PART.finditer(text))
    if "".join(part[0] for part in parts) != text.rstrip():
        return 0.0
    return sum(float(part[1]) * _UNITS[part[2]] for part in parts)
