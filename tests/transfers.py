"""
Services that are moved while a program transfers a file to or from them.

It must not know any protocol.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.services import ServiceTestCase

#: What shows that a transfer goes on, in bytes.
SOME = 500_000


class TransferTestCase(ServiceTestCase):
    """
    Moves a service in the midst of a transfer.
    """

    @inlineCallbacks
    def meanwhile(self, client: Child, size: Callable[[], int], whole: int) -> Any:
        """
        Have the service moved twice: while the client is stopped, so that it
        takes and gives nothing, and while data flow.

        @param client: the program, which has to end well.
        @param size: tells how much there is at the receiving end, in bytes.
        @param whole: how much there has to be, in bytes: more than sockets hold.
        """

        def beyond(mark: int) -> bool:
            return size() > mark

        yield self.processes.until(lambda: beyond(0), "the first data")
        client.signal(signal.SIGSTOP)
        yield self.move()
        self.assertLess(size(), whole)
        more = partial(beyond, size() + SOME)
        client.signal(signal.SIGCONT)
        yield self.processes.until(more, "more data")
        yield self.move()
        ended = yield client.ended()
        self.assertEqual(ended.status, 0, ended.err)
