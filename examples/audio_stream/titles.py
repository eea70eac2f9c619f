"""
Titles in the middle of an audio stream, as internet radio has them: a player that
asks for them with C{Icy-MetaData: 1} takes them out again and shows them.

It must not know what is played.
"""

from __future__ import annotations

#: A title's length is told in blocks of so many bytes.
_BLOCK = 16

#: The most blocks that one byte can tell.
_MOST = 255


class Titles:
    """
    Mixes titles into one listener's stream: one at every interval, empty where it is
    the same as before.
    """

    def __init__(self, interval: int) -> None:
        """
        @param interval: bytes of audio between two titles.
        """
        self._interval = interval
        self._left = interval
        self._told: str | None = None

    def mix(self, audio: bytes, title: str) -> bytes:
        """
        @param audio: what comes next.
        @param title: what that is called.
        @return: it, with the titles that belong into it.
        """
        parts = []
        while len(audio) >= self._left:
            parts += [audio[: self._left], self._next(title)]
            audio = audio[self._left :]
            self._left = self._interval
        self._left -= len(audio)
        return b"".join([*parts, audio])

    def _next(self, title: str) -> bytes:
        if title == self._told:
            return b"\0"
        self._told = title
        # A quote would end it; what is too long is cut.
        text = title.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}").encode()
        text = text[: _BLOCK * _MOST - len(b"StreamTitle='';")]
        data = b"StreamTitle='%s';" % text
        blocks = -(-len(data) // _BLOCK)
        return bytes([blocks]) + data.ljust(blocks * _BLOCK, b"\0")
