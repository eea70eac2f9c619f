"""
Tests of L{migrate.adapters.classes}, C{enumclasses} and C{recordclasses}: what
the main script defined, and what does not run when a class arrives.
"""

from __future__ import annotations

import collections
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.python.deprecate import _ModuleProxy
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import http
from zope.interface.verify import verifyObject

from migrate.adapters import MODULES, defaultRegistry
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter
from tests import pythons
from tests.inprocess import Move
from tests.moving import moved, written

#: How long a script may take, in seconds.
DEADLINE = 60

_SCRIPT = """
from __future__ import annotations
import dataclasses, enum, sys
from pathlib import Path

class Base:
    subclasses = []
    def __init_subclass__(cls):
        Base.subclasses.append(cls.__name__)
        print("told of", cls.__name__)

class Noisy:
    def __set_name__(self, owner, name):
        print("named", name)

class Meta(type):
    def __new__(cls, name, bases, namespace):
        print("made", name)
        return super().__new__(cls, name, bases, namespace)

class Kind(enum.Enum):
    A = "a"

@dataclasses.dataclass
class Point:
    x: int
    y: int = 2

class Service(Base, metaclass=Meta):
    noisy = Noisy()
    count = 0
    def __init__(self):
        self.kind = Kind.A
        self.point = Point(1)
        self.call = lambda n: (n, self.kind is Kind.A, self.point == Point(1))
    def handle(self):
        Service.count += 1
        return self.call(Service.count)

if __name__ == "__main__":
    service = Service()
    service.handle()
    from tests.moving import written
    Path(sys.argv[1]).write_bytes(b"".join(
        len(c).to_bytes(4, "big") + c for c in written(service)))
"""

_NEXT = """
import io, sys
from pathlib import Path
from tests.moving import read, written
data = io.BytesIO(Path(sys.argv[1]).read_bytes())
chunks = []
while head := data.read(4):
    chunks.append(data.read(int.from_bytes(head, "big")))
service = read(chunks)
print(service.handle(), type(service).__mro__[1].subclasses, type(service).__module__)
Path(sys.argv[1]).write_bytes(b"".join(
    len(c).to_bytes(4, "big") + c for c in written(service)))
"""


class MainScriptTests(SynchronousTestCase):
    """
    What the main script defined goes by value.
    """

    def python(self, script: Path, *arguments: str) -> list[str]:
        """
        @return: the lines that a script prints.
        """
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={"PYTHONPATH": str(pythons.CHECKOUT)},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_chain(self) -> None:
        """
        From the script to two other processes, one after the other, and
        nothing of what happened to the classes when they were made happens
        again; not even the script is needed.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        script, following = directory / "script.py", directory / "following.py"
        script.write_text(_SCRIPT)
        following.write_text(_NEXT)
        graph = str(directory / "graph")
        self.assertEqual(
            self.python(script, graph),
            ["made Service", "named noisy", "told of Service"],
        )
        script.unlink()
        for count in (2, 3):
            self.assertEqual(
                self.python(following, graph),
                [f"({count}, True, True) ['Service'] __main__"],
            )


def _local() -> Any:
    """
    @return: a class that only this function has.
    """

    class Local:
        """A class."""

        def again(self) -> type:
            return __class__  # type: ignore[name-defined, no-any-return]

    return Local


class LocalTests(SynchronousTestCase):
    """
    Classes that a function made.
    """

    def test_local(self) -> None:
        """
        They keep their name, and know themselves.
        """
        local = _local()
        arrived, instance = moved([local, local()])
        self.assertIsNot(arrived, local)
        self.assertIs(type(instance), arrived)
        self.assertIs(instance.again(), arrived)
        self.assertEqual(arrived.__qualname__, "_local.<locals>.Local")
        self.assertEqual((arrived.__module__, arrived.__doc__), (__name__, "A class."))
        self.assertEqual(set(vars(arrived)), set(vars(local)))

    def test_hookKept(self) -> None:
        """
        A base whose hook was not called has it still, and calls it for
        whatever is derived from then on.
        """
        told = []

        class Told:
            def __init_subclass__(cls) -> None:
                told.append(cls.__name__)

        class First(Told):
            pass

        arrived: Any = moved({"first": First, "told": told})
        type("Second", (arrived["first"],), {})
        self.assertEqual((told, arrived["told"]), (["First"], ["First", "Second"]))

    def test_builtIn(self) -> None:
        """
        A class of C that no module has is refused.
        """
        hidden = type(iter(collections.OrderedDict()))
        refused = self.assertRaises(CannotMigrate, written, hidden)
        self.assertIn("is built in", str(refused))


class RegistryTests(SynchronousTestCase):
    """
    All adapters of this package.
    """

    def test_interface(self) -> None:
        """
        They are adapters, and each has its own name.
        """
        registry = defaultRegistry()
        self.assertGreater(len(MODULES), 20)
        for name, adapter in registry._byName.items():
            verifyObject(IAdapter, adapter)
            self.assertEqual(adapter.name, name)


class ModuleTests(SynchronousTestCase):
    """
    Modules that something else stands for in C{sys.modules}.
    """

    def test_deprecating(self) -> None:
        """
        A module some of whose names are deprecated goes by its name, and so
        does what its functions see of it.
        """
        self.assertIsInstance(http, _ModuleProxy)
        channel = http.HTTPChannel()
        channel.persistent = False
        # Whatever comes after the last request is passed over by a lambda.
        channel.lineReceived(b"too late")
        module, made = Move([http, channel], Clock(), Clock()).go()
        self.assertIs(module, http)
        self.assertIs(made.dataReceived.__globals__, vars(http))
        made.dataReceived(b"more")
