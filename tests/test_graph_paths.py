"""
Tests for L{migrate.graph.paths}: what a report of refusals says.
"""

from __future__ import annotations

import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.errors import CannotMigrate, NotMovable, Refusal
from migrate.graph import Environment, audit
from migrate.interfaces import IAdapter, ICapture, ILoading, ISeeker
from migrate.model import Description, Named
from tests.graphs import Key, Slotted, Thing, environment, registry


class DelayedCall:
    """
    Found by a seeker only.
    """

    def __init__(self, func: object) -> None:
        self.func = func


@implementer(ISeeker)
class Seeker:
    """
    Finds one object.
    """

    def __init__(self, found: object) -> None:
        self.found = found

    def seek(self, capture: ICapture) -> list[object]:
        return [self.found]


class Odd:
    """
    Described in many wrong ways.
    """

    def __init__(self, answer: Any) -> None:
        self.answer = answer


@implementer(IAdapter)
class OddAdapter:
    """
    Gives the answer that an L{Odd} object has.
    """

    name = "odd"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Any:
        if isinstance(obj.answer, Exception):
            raise obj.answer
        return obj.answer

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        raise AssertionError("refused")

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("refused")


class Rude:
    """
    Cannot even be looked at.
    """

    def __repr__(self) -> str:
        raise AssertionError("an audit runs no code of the application")

    __str__ = __repr__


def local() -> type:
    """
    @return: a class that no name means.
    """

    class Inner:
        """
        Nobody finds it.
        """

    return Inner


class RefusalTests(SynchronousTestCase):
    """
    Every object that cannot be moved, each with a path.
    """

    def refusals(
        self, root: object, process: Environment | None = None
    ) -> list[Refusal]:
        with self.assertRaises(CannotMigrate) as caught:
            audit(root, "shell", process or environment())
        return list(caught.exception.refusals)

    def paths(self, root: object, process: Environment | None = None) -> list[str]:
        return [refusal.path for refusal in self.refusals(root, process)]

    def test_reason(self) -> None:
        shell, protocol = Thing(), Thing()
        protocol.lock = threading.Lock()  # type: ignore[attr-defined]
        shell.factory = Thing()  # type: ignore[attr-defined]
        shell.factory.protocols = [0, 1, 2, protocol]  # type: ignore[attr-defined]
        with self.assertRaises(CannotMigrate) as caught:
            audit(shell, "shell", environment())
        self.assertEqual(
            str(caught.exception),
            "shell.factory.protocols[3].lock: _thread.lock cannot migrate; "
            "register an adapter",
        )

    def test_root(self) -> None:
        self.assertEqual(self.paths(threading.Lock()), ["shell"])

    def test_allAtOnce(self) -> None:
        """
        One refusal an object, however many refer to it.
        """
        lock, generator = threading.Lock(), (each for each in ())
        root = Thing([lock, generator, lock, {"again": lock}])
        found = self.refusals([root, generator])
        self.assertEqual(
            [refusal.path for refusal in found], ["shell[1]", "shell[0].tag[0]"]
        )
        self.assertEqual(
            [refusal.reason for refusal in found],
            ["generator cannot migrate", "_thread.lock cannot migrate"],
        )

    def test_containers(self) -> None:
        lock = threading.Lock
        slotted = Slotted(1)
        slotted.maybe = lock()
        root = [
            {"key": lock(), 7: lock(), (1, "a", (2,)): lock(), "x" * 99: lock()},
            (lock(), [lock()]),
            {Key(lock()), 5},
            {(1, lock()): 2},
            slotted,
        ]
        self.assertEqual(
            self.paths(root),
            [
                "shell[0]['key']",
                "shell[0][7]",
                "shell[0][(1, 'a', (...))]",
                f"shell[0]['{'x' * 39}...]",
                "shell[1][0]",
                "shell[4].maybe",
                "shell[1][1][0]",
                "shell[2]{tests.graphs.Key}.tag",
                "shell[3]<key (1, _thread.lock)>[1]",
            ],
        )

    def test_noCodeRuns(self) -> None:
        """
        Keys are shown without asking them.
        """
        root = {Rude(): threading.Lock(), (Rude(),): threading.Lock()}
        name = f"{__name__}.Rude"
        self.assertEqual(self.paths(root), [f"shell[{name}]", f"shell[({name})]"])

    def test_wideState(self) -> None:
        thing = Thing()
        vars(thing).update({f"a{i}": i for i in range(2000)})
        thing.lock = threading.Lock()  # type: ignore[attr-defined]
        self.assertEqual(self.paths(thing), ["shell.lock"])

    def test_seekers(self) -> None:
        """
        What a seeker brought is called by its class.
        """
        process = environment(registry=registry())
        process.registry.addSeeker(Seeker(DelayedCall([threading.Lock()])))
        self.assertEqual(self.paths([], process), ["shell<delayed call>.func[0]"])

    def test_forbidden(self) -> None:
        other, private = Thing(), [1]
        process = environment(
            forbidden=[(other, "another service"), (private, "private")]
        )
        found = self.refusals(Thing([other, private, [1]]), process)
        self.assertEqual(
            list(map(str, found)),
            ["shell.tag[0]: another service", "shell.tag[1]: private"],
        )

    def test_classes(self) -> None:
        """
        A class that has no name is refused where it is first met.
        """
        inner = local()
        (refusal,) = self.refusals([1, inner(), inner()])
        self.assertEqual(refusal.path, "shell[1].__class__")
        self.assertIn("cannot be found by that name", refusal.reason)

    def test_arguments(self) -> None:
        process = environment(registry=registry())
        process.registry.register(Odd, OddAdapter())
        answer = Description(Odd, (1, threading.Lock()), {"state": threading.Lock()})
        self.assertEqual(
            self.paths(Odd(answer), process), ["shell<argument 1>", "shell.state"]
        )

    def test_badAdapters(self) -> None:
        """
        Whatever an adapter answers, or raises, is a refusal with a path.
        """
        process = environment(registry=registry())
        process.registry.register(Odd, OddAdapter())
        answers: list[tuple[Any, str]] = [
            (NotMovable("mine", "do"), "mine; do"),
            (KeyError("k"), f"{__name__}.Odd: the adapter 'odd' failed: KeyError: 'k'"),
            (5, f"{__name__}.Odd: the adapter 'odd' describes it as int"),
            (
                Description(Odd, (), {1: 2}),  # type: ignore[dict-item]
                "a state of 'odd' has 1 for a name",
            ),
            (
                Named("no such module", "x"),
                "no such module:x: there is no such module; move it by value",
            ),
        ]
        for answer, expected in answers:
            (refusal,) = self.refusals([Odd(answer)], process)
            self.assertEqual(str(refusal), f"shell[0]: {expected}")

    def test_namesThatMeanOthers(self) -> None:
        process = environment(registry=registry())
        process.registry.register(Odd, OddAdapter())
        (refusal,) = self.refusals([Odd(Named("os", "getpid"))], process)
        self.assertIn("os:getpid means another object", refusal.reason)

    def test_attributesWithoutNames(self) -> None:
        thing = Thing()
        vars(thing)[5] = 5  # type: ignore[index]
        (refusal,) = self.refusals(thing)
        self.assertIn("an attribute whose name is no text", refusal.reason)
