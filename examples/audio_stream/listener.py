"""
Listens to an audio stream and writes down when each byte came: C{python -m
examples.audio_stream.listener URL FILE}.

FILE gets a line C{listener,seconds,bytes} for everything that comes: the listener's
number, the time of the monotonic clock, and how many bytes came at once, 0 when a
connection ended.  Whoever is cut off connects again, as players do, until SIGINT or
SIGTERM comes; then it tells what all have heard, as a line of JSON.

It must not know who sends.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import Deferred, FirstError, ensureDeferred, gatherResults
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater, react
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseFailed

from examples.audio_stream.continuity import Broken, Continuity


class NoStream(Exception):
    """
    The server answers, but not with a stream.
    """


class _Body(Protocol):
    """
    What one response brings.
    """

    def __init__(self, listener: Listener) -> None:
        self.over: Deferred[None] = Deferred()
        self._listener = listener

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self._listener.came(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.over.callback(None)


class Listener:
    """
    One of them.

    @ivar heard: how many bytes have come.
    @ivar cuts: how often the connection ended.
    @ivar wrong: what was wrong with what came.
    """

    def __init__(self, number: int, record: TextIO, audio: bytes | None) -> None:
        """
        @param record: gets a line for everything that comes.
        @param audio: the file that is played, if what comes is to be compared with it.
        """
        self.heard = self.cuts = 0
        self.wrong: list[str] = []
        self._number = number
        self._record = record
        self._audio = audio
        self._following: Continuity | None = None

    async def listen(self, reactor: Any, url: bytes, patience: float) -> None:
        """
        Listen, again and again.

        @param patience: before another try, in seconds.
        @raise NoStream: there is none.
        """
        agent = Agent(reactor)
        while True:
            try:
                response: Any = await agent.request(b"GET", url)
            except (ConnectError, ConnectionLost, ResponseFailed):
                await deferLater(reactor, patience)
                continue
            if response.code != 200:
                raise NoStream(f"{url.decode()} answers {response.code}")
            self._following = None if self._audio is None else Continuity(self._audio)
            body = _Body(self)
            response.deliverBody(body)
            await body.over
            self.cuts += 1
            self._note(0)

    def came(self, data: bytes) -> None:
        """
        Write down that something came.
        """
        self._note(len(data))
        self.heard += len(data)
        if self._following is not None:
            try:
                self._following.hear(data)
            except Broken as error:
                self.wrong.append(str(error))
                self._following = None

    def _note(self, count: int) -> None:
        self._record.write(f"{self._number},{time.monotonic():.6f},{count}\n")


def summary(listeners: list[Listener]) -> str:
    """
    @return: what all have heard, as JSON.
    """
    return json.dumps(
        {
            "listeners": len(listeners),
            "bytes": sum(each.heard for each in listeners),
            "cuts": sum(each.cuts for each in listeners),
            "wrong": [wrong for each in listeners for wrong in each.wrong],
        }
    )


async def run(reactor: Any, given: argparse.Namespace) -> None:
    """
    Listen until the reactor stops.
    """
    audio = None if given.audio is None else given.audio.read_bytes()
    with given.record.open("w", buffering=1) as record:
        listeners = [Listener(i, record, audio) for i in range(given.listeners)]
        reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: print(summary(listeners), flush=True)
        )
        url = given.url.encode()
        listening = [
            ensureDeferred(each.listen(reactor, url, given.retry)) for each in listeners
        ]
        print(f"{len(listeners)} listen", flush=True)
        try:
            await gatherResults(listening, consumeErrors=True)
        except FirstError as error:
            print(f"listener: {error.subFailure.getErrorMessage()}", file=sys.stderr)
            raise SystemExit(1) from None


def main(arguments: list[str]) -> None:
    """
    @param arguments: those of the command line, without the program's name.
    """
    parser = argparse.ArgumentParser(prog="listener")
    parser.add_argument("url", help="where the stream is")
    parser.add_argument("record", type=Path, help="where to write down what came")
    parser.add_argument("--listeners", type=int, default=1, help="how many listen")
    parser.add_argument(
        "--audio", type=Path, help="the file that is played, to compare with"
    )
    parser.add_argument(
        "--retry", type=float, default=0.1, help="seconds before connecting again"
    )
    given = parser.parse_args(arguments)
    react(lambda reactor: ensureDeferred(run(reactor, given)))


if __name__ == "__main__":
    main(sys.argv[1:])
