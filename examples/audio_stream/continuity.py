"""
Whether what a listener gets is the file that is played, without a byte lost, twice or
out of order.

It must not know where it comes from.
"""

from __future__ import annotations


class Broken(Exception):
    """
    What came is not what is played.
    """


class Continuity:
    """
    Follows one connection through a file that is played again and again, from wherever
    it begins.

    @ivar heard: how many bytes have come, and were right.
    """

    def __init__(self, audio: bytes, certain: int = 1024) -> None:
        """
        @param audio: all of the file.
        @param certain: how many bytes of it there are in one place only.
        """
        self.heard = 0
        self._audio = audio
        self._certain = min(certain, len(audio))
        self._begun: bytes | None = b""
        self._at = 0

    def hear(self, data: bytes) -> None:
        """
        @param data: what has come next.
        @raise Broken: it is not what comes next in the file.
        """
        if self._begun is not None:
            self._begun += data
            if len(self._begun) < self._certain:
                return
            data, self._begun = self._begun, None
            self._begin(data[: self._certain])
        while data:
            expected = self._audio[self._at : self._at + len(data)]
            if not data.startswith(expected):
                raise Broken(
                    f"{self.heard} bytes were right, and the next ones are not"
                )
            self.heard += len(expected)
            self._at = (self._at + len(expected)) % len(self._audio)
            data = data[len(expected) :]

    def _begin(self, data: bytes) -> None:
        """
        Find the place in the file.
        """
        twice = self._audio + self._audio[: self._certain - 1]
        self._at = twice.find(data)
        if self._at < 0:
            raise Broken("the first bytes are nowhere in the file")
        if twice.find(data, self._at + 1) >= 0:
            raise Broken("the first bytes are in the file more than once")
