"""
How long to wait before something is tried again that has just failed, and when to
give up.

It must not know what is tried.
"""

from __future__ import annotations

import attrs


@attrs.define
class Backoff:
    """
    Counts failures that follow one upon the other.

    @ivar limit: failures in a row that are put up with; L{None} for any number.
    @ivar settled: seconds for which all has to go well until a failure is the first one
        again.
    @ivar first: seconds to wait after the first one; twice as many after each further
        one.
    @ivar most: seconds to wait at most.
    @ivar count: failures in a row, so far.
    """

    limit: int | None = 10
    settled: float = 60.0
    first: float = 0.5
    most: float = 60.0
    count: int = attrs.field(default=0, init=False)

    def failed(self, after: float) -> float | None:
        """
        It has failed.

        @param after: the seconds for which it went well.
        @return: the seconds to wait, or L{None} to give up.
        """
        if after >= self.settled:
            self.count = 0
        if self.limit is not None and self.count >= self.limit:
            return None
        self.count += 1
        # Beyond this power there is no doubt, and no float either.
        return min(self.most, self.first * 2.0 ** min(self.count - 1, 64))

    def reset(self) -> None:
        """
        All is well.
        """
        self.count = 0
