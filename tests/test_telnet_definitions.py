"""
Tests for what is defined at the prompt of a shell that moves.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.pythons import interpreters
from tests.shells import ShellTestCase


class DefinitionTests(ShellTestCase):
    """
    What was defined at the prompt arrives, in another version of Python where
    there is one, and goes on from there.
    """

    @inlineCallbacks
    def moved(self, *lines: str) -> Any:
        """
        @return: someone who has typed C{lines} in the first Python and is in
            the last one now.
        """
        pythons = [str(each.path) for each in interpreters()]
        self.pythons = pythons
        yield self.serve(interpreter=pythons[0])
        person = yield self.loggedIn()
        yield self.say(person, *lines)
        yield self.move(pythons[-1])
        return person

    @inlineCallbacks
    def test_functions(self) -> Any:
        """
        Functions with defaults, annotations, attributes and each other's
        names; a lambda; a decorator.
        """
        person = yield self.moved(
            "def twice(x: int = 21, *, more=0) -> int:",
            "  return 2 * x + more",
            "",
            "twice.note = 'mine'",
            "def four(x):",
            "  return twice(twice(x))",
            "",
            "inc = lambda x: x + 1",
            "import functools",
            "def negative(function):",
            "  @functools.wraps(function)",
            "  def wrapper(*args, **names):",
            "    return -function(*args, **names)",
            "  return wrapper",
            "",
            "@negative",
            "def minus(x):",
            "  return four(x)",
            "",
        )
        yield self.hears(person, "twice()", "42")
        yield self.hears(person, "twice(1, more=5)", "7")
        yield self.hears(person, "twice.note", "'mine'")
        yield self.hears(person, "sorted(twice.__annotations__)", "['return', 'x']")
        yield self.hears(person, "four(3)", "12")
        yield self.hears(person, "inc(1)", "2")
        yield self.hears(person, "minus(5)", "-20")
        yield self.hears(person, "minus.__name__", "'minus'")

    @inlineCallbacks
    def test_closures(self) -> Any:
        """
        Two closures over one variable go on sharing it.
        """
        person = yield self.moved(
            "def counter():",
            "  n = 0",
            "  def add():",
            "    nonlocal n",
            "    n += 1",
            "    return n",
            "  return add, lambda: n",
            "",
            "add, read = counter()",
            "add()",
        )
        yield self.hears(person, "add()", "2")
        yield self.hears(person, "read()", "2")

    @inlineCallbacks
    def test_classes(self) -> Any:
        """
        A class, its subclass that calls C{super()}, its properties and its
        instances; after a second move too.
        """
        person = yield self.moved(
            "class Account:",
            "  opened = 0",
            "  def __init__(self, sum):",
            "    self.sum = sum",
            "    Account.opened += 1",
            "  @property",
            "  def text(self): return '%d left' % self.sum",
            "  @classmethod",
            "  def empty(cls): return cls(0)",
            "",
            "class Shared(Account):",
            "  def __init__(self, sum, *names):",
            "    super().__init__(sum)",
            "    self.names = names",
            "",
            "mine = Shared(5, 'a', 'b')",
        )
        for _ in range(2):
            yield self.hears(person, "mine.text", "'5 left'")
            yield self.hears(person, "mine.names", "('a', 'b')")
            yield self.hears(person, "type(mine) is Shared", "True")
            yield self.hears(person, "Shared.__mro__[1] is Account", "True")
            yield self.hears(person, "Account.opened", "1")
            yield self.move(self.pythons[0])
        yield self.hears(person, "type(Shared.empty()) is Shared", "True")

    @inlineCallbacks
    def test_traceback(self) -> Any:
        """
        An error in a function that has moved shows the line, and so does one
        in a function that is defined after the move.
        """
        person = yield self.moved("def f():", "  return 1 // 0", "")
        lines = yield person.ask("f()")
        self.assertIn("    return 1 // 0", lines)
        yield self.say(person, "def g():", "  return 2 // 0", "")
        lines = yield person.ask("g()")
        self.assertIn("    return 2 // 0", lines)

    @inlineCallbacks
    def test_future(self) -> Any:
        """
        C{from __future__ import} holds for what was and for what is defined.
        """
        person = yield self.moved(
            "from __future__ import annotations",
            "def f(x: nonsense): pass",
            "",
        )
        yield self.hears(person, "f.__annotations__", "{'x': 'nonsense'}")
        yield self.say(person, "def g(y: nonsense): pass", "")
        yield self.hears(person, "g.__annotations__", "{'y': 'nonsense'}")

    @inlineCallbacks
    def test_deferred(self) -> Any:
        """
        A Deferred that was shown tells its result at the prompt.
        """
        person = yield self.moved(
            "from twisted.internet.defer import Deferred",
            "d = Deferred()",
            "d",
        )
        lines = yield person.ask("d.callback(5)")
        self.assertIn("Deferred #0 called back: 5", " ".join(lines))
