"""
Tests for L{migrate.successor} and L{migrate.started}.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import UnknownStart
from migrate.started import Started
from migrate.successor import TwistdCommand, successor


def start(line: str) -> Started:
    """
    @param line: a command line as a shell takes it.
    """
    return Started(tuple(shlex.split(line)), "/srv", "/opt/bin/python")


class SuccessorTests(SynchronousTestCase):
    """
    Tests for L{successor}.
    """

    def assertLine(self, line: str, expected: str, **changes: Any) -> None:
        """
        Assert of what command line the successor of a process is.
        """
        self.assertEqual(shlex.join(successor(start(line), **changes).words), expected)

    def test_server(self) -> None:
        """
        The successor of a server is a client with the same options, but for what is
        published; those of twistd stay as they are.
        """
        self.assertLine(
            "python /bin/twistd -n --logfile=x.log --pidfile '' migrate-server "
            "--service chat=chat.make --plugin 'web=web --path .' "
            "--deadline 5 --no-fence --peer alice --auth file:passwords",
            "/opt/bin/python /bin/twistd -n --logfile=x.log --pidfile '' "
            "migrate-client --deadline 5 --no-fence --peer alice "
            "--auth file:passwords --all",
        )

    def test_client(self) -> None:
        """
        The successor of a client keeps what that was told beside what it was to take
        over: how it proves who it is, and what it provides.
        """
        self.assertLine(
            "python twistd migrate-client -a -c tcp:9000 --login admin "
            "--password-file secret --provide db=my.db --wait 3",
            "/opt/bin/python twistd migrate-client --control tcp:9000 --login admin "
            "--password-file secret --provide db=my.db --wait 3 --all",
        )
        self.assertLine(
            "python twistd migrate-client --service a --service b --rehearse",
            "/opt/bin/python twistd migrate-client --all",
        )

    def test_changes(self) -> None:
        """
        What is given takes the place of what the old process was told, however that
        was written.
        """
        self.assertLine(
            "python twistd migrate-client --all --wai 3 -cunix:a.sock --no-fence",
            "/opt/bin/python twistd migrate-client --no-fence --service x --service y "
            "--control unix:b.sock --wait 9",
            control="unix:b.sock",
            services=["x", "y"],
            options={"wait": "9"},
        )

    def test_programs(self) -> None:
        """
        Whatever Python was told to run, and with which options of its own, is run
        again.
        """
        for program in (
            "twistd",
            "/venv/bin/twistd",
            "-O -W ignore -Xdev twistd",
            "-BWignore --check-hash-based-pycs always twistd",
            "-m own.twistd",
            "-Im own.twistd",
            "-X dev -c 'import twistd; run()'",
            "-c'run()'",
        ):
            words = shlex.join(shlex.split(program))
            self.assertLine(
                f"python {program} -n migrate-server --service a=b",
                f"/opt/bin/python {words} -n migrate-client --all",
            )

    def test_chain(self) -> None:
        """
        The successor of a successor is started in the same way.
        """
        first = successor(start("python twistd -n migrate-server --service a=b"))
        again = Started(tuple(first.words), "/srv", first.interpreter)
        self.assertEqual(successor(again), first)

    def test_interpreter(self) -> None:
        """
        Another Python runs the twistd of its own environment, if that has one, and
        otherwise the same.
        """
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        line = "python /old/bin/twistd migrate-server --service a=b"
        other = str(place / "python3")
        rest = "migrate-client --all"
        self.assertLine(line, f"{other} /old/bin/twistd {rest}", interpreter=other)
        (place / "twistd").write_text("")
        self.assertLine(line, f"{other} {place}/twistd {rest}", interpreter=other)
        self.assertLine(
            "python -m twistd migrate-server --service a=b",
            f"{other} -m twistd {rest}",
            interpreter=other,
        )

    def test_cannotBeTold(self) -> None:
        """
        Where it cannot be told, the reason names the process and what to do.
        """
        for line, why in (
            ("python", "runs no program"),
            ("python -", "runs no plugin"),
            ("python server.py", "program of its own"),
            ("python twistd -ny server.tac", "program of its own"),
            ("python server.py --own-option", "not started as twistd"),
            ("python twistd web --port 80", "runs twistd web"),
            ("python twistd migrate-server --of-later", "another release"),
        ):
            error = self.assertRaises(UnknownStart, successor, start(line))
            self.assertIn(why, str(error))
            self.assertIn(f"({line})", str(error))
            self.assertIn("-- COMMAND LINE", str(error))

    def test_daemon(self) -> None:
        """
        Whether a process becomes a daemon is in the options of twistd.
        """
        for options, daemon in (
            ("", True),
            ("-l x", True),
            ("-n", False),
            ("-noy x --pidfile=", False),
            ("--nodaemon", False),
            ("-b", False),
        ):
            command = TwistdCommand.of(start(f"python twistd {options} migrate-server"))
            self.assertIs(command.isDaemon, daemon, options)


class StartedTests(SynchronousTestCase):
    """
    Tests for L{Started}.
    """

    def test_here(self) -> None:
        """
        The start of this process is that of which the interpreter says so.
        """
        found = Started.here({})
        self.assertEqual(found.words, tuple(sys.orig_argv))
        self.assertEqual(found.directory, os.getcwd())
        self.assertEqual(found.executable, sys.executable)

    def test_directory(self) -> None:
        """
        The directory has the name that it was entered by; a name that leads
        elsewhere, or nowhere, is passed over.
        """
        link = Path(self.mktemp()).absolute()
        link.symlink_to(os.getcwd())
        self.assertEqual(Started.here({"PWD": str(link)}).directory, str(link))
        for other in ("/", "/nowhere/at/all", "."):
            self.assertEqual(Started.here({"PWD": other}).directory, os.getcwd())

    def test_dictionary(self) -> None:
        """
        It can be sent.
        """
        found = start("python twistd -n")
        self.assertEqual(Started.fromDictionary(found.asDictionary()), found)
        self.assertEqual(attrs.asdict(found)["words"], ("python", "twistd", "-n"))
