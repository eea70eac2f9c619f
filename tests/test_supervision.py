"""
Tests for L{migrate.supervision} and L{migrate.cgroups}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from migrate.cgroups import attach, groupsOf, mounted, spoken
from migrate.errors import CannotFollow
from migrate.notify import Notifier
from migrate.publication import Publication
from migrate.supervision import Supervision
from tests.supervisor import NotifySocket, addressIn


class Server:
    """
    As much of a server as is supervised.
    """

    def __init__(self) -> None:
        self.publication = Publication()
        self.reactor: Any = Clock()


class SupervisionTests(SynchronousTestCase):
    """
    L{Supervision}
    """

    def setUp(self) -> None:
        """
        A server of two services, and its supervisor.
        """
        self.socket = NotifySocket(addressIn(Path(self.mktemp())))
        self.addCleanup(self.socket.close)
        self.server = Server()
        for name in ("one", "two"):
            self.server.publication.publish(name, Service())
        self.supervision = Supervision(self.server, Notifier(self.socket.address))

    def heard(self) -> list[dict[str, str]]:
        """
        @return: what was said since the last time.
        """
        said = [word.said for word in self.socket.read()]
        self.socket.words.clear()
        return said

    def give(self, name: str, pid: int) -> None:
        """
        Have a service moved.
        """
        self.server.publication.reserve(name)
        self.server.publication.depart(name)
        self.supervision.moved(pid)

    def test_last(self) -> None:
        """
        The supervisor follows whoever has the last service, once; and hears of no end
        then.
        """
        self.supervision.began()
        own = str(os.getpid())
        self.assertEqual(
            self.heard(),
            [{"READY": "1", "MAINPID": own, "STATUS": "serving one, two"}],
        )
        self.give("one", 9999991)
        self.assertEqual(self.heard(), [])
        with capturedLogs():
            self.give("two", 9999992)
            self.supervision.moved(9999992)
        moved = "moved to process 9999992"
        self.assertEqual(
            self.heard(), [{"READY": "1", "MAINPID": "9999992", "STATUS": moved}]
        )
        self.supervision.ending()
        self.assertEqual(self.heard(), [])

    def test_ending(self) -> None:
        """
        A process that still serves something says that it ends.
        """
        self.supervision.began()
        self.give("one", 9999991)
        self.heard()
        self.supervision.ending()
        self.assertEqual(self.heard(), [{"STOPPING": "1", "STATUS": "ending"}])

    def test_leaving(self) -> None:
        """
        A service that has left but for connections counts as gone; if its new process
        dies, this one is the main process again.
        """
        self.give("one", 9999991)
        self.server.publication.reserve("two")
        self.server.publication.leave("two")
        with capturedLogs():
            self.supervision.moved(9999991)
        self.assertEqual(self.heard()[0]["MAINPID"], "9999991")
        self.server.publication.restore("two")
        self.supervision.returned()
        own = str(os.getpid())
        self.assertEqual(
            self.heard(), [{"READY": "1", "MAINPID": own, "STATUS": "serving two"}]
        )
        self.supervision.ending()
        self.assertEqual(len(self.heard()), 1)

    def test_notGone(self) -> None:
        """
        Nothing that had not gone comes back.
        """
        self.supervision.returned()
        self.assertEqual(self.heard(), [])

    def test_watchdog(self) -> None:
        """
        The watchdog hears twice as often as it wants, until somebody else serves.
        """
        notifier = Notifier(self.socket.address, watchdog=4_000_000)
        self.supervision = Supervision(self.server, notifier)
        self.supervision.began()
        self.server.reactor.pump([2.0, 1.0, 1.0])
        alive = [word for word in self.heard() if word == {"WATCHDOG": "1"}]
        self.assertEqual(len(alive), 3)
        self.give("one", 9999991)
        with capturedLogs():
            self.give("two", 9999991)
        self.server.reactor.pump([2.0] * 5)
        self.assertNotIn({"WATCHDOG": "1"}, self.heard())

    def test_admit(self) -> None:
        """
        A recipient of the same control group is told where the supervisor is, so that
        it can speak to it in turn.
        """
        notifier = Notifier(self.socket.address, 7)
        answer = Supervision(self.server, notifier).admit({"pid": os.getpid()})
        self.assertEqual(answer, {"address": self.socket.address, "watchdog": 7})
        heir = Supervision(Server())
        heir.succeed(answer)
        self.assertEqual(heir.notifier, notifier)
        heir.succeed({})
        self.assertEqual(heir.notifier, notifier)

    def test_admitWithout(self) -> None:
        """
        Without a supervisor there is nothing to know.
        """
        self.assertEqual(Supervision(self.server).admit({"pid": 1}), {})

    def test_admitOther(self) -> None:
        """
        A recipient of another supervisor keeps that, and this one hears that the
        service has ended.
        """
        answer = self.supervision.admit({"pid": 9999991, "supervised": True})
        self.assertEqual(answer, {})
        self.give("one", 9999991)
        self.give("two", 9999991)
        (said,) = self.heard()
        self.assertEqual(said["STOPPING"], "1")
        self.assertNotIn("MAINPID", said)

    def test_admitNobody(self) -> None:
        """
        A recipient of another control group is turned away unless root can put it into
        this one.
        """
        supervision = Supervision(
            self.server, Notifier(self.socket.address), isRoot=lambda: False
        )
        error = self.assertRaises(CannotFollow, supervision.admit, {"pid": 9999991})
        self.assertIn("to a process of none", str(error))
        supervision = Supervision(
            self.server, Notifier(self.socket.address), isRoot=lambda: True
        )
        answer = supervision.admit({"pid": 9999991})
        self.assertEqual(answer["address"], self.socket.address)


MOUNTS = """\
24 1 0:22 / {0}/other rw - tmpfs tmpfs rw
25 1 0:23 /.. {0}/elsewhere rw,nosuid - cgroup2 cgroup2 rw
26 1 0:23 / {0}/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
27 1 0:24 / {0}/pids rw,nosuid - cgroup cgroup rw,pids
28 1 0:25 /pod {0}/systemd rw - cgroup cgroup rw,xattr,name=systemd
"""


class ControlGroupsTests(SynchronousTestCase):
    """
    L{migrate.cgroups}, in a F{/proc} of the test's own.
    """

    def setUp(self) -> None:
        """
        Two hierarchies, and this process in a group of both.
        """
        self.top = Path(self.mktemp()).absolute()
        self.proc = self.top / "proc"
        self.process(os.getpid(), "5:pids:/a\n2:name=systemd:/pod/b\n0::/system/b\n")
        (self.proc / "self").mkdir()
        (self.proc / "self" / "mountinfo").write_text(MOUNTS.format(self.top))
        self.files = []
        for group in ("unified/system/b", "systemd/b"):
            (self.top / group).mkdir(parents=True)
            self.files.append(self.top / group / "cgroup.procs")
            self.files[-1].write_text("")

    def process(self, pid: int, groups: str) -> None:
        """
        Have a process.
        """
        directory = self.proc / str(pid)
        directory.mkdir(parents=True)
        (directory / "cgroup").write_text(groups)

    def written(self) -> list[str]:
        """
        @return: who was put into the groups.
        """
        return [file.read_text() for file in self.files]

    def test_groups(self) -> None:
        """
        Two hierarchies tell whose service a process is of; the longer name is said.
        """
        found = groupsOf(os.getpid(), self.proc)
        self.assertEqual(found, {"name=systemd": "/pod/b", "": "/system/b"})
        self.assertEqual(spoken(found), "/system/b")
        self.assertEqual(groupsOf(77, self.proc), {})
        self.assertEqual(spoken({}), "none")

    def test_attach(self) -> None:
        """
        A process is put into the group of each hierarchy in which it is not yet.
        """
        self.process(77, "0::/user\n2:name=systemd:/pod/b\n")
        self.assertTrue(attach(77, self.proc))
        self.assertEqual(self.written(), ["77", ""])
        self.process(78, "")
        self.assertTrue(attach(78, self.proc))
        self.assertEqual(self.written(), ["78", "78"])

    def test_cannot(self) -> None:
        """
        That it cannot be done is a line in the log.
        """
        for file in self.files:
            file.unlink()
        self.process(77, "0::/user\n")
        with capturedLogs() as events:
            self.assertFalse(attach(77, self.proc))
        self.assertEqual([each["pid"] for each in events], [77])
        self.assertIn(str(self.top / "systemd" / "b"), events[0]["why"])

    def test_real(self) -> None:
        """
        What the kernel says is read.
        """
        self.assertEqual(
            sorted(mounted(Path("/proc/self/mountinfo"))), ["", "name=systemd"]
        )
        self.assertTrue(attach(os.getpid()))
