"""
SASLprep (RFC 4013): one form for what may be typed in several.

It must not know what names and passwords are for.
"""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def prepare(text: str) -> str:
    """
    Prepare a name or a password (SASLprep, RFC 4013).  One that SASLprep has
    no form for, such as one with characters newer than it, stays as it is:
    both sides come to the same.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    return prepared if _permitted(prepared) else text


def _permitted(text: str) -> bool:
    """
    @return: whether SASLprep lets C{text} pass.
    """
    if not text or any(table(c) for c in text for table in _PROHIBITED):
        return False
    if not any(map(stringprep.in_table_d1, text)):
        return True
    rightToLeft = stringprep.in_table_d1
    return (
        rightToLeft(text[0])
        and rightToLeft(text[-1])
        and not any(map(stringprep.in_table_d2, text))
    )
