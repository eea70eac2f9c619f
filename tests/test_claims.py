"""
What happens between a claim and the move, and what happens instead: hooks,
resources, waiting, checks and rehearsals; in real processes, with a client on the
service all the while.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.processes import importPath
from tests.services import ServiceTestCase, freePort

HOOKED = "chat=tests.hooked.Hooked"
PLAIN = "chat=tests.hooked.Plain"
SHARING = "chat=tests.hooked.Sharing"


class ClaimTestCase(ServiceTestCase):
    """
    Has a service with one client.
    """

    @inlineCallbacks
    def begin(self, service: str = HOOKED, *options: str) -> Any:
        """
        Serve it.
        """
        port = freePort()
        self.endpoint = f"tcp:{port}:interface=127.0.0.1"
        yield self.serve(
            "--service", service, *options, environment={"HOOKED": self.endpoint}
        )
        self.person = yield self.processes.connect(port)
        yield self.answers("pid", self.server.pid)

    @inlineCallbacks
    def answers(self, question: str, answer: object) -> Any:
        """
        The service answers just that.
        """
        said = yield self.person.ask(question.encode())
        self.assertEqual(said.decode(), str(answer))

    @inlineCallbacks
    def hears(self, line: str) -> Any:
        """
        The client is told.
        """
        said = yield self.person.line()
        self.assertEqual(said.decode(), line)


class WaitTests(ClaimTestCase):
    """
    C{--wait}
    """

    @inlineCallbacks
    def test_passes(self) -> Any:
        """
        A request that is being answered is waited for, the service being served;
        the recipient says what for.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        origin = self.server
        recipient = self.client("--all", "--wait", "60")
        said = yield recipient.line("chat waits: .*")
        self.assertIn("coroutine Session._work waits in line", said[0])
        yield self.answers("pid", origin.pid)
        yield self.answers("go on", "done: on")
        ended = yield origin.ended()
        self.assertEqual(ended.status, 0)
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_newObstacle(self) -> Any:
        """
        What begins while the recipient prepares is waited for as well, and the
        next obstacle after that.
        """
        yield self.begin(HOOKED)
        yield self.answers("set mode silent", "set")
        yield self.answers("open here", "opened")
        origin = self.server
        recipient = self.client(
            "--all", "--wait", "60", "--provide", "db=tests.hooked.openWhenTold"
        )
        preparing = self.directory / "preparing"
        yield self.processes.until(preparing.exists, "the resource's being opened")
        yield self.answers("work", "working")
        preparing.unlink()
        yield recipient.line("chat waits: .*")
        yield self.answers("pid", origin.pid)
        yield self.answers("go on", "done: on")
        yield origin.ended()
        yield self.answers("pid", recipient.pid)
        yield self.answers("where", f"pid {recipient.pid}")

    @inlineCallbacks
    def test_lasts(self) -> Any:
        """
        What does not pass in time refuses the claim, by its name; the service can
        be claimed again.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        recipient = self.client("--all", "--wait", "1")
        ended = yield recipient.ended()
        self.assertEqual(ended.status, 1)
        waits, refused = ended.err.splitlines()
        self.assertIn("chat waits: chat", waits)
        self.assertIn("migrate-client: chat", refused)
        self.assertIn("coroutine Session._work", refused)
        yield self.answers("go on", "done: on")
        recipient = yield self.move()
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_withoutPatience(self) -> Any:
        """
        Without the option the claim is refused, and the option named.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        said = yield self.refused()
        self.assertIn("--wait SECONDS", said)
        yield self.answers("go on", "done: on")

    @inlineCallbacks
    def test_never(self) -> Any:
        """
        What never passes is not waited for, with whatever else is in the way.
        """
        yield self.begin(PLAIN)
        yield self.answers("obstruct", "obstructed")
        yield self.answers("work", "working")
        said = yield self.refused("--all", "--wait", "600")
        self.assertIn("obstacle: sqlite3.Connection", said)
        self.assertIn("coroutine Session._work", said)
        self.assertNotIn("--wait", said)
        yield self.answers("go on", "done: on")

    @inlineCallbacks
    def test_recipientGone(self) -> Any:
        """
        A recipient that ends while it waits leaves nothing behind.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        recipient = self.client("--all", "--wait", "600")
        yield recipient.line("chat waits: .*")
        recipient.signal("KILL")
        yield recipient.ended()
        yield self.answers("go on", "done: on")
        recipient = yield self.move()
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_badNumber(self) -> Any:
        """
        A number that is none is refused before anything else.
        """
        yield self.begin(PLAIN)
        client = self.client("--all", "--wait", "soon")
        ended = yield client.ended()
        self.assertNotEqual(ended.status, 0)
        self.assertIn("--wait soon", ended.out + ended.err)
        yield self.answers("pid", self.server.pid)


class HookTests(ClaimTestCase):
    """
    The interfaces that applications may implement.
    """

    @inlineCallbacks
    def test_moved(self) -> Any:
        """
        The application is told before and after, and may do away with what is in
        the way; in the new process everything runs when it is told.
        """
        yield self.begin()
        for count, serializer in enumerate(("table", "pickle"), 1):
            yield self.answers("obstruct", "obstructed")
            yield self.move("--all", "--serializer", serializer)
            yield self.hears("welcome back")
            yield self.answers("heard", " ".join(["about", "migrated"] * count))
            yield self.answers("pid", self.server.pid)
            yield self.answers("ticks", "ticking")

    @inlineCallbacks
    def test_takesItsTime(self) -> Any:
        """
        What the application has to do first is waited for, while it serves.
        """
        yield self.begin()
        yield self.answers("set mode late", "set")
        origin = self.server
        recipient = self.client("--all")
        yield self.hears("about to move")
        yield self.answers("pid", origin.pid)
        yield self.answers("may", "it may")
        yield self.hears("welcome back")
        yield self.answers("pid", recipient.pid)
        ended = yield origin.ended()
        self.assertEqual(ended.status, 0)

    @inlineCallbacks
    def test_takesTooLong(self) -> Any:
        """
        It is not waited for longer than the deadline.
        """
        yield self.begin(HOOKED, "--preparing-deadline", "0.5")
        yield self.answers("set mode late", "set")
        said = yield self.refused()
        self.assertIn("did not get ready to be moved within 0.5 seconds", said)
        yield self.hears("about to move")
        line = yield self.person.line()
        self.assertIn(b"staying: the application did not get ready", line)

    @inlineCallbacks
    def test_objects(self) -> Any:
        """
        The application will not have it: the claim is refused, and says why.
        """
        yield self.begin()
        yield self.answers("set mode object", "set")
        said = yield self.refused()
        self.assertIn("the application objects: not during the game", said)
        line = yield self.person.line()
        self.assertIn(b"staying: the application objects", line)
        yield self.answers("heard", "about failed")
        yield self.answers("set mode fair", "set")
        yield self.move()
        yield self.hears("welcome back")

    @inlineCallbacks
    def test_fails(self) -> Any:
        """
        The application cannot get ready: the same, and its log has the reason.
        """
        yield self.begin()
        yield self.answers("set mode fail", "set")
        said = yield self.refused()
        self.assertIn("the application objects: RuntimeError: no disk space", said)
        yield self.server.line("an application's hook failed")
        line = yield self.person.line()
        self.assertIn(b"staying: the application objects", line)

    @inlineCallbacks
    def test_failed(self) -> Any:
        """
        If the service stays though the application was ready, it is told; whether
        that is found out at the origin or at the recipient.
        """
        yield self.begin()
        yield self.answers("set mode silent", "set")
        yield self.answers("open here", "opened")
        yield self.refused()
        yield self.answers("heard", "about failed")
        provide = ("--provide", "db=tests.hooked.openNothing")
        said = yield self.refused("--all", *provide)
        self.assertIn("the database is down", said)
        yield self.answers("heard", "about failed about failed")
        yield self.answers("where", "here")

    @inlineCallbacks
    def test_askedForNothing(self) -> Any:
        """
        Neither a check nor a rehearsal tells the application.
        """
        yield self.begin()
        for option in ("--check", "--rehearse"):
            ended = yield self.client("--all", option).ended()
            self.assertEqual(ended.status, 0, ended.err)
        yield self.answers("heard", "")


class ResourceTests(ClaimTestCase):
    """
    C{--provide} and C{--resource}
    """

    @inlineCallbacks
    def test_replaced(self) -> Any:
        """
        The recipient's own takes the place of what the service names, in one
        process after the other, made ready late or at once.
        """
        yield self.begin()
        yield self.answers("set mode silent", "set")
        yield self.answers("open first", "opened")
        for opener in ("openDatabase", "openLate"):
            yield self.move("--all", "--provide", f"db=tests.hooked:{opener}")
            yield self.answers("where", f"pid {self.server.pid}")

    @inlineCallbacks
    def test_missing(self) -> Any:
        """
        Without it the service stays, and says what is in the way.
        """
        yield self.begin()
        yield self.answers("set mode silent", "set")
        yield self.answers("open first", "opened")
        said = yield self.refused()
        self.assertIn("chat.db: sqlite3.Connection", said)
        yield self.answers("where", "first")

    @inlineCallbacks
    def test_namedOutside(self) -> Any:
        """
        What a service uses can be named from outside of it, by where a module has
        it; the next process knows what it has made ready itself.
        """
        yield self.begin(SHARING, "--resource", "db=tests.hooked.shared")
        yield self.answers("where", "shared")
        for _ in range(2):
            yield self.move("--all", "--provide", "db=tests.hooked.openDatabase")
            yield self.answers("where", f"pid {self.server.pid}")

    @inlineCallbacks
    def test_unused(self) -> Any:
        """
        A resource that no service has is not opened, and the operator is told.
        """
        yield self.begin(PLAIN)
        recipient = yield self.move("--all", "--provide", "cash=tests.hooked.openLate")
        yield recipient.line("nothing that came has a resource named cash")
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_unknown(self) -> Any:
        """
        What cannot be found, or called, is refused before anything else.
        """
        yield self.begin(PLAIN)
        for option, what, why in (
            (
                "--provide",
                "db=tests.hooked.nothing",
                "cannot find tests.hooked.nothing",
            ),
            ("--provide", "db=tests.hooked.LIMIT", "cannot be called"),
            ("--resource", "db=nowhere.db", "cannot find nowhere.db"),
        ):
            said = yield self.refused("--all", option, what)
            self.assertIn(why, said)
        yield self.answers("pid", self.server.pid)


class InquiryTests(ClaimTestCase):
    """
    C{--check} and C{--rehearse}
    """

    @inlineCallbacks
    def ask(self, *options: str, status: int = 0) -> Any:
        """
        Ask about the service, which runs on.

        @return: what the command wrote.
        """
        command = ["migrate-client", "--all", *options]
        client = self.processes.twistd(command, self.directory)
        ended = yield client.ended()
        self.assertEqual(ended.status, status, "\n".join(client.lines))
        yield self.answers("pid", self.server.pid)
        yield self.answers("ticks", "ticking")
        return ended

    @inlineCallbacks
    def test_check(self) -> Any:
        """
        All that would move is counted.
        """
        yield self.begin(PLAIN)
        ended = yield self.ask("--check")
        self.assertIn("chat:\n", ended.out)
        self.assertRegex(ended.out, r"\d+ objects, \d+ bytes of records, 2 descriptors")
        self.assertIn("1 connection, 1 port, 1 timer", ended.out)
        self.assertRegex(ended.out, r"1 +\d+ +tests\.hooked\.Session")
        self.assertRegex(ended.out, r"audit \d+\.\d ms")

    @inlineCallbacks
    def test_checkRefusals(self) -> Any:
        """
        What could not move is named, all of it.
        """
        yield self.begin(PLAIN)
        yield self.answers("obstruct", "obstructed")
        yield self.answers("work", "working")
        ended = yield self.ask("--check", status=1)
        self.assertIn("cannot move:", ended.out)
        self.assertIn("chat.factory.obstacle: sqlite3.Connection", ended.out)
        self.assertIn("coroutine Session._work", ended.out)
        self.assertIn("migrate-client: chat cannot move as it is now\n", ended.err)
        yield self.answers("go on", "done: on")

    @inlineCallbacks
    def test_rehearse(self) -> Any:
        """
        A copy is made and thrown away, more than once, with either serializer; the
        recipient that comes for it then has the real one.
        """
        yield self.begin(PLAIN)
        for serializer in ("table", "pickle"):
            ended = yield self.ask("--rehearse", "--serializer", serializer)
            self.assertIn("1 connection, 1 port, 1 timer", ended.out)
            for step in ("capture", "send", "load"):
                self.assertRegex(ended.out, rf"{step} \d+\.\d ms")
            self.assertRegex(ended.out, r"expected pause: \d+\.\d ms")
        recipient = yield self.move()
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_rehearseFails(self) -> Any:
        """
        What only the recipient can find out is found out.
        """
        (self.directory / "only").mkdir()
        (self.directory / "only" / "there.py").write_text(
            "from tests.hooked import Plain\nclass Here(Plain):\n    pass\n"
        )
        port = freePort()
        environment = {
            "HOOKED": f"tcp:{port}:interface=127.0.0.1",
            "PYTHONPATH": os.pathsep.join([str(self.directory / "only"), importPath()]),
        }
        yield self.serve("--service", "chat=there.Here", environment=environment)
        self.person = yield self.processes.connect(port)
        ended = yield self.ask("--rehearse", status=1)
        self.assertRegex(ended.err, "migrate-client: .*there")

    @inlineCallbacks
    def test_rehearseWaits(self) -> Any:
        """
        A rehearsal too waits for what passes, and asks for nothing else.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        client = self.client("--all", "--rehearse", "--wait", "60")
        yield client.line("chat waits: .*")
        yield self.answers("go on", "done: on")
        ended = yield client.ended()
        self.assertEqual(ended.status, 0)
        self.assertIn("expected pause", ended.out)
        yield self.answers("pid", self.server.pid)

    @inlineCallbacks
    def test_unknownService(self) -> Any:
        """
        A service that is not published cannot be asked about.
        """
        yield self.begin(PLAIN)
        said = yield self.refused("--service", "nothing", "--check")
        self.assertIn("no service 'nothing'", said)

    @inlineCallbacks
    def test_both(self) -> Any:
        """
        One of the two options, not both.
        """
        yield self.begin(PLAIN)
        ended = yield self.client("--all", "--check", "--rehearse").ended()
        self.assertNotEqual(ended.status, 0)
        self.assertIn("either --check or --rehearse", ended.out + ended.err)


class MaxPauseTests(ClaimTestCase):
    """
    C{--max-pause}
    """

    @inlineCallbacks
    def test_within(self) -> Any:
        """
        What would not stand still for too long is rehearsed, and moved by the same
        client; both sides then tell what was predicted.
        """
        yield self.begin()
        origin = self.server
        recipient = yield self.move("--all", "--max-pause", "60s")
        yield self.hears("welcome back")
        yield self.answers("heard", "about migrated")
        yield self.answers("pid", recipient.pid)
        time = r"\d+\.\d+ ms"
        parts = rf"\(capture {time}, send {time}, load {time}\)"
        yield recipient.line(
            rf"chat stood still for {time}; {time} {parts} were predicted"
        )
        yield origin.line(rf"moved chat .*commit {time}\); {time} were predicted")

    @inlineCallbacks
    def test_exceeded(self) -> Any:
        """
        What would is left where it is, and the client says why.
        """
        yield self.begin()
        said = yield self.refused("--all", "--max-pause", "0.001ms")
        time = r"\d+\.\d ms"
        self.assertRegex(
            said,
            "^migrate-client: chat stays where it is: it would stand still for "
            rf"{time} \(capture {time}, send {time}, load {time}\), and may for "
            r"0\.001 ms; allow it a longer pause, .* \(--max-pause .*\)$",
        )
        yield self.answers("pid", self.server.pid)
        yield self.answers("ticks", "ticking")
        yield self.answers("heard", "")
        yield self.move("--all", "--max-pause", "60s")
        yield self.hears("welcome back")
        yield self.answers("pid", self.server.pid)

    @inlineCallbacks
    def test_each(self) -> Any:
        """
        Every service is judged by itself: one that stays where it is keeps no other
        there, and nothing that has moved goes back; the launching command fails.
        """
        slow = ("--service", "slow=tests.hooked.Ponderous")
        yield self.begin(PLAIN, *slow, "--service", "late=tests.hooked.Ponderous")
        command = ["migrate-client", "--max-pause", "1"]
        for name in ("slow", "chat", "late"):
            command += ["--service", name]
        ended = yield self.processes.twistd(command, self.directory).ended()
        self.assertEqual(ended.status, 1, ended.err)
        said = ended.err.splitlines()[0]
        stays = r"stays where it is: .* 2\d{3}\.\d ms .*"
        self.assertRegex(said, f"took over chat; slow {stays}; late {stays}")
        answer = yield self.person.ask(b"pid")
        self.processes.watch(int(answer))
        self.assertNotEqual(int(answer), self.server.pid)
        self.assertTrue(self.server.running)
        said = yield self.refused("--service", "slow", "--max-pause", "1.5 s")
        self.assertIn("slow stays where it is", said)

    @inlineCallbacks
    def test_waits(self) -> Any:
        """
        The rehearsal waits for what passes, as the claim does.
        """
        yield self.begin(PLAIN)
        yield self.answers("work", "working")
        recipient = self.client("--all", "--wait", "60", "--max-pause", "60s")
        yield recipient.line("chat waits: .*")
        yield self.answers("go on", "done: on")
        yield recipient.line("chat stood still for")
        yield self.answers("pid", recipient.pid)

    @inlineCallbacks
    def test_obstacle(self) -> Any:
        """
        What the application would do away with is in the way of a rehearsal, of
        which it is told nothing: that is said.
        """
        yield self.begin()
        yield self.answers("obstruct", "obstructed")
        said = yield self.refused("--all", "--max-pause", "60s")
        self.assertIn("obstacle: sqlite3.Connection", said)
        self.assertIn("the application is told nothing", said)
        yield self.answers("heard", "")

    @inlineCallbacks
    def test_rehearse(self) -> Any:
        """
        With a rehearsal it is only told whether it would be too long.
        """
        yield self.begin(PLAIN)
        client = self.client("--all", "--rehearse", "--max-pause", "60s")
        ended = yield client.ended()
        self.assertEqual(ended.status, 0, ended.err)
        self.assertIn("ms, within the 60000.0 ms allowed\n", ended.out)
        client = self.client("--all", "--rehearse", "--max-pause", "0.1ms")
        ended = yield client.ended()
        self.assertEqual(ended.status, 1)
        self.assertIn("ms, more than the 0.1 ms allowed\n", ended.out)
        self.assertIn("chat stays where it is: it would stand still for", ended.err)
        yield self.answers("pid", self.server.pid)
