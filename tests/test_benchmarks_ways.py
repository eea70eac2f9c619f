"""
The benchmark of the ways to hand over sees what each does to those who use a service.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import counted, ways
from benchmarks.crew import Crew
from benchmarks.show import shown
from benchmarks.witness import Said, compared
from tests.benchmarking import BenchmarksTestCase
from tests.processes import CHECKOUT, freePort

#: One trial, as far as what is told of several depends on it.
RUN = {
    "felt": 0.02,
    "newcomers": 0.03,
    "returned": 0,
    "away": 0,
    "took": 1.25,
    "state": "kept",
    "pid": "new",
    "processes": {"begin": 1, "most": 2, "end": 1},
    "memory": 40 << 20,
    "peak": 80 << 20,
}


class WaysTests(BenchmarksTestCase):
    """
    L{benchmarks.ways}, with real processes.
    """

    @inlineCallbacks
    def test_restart(self) -> Any:
        """
        A restart is seen by all: it cuts off, turns away, forgets, and is another
        process.
        """
        options = ["--handover-people", "2", "--handover-runs", "1", "--rst"]
        options += ["--handover-objects", "5"]
        found, out = yield self.measure(
            "benchmarks.ways", *options, "--handovers", "restart"
        )
        (row,) = found["ways"]["rows"]
        self.assertEqual((row["returned"], row["state"], row["pid"]), (2, "new", "new"))
        self.assertGreater(row["away"], 0)
        self.assertGreater(row["came"], 0)
        self.assertGreater(min(row["felt"], row["newcomers"]), 0.0)
        self.assertEqual(row["processes"], {"begin": 1, "most": 1, "end": 1})
        self.assertIn("of each way to hand over, with 2 clients:\n\n====", out)


class ComparedTests(SynchronousTestCase):
    """
    L{compared}
    """

    def told(
        self, old: Said | None, new: Said, before: Said = (10, 3)
    ) -> tuple[str, str]:
        """
        @return: what has become of the state, and of the process id.
        """
        found = compared(before, old, new)
        return found["state"], found["pid"]

    def test_moved(self) -> None:
        """
        The state goes on elsewhere, for all.
        """
        self.assertEqual(self.told((20, 5), (20, 4)), ("kept", "new"))

    def test_stayed(self) -> None:
        """
        It goes on in the same process.
        """
        self.assertEqual(self.told((10, 5), (10, 4)), ("kept", "same"))

    def test_gradual(self) -> None:
        """
        Who was there has it as it was; who comes has another process, and its own.
        """
        self.assertEqual(self.told((10, 4), (20, 1)), ("kept / new", "same / new"))

    def test_lost(self) -> None:
        """
        Nothing is left of it.
        """
        self.assertEqual(self.told(None, (20, 1)), ("new", "new"))
        self.assertEqual(self.told((20, 2), (20, 1)), ("new", "new"))


class TogetherTests(SynchronousTestCase):
    """
    L{ways.together}
    """

    def test_worst(self) -> None:
        """
        Times are medians; one who was turned away in any trial was turned away.
        """
        worse = {**RUN, "felt": 0.9, "away": 7, "returned": 1, "newcomers": 0.01}
        found = ways.together([RUN, worse, RUN])
        self.assertEqual(
            (found["felt"], found["least"], found["most"]), (0.02, 0.02, 0.9)
        )
        self.assertEqual((found["newcomersLeast"], found["newcomers"]), (0.01, 0.03))
        self.assertEqual((found["away"], found["returned"], found["runs"]), (7, 1, 3))

    def test_different(self) -> None:
        """
        What differs between the trials is told as it was.
        """
        found = ways.together([RUN, {**RUN, "state": "new"}, RUN])
        self.assertEqual((found["state"], found["pid"]), ("kept or new", "new"))

    def test_shown(self) -> None:
        """
        A way is a row of the table.
        """
        rows = [
            {
                "way": "a way",
                "objects": 2000,
                **ways.together([RUN, {**RUN, "felt": 0.04}]),
            }
        ]
        text = shown({"ways": {"people": 1500, "rows": rows}})
        self.assertIn("with 1,500 clients", text)
        rows = [line for line in text.splitlines() if line.startswith("a way")]
        cells = [re.split(" {2,}", row) for row in rows]
        self.assertEqual(
            cells,
            [
                ["a way", "2,000", "30 (20 to 40)", "0", "30 (30 to 30)", "0"],
                ["a way", "2,000", "kept", "new", "1, 2, 1", "40", "80", "1.2"],
            ],
        )


class CountedTests(SynchronousTestCase):
    """
    L{counted.Counting}
    """

    def test_counts(self) -> None:
        """
        All connections count together; what else is said is answered as in the chat.
        """
        factory = counted.Counting(7)
        transports = []
        for line in (b"count\n", b"hello\n", b"count\n"):
            protocol = factory.buildProtocol(None)
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(line)
            self.addCleanup(protocol.connectionLost)
            transports.append(transport.value())
        self.assertEqual(len(factory.shelves.items), 7)
        pid = os.getpid()
        self.assertEqual(transports, [b"%d 1\n" % pid, b"hello\n", b"%d 2\n" % pid])


class ProcessesTests(SynchronousTestCase):
    """
    L{Crew} and L{benchmarks.newcomers}, with processes that need no imports.
    """

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """
        Start a process that is ended with the test.
        """
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def present(self, **environment: str) -> subprocess.Popen[str]:
        """
        Start a process that is waited for until it does something: only then has it
        the environment that it was given.
        """
        process = self.start(["cat"], **environment)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "\n")
        return process

    def test_crew(self) -> None:
        """
        Whoever has the sign is looked at and killed, but those aside.
        """
        sign = f"crew{os.getpid()}"
        others = self.present(SIGN=sign)
        crew = Crew(f"SIGN={sign}", "ASIDE=1")
        first = self.present(SIGN=sign)
        with crew:
            self.present(SIGN=sign)
            aside = self.present(SIGN=sign, ASIDE="1")
        self.assertEqual((crew.begin, crew.most, crew.end), (1, 2, 2))
        self.assertGreater(crew.memory, 0)
        self.assertGreater(crew.peak, crew.memory)
        crew.kill()
        self.assertEqual(crew.members(), [])
        self.assertEqual(first.wait(60), -9)
        self.assertEqual([each.poll() for each in (others, aside)], [None, None])

    def test_nobody(self) -> None:
        """
        A newcomer whom nobody lets in comes again, and has waited all the time.
        """
        command = [sys.executable, "-m", "benchmarks.newcomers", str(freePort())]
        newcomers = self.start(command)
        assert newcomers.stdin is not None and newcomers.stdout is not None
        for told, said in (("ready", "begin"), ("coming", "end")):
            self.assertEqual(newcomers.stdout.readline().strip(), told)
            newcomers.stdin.write(f"{said}\n")
            newcomers.stdin.flush()
        found = json.loads(newcomers.stdout.readline())
        self.assertEqual(found["answers"], 0)
        self.assertGreater(found["away"], 0)
        self.assertGreater(found["longest"], 0.0)
        self.assertEqual(found["longest"], found["median"])
