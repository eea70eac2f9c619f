"""
C{twistd web}, unchanged, is moved while clients download from it.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.pipes import Pipe
from tests.services import ServiceTestCase, freePort

#: More than all the buffers between a server and a client together.
SIZE = 16 * 1024 * 1024


class DownloadTests(ServiceTestCase):
    """
    C{curl} gets a file, and parts of it.
    """

    @inlineCallbacks
    def start(self) -> Any:
        """
        Serve a directory that one big file is in.
        """
        self.port = freePort()
        self.pipes: list[Pipe] = []
        self.data = b"".join(sha256(b"%d" % i).digest() for i in range(SIZE // 32))
        folder = self.directory / "public"
        folder.mkdir()
        (folder / "big.bin").write_bytes(self.data)
        yield self.plugin(
            f"site=web --listen tcp:{self.port}:interface=127.0.0.1 --path {folder}"
        )

    def curl(self, *options: str) -> tuple[Child, Pipe]:
        """
        Start to download.
        """
        pipe = Pipe(self, f"got{len(self.pipes)}")
        self.pipes.append(pipe)
        child = self.program(
            *("curl", "-sS", "--no-buffer", *options, "--output", pipe.path),
            f"http://127.0.0.1:{self.port}/big.bin",
        )
        return child, pipe

    def filesOf(self, child: Child) -> list[str]:
        """
        @return: what files a process has open.
        """
        folder = Path(f"/proc/{child.pid}/fd")
        return [os.readlink(folder / name) for name in os.listdir(folder)]

    @inlineCallbacks
    def onwards(self) -> Any:
        """
        Move again and again, all downloads being under way.
        """
        for pipe in self.pipes:
            yield pipe.allow(200_000)
        for _ in range(2):
            for pipe in self.pipes:
                pipe.allow(100_000)
            yield self.move()
            opened = [n for n in self.filesOf(self.server) if n.endswith("big.bin")]
            self.assertEqual(len(opened), len(self.pipes))
        for pipe in self.pipes:
            yield pipe.rest()

    @inlineCallbacks
    def finish(self, *curls: Child) -> Any:
        """
        @return: fires once all of them have ended well.
        """
        for curl in curls:
            ended = yield curl.ended()
            self.assertEqual((ended.status, ended.err), (0, ""))

    @inlineCallbacks
    def test_whole(self) -> Any:
        """
        Several clients get all of a file, over several moves.
        """
        yield self.start()
        curls = [self.curl()[0] for _ in range(3)]
        yield self.onwards()
        yield self.finish(*curls)
        for pipe in self.pipes:
            self.assertTrue(pipe.received == self.data, len(pipe.received))

    @inlineCallbacks
    def test_ranges(self) -> Any:
        """
        Clients get a part of a file, the rest of one that they have the
        beginning of, and several parts at once.
        """
        yield self.start()
        last = SIZE - 77
        single, part = self.curl("--range", f"1234-{last}")
        resumed, rest = self.curl("--continue-at", "54321")
        several, parts = self.curl("--range", f"5-99,{SIZE // 8}-{last},{last}-")
        yield self.onwards()
        yield self.finish(single, resumed, several)
        self.assertTrue(part.received == self.data[1234 : last + 1])
        self.assertTrue(rest.received == self.data[54321:])
        found = re.findall(
            rb"--\w+\r\nContent-type: [^\r]+\r\nContent-range: bytes (\d+)-(\d+)/%d"
            rb"\r\n\r\n(.*?)\r\n(?=--)" % SIZE,
            bytes(parts.received),
            re.DOTALL | re.IGNORECASE,
        )
        self.assertEqual(
            [(int(first), int(end)) for first, end, _ in found],
            [(5, 99), (SIZE // 8, last), (last, SIZE - 1)],
        )
        for first, end, content in found:
            self.assertTrue(content == self.data[int(first) : int(end) + 1], first)
