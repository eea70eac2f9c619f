"""
An internet radio station: one file, played for ever at its own pace, to any number
of listeners over HTTP.

A plain Twisted service.  It must not know that it is ever moved to another process:
the open file, the place in it, the timer and every listener's connection are
attributes like any others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted.application.internet import TCPServer
from twisted.application.service import MultiService, Service
from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from examples.audio_stream.frames import Track
from examples.audio_stream.titles import Titles

DEFAULT_FILE = "tune.mp3"
DEFAULT_PORT = 8000

#: Bytes of audio between two titles, for players that ask for titles.
TITLE_INTERVAL = 8192

#: How late the station may be and still play all that it has missed, in seconds: more
#: than that and it was asleep, with the whole machine, or the clock was set.
LATEST = 10.0


@implementer(IPushProducer)
class Listener:
    """
    Somebody who listens.  What they have no room for passes them by, whole frames of
    it, so that whoever is slow costs no more memory than anybody else.

    @ivar skipped: how many frames have passed them by.
    """

    def __init__(self, station: Station, request: Request, titles: Titles | None):
        """
        @param titles: what mixes titles into the audio, if they want any.
        """
        self.skipped = 0
        self._station = station
        self._request = request
        self._titles = titles
        self._full = False
        request.notifyFinish().addBoth(self._left)
        request.registerProducer(self, True)

    def hear(self, frame: bytes, title: str) -> None:
        """
        @param frame: what is played now.
        @param title: what that is called.
        """
        if self._full:
            self.skipped += 1
        elif self._titles is None:
            self._request.write(frame)
        else:
            self._request.write(self._titles.mix(frame, title))

    def pauseProducing(self) -> None:
        """
        See L{IPushProducer.pauseProducing}.
        """
        self._full = True

    def resumeProducing(self) -> None:
        """
        See L{IPushProducer.resumeProducing}.
        """
        self._full = False

    def stopProducing(self) -> None:
        """
        See L{IPushProducer.stopProducing}.
        """
        self._full = True

    def _left(self, reason: object) -> None:
        self._station.listeners.discard(self)


class Station(Service):
    """
    Plays a track, whether anybody listens or not.

    @ivar listeners: all who hear it at present.
    """

    def __init__(self, track: Track, clock: Any) -> None:
        """
        @param clock: the reactor.
        """
        self.track = track
        self.listeners: set[Listener] = set()
        self._clock = clock
        self._due = 0.0
        self._timer: Any = None

    @property
    def title(self) -> str:
        """
        What is played, and by which process.
        """
        return f"{self.track.title} (process {os.getpid()})"

    def startService(self) -> None:
        """
        Begin to play.
        """
        super().startService()
        self._due = self._clock.seconds()
        self._play()

    def stopService(self) -> None:
        """
        Play no more.
        """
        super().stopService()
        if self._timer.active():
            self._timer.cancel()
        self.track.close()

    def _play(self) -> None:
        """
        Send every frame that is due: each when those before it have been played.
        """
        now = self._clock.seconds()
        self._due = max(self._due, now - LATEST)
        while self._due <= now:
            frame, seconds = self.track.next()
            self._due += seconds
            for listener in list(self.listeners):
                listener.hear(frame, self.title)
        self._timer = self._clock.callLater(self._due - now, self._play)


class Stream(Resource):
    """
    Where the station is heard: a response that never ends.
    """

    isLeaf = True

    def __init__(self, station: Station) -> None:
        super().__init__()
        self._station = station

    def render_HEAD(self, request: Request) -> bytes:
        """
        Say what it is, and no more.
        """
        self._describe(request)
        return b""

    def render_GET(self, request: Request) -> int:
        """
        Let somebody listen from now on.
        """
        self._describe(request)
        titles = None
        if request.getHeader("Icy-MetaData") == "1":
            request.setHeader("icy-metaint", str(TITLE_INTERVAL))
            titles = Titles(TITLE_INTERVAL)
        self._station.listeners.add(Listener(self._station, request, titles))
        return NOT_DONE_YET

    def _describe(self, request: Request) -> None:
        track = self._station.track
        request.setHeader("Content-Type", "audio/mpeg")
        request.setHeader("Cache-Control", "no-store")
        request.setHeader("icy-name", track.title)
        request.setHeader("icy-br", str(track.bitRate // 1000))


def makeService(environ: Mapping[str, str] = os.environ, clock: Any = None) -> Any:
    """
    @param environ: C{AUDIO_FILE}, an MP3 file, C{tune.mp3} unless given, and
        C{AUDIO_PORT}, 8000 unless given, where 0 is any free port; the log says which.
    @param clock: the reactor, unless it is the installed one.
    @return: the station's service, on the loopback interface.
    @raise NoAudio: the file is none.
    @raise OSError: it cannot be read.
    """
    if clock is None:
        from twisted.internet import reactor as clock
    station = Station(Track(environ.get("AUDIO_FILE", DEFAULT_FILE)), clock)
    port = int(environ.get("AUDIO_PORT", DEFAULT_PORT))
    site = Site(Stream(station), reactor=clock)
    server = TCPServer(port, site, interface="127.0.0.1", reactor=clock)
    service = MultiService()
    for each in (station, server):
        each.setServiceParent(service)
    return service
