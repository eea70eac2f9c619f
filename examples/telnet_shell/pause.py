"""
What a client sees of a migration: how long its questions wait for an answer.
"""

from __future__ import annotations

import statistics
import threading
import time

from terminal import Keyboard, Silence

#: Between an answer and the next question, in seconds.
_BREATH = 0.002


class PauseMeter(threading.Thread):
    """
    Asks a session for sums, all the time, and writes down when each question
    was asked and how long its answer took.

    @ivar failure: why it stopped asking, or L{None}.
    """

    def __init__(self, session: Keyboard) -> None:
        """
        @param session: is at its prompt, and nobody else's until this ends.
        """
        super().__init__(daemon=True)
        self._session = session
        self._halt = threading.Event()
        self._answers: list[tuple[float, float]] = []
        self.failure: str | None = None

    def run(self) -> None:
        """
        Ask until L{finish} is called.
        """
        number = 0
        while not self._halt.wait(_BREATH):
            number += 1
            asked = time.monotonic()
            try:
                answer = self._session.ask(f"{number} + 1")
            except (Silence, OSError) as error:
                self.failure = f"the second session broke: {error}"
                return
            self._answers.append((asked, time.monotonic() - asked))
            if answer != [str(number + 1)]:
                self.failure = f"{number} + 1 was answered with {answer}"
                return

    def finish(self) -> None:
        """
        Ask no more.
        """
        self._halt.set()
        self.join()

    def figures(self, since: float) -> tuple[float, float]:
        """
        @param since: a time of the monotonic clock, in seconds.
        @return: the longest wait for an answer that ended after C{since}, and
            the median of all; both in seconds.
        """
        waits = [took for _, took in self._answers]
        later = [took for asked, took in self._answers if asked + took >= since]
        return max(later, default=0.0), statistics.median(waits or [0.0])
