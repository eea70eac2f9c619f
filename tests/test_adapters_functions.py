"""
Tests of L{migrate.adapters.functions}, C{codeobjects} and C{codepaths}: code is
found again, also where it changed, or is refused.
"""

from __future__ import annotations

import importlib
import linecache
import sys
import types
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.errors import CannotMigrate, CannotResolve, Forbidden, LoadError
from migrate.interfaces import IPolicy
from tests.moving import moved, read, written

_MODULE = """
def outer(x):
    def inner(y):
        return (x, y, {mark!r})
    return inner

def lambdas():
    return [lambda: {mark!r}, lambda: 2]

table = [lambda: {mark!r}]
"""


@implementer(IPolicy)
class NoCompiler:
    """
    Lets a graph name everything but the compiler.
    """

    def permits(self, module: str, qualname: str) -> bool:
        """
        See L{IPolicy.permits}.
        """
        return (module, qualname) != ("builtins", "compile")


class _Modules(SynchronousTestCase):
    """
    Modules that come and go.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        sys.path.insert(0, str(self.directory))
        self.addCleanup(sys.path.remove, str(self.directory))
        bytecode = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        self.addCleanup(setattr, sys, "dont_write_bytecode", bytecode)

    def module(self, text: str, name: str = "txmigrate_sample") -> types.ModuleType:
        """
        @return: a module with that text, imported anew.
        """
        (self.directory / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        self.addCleanup(sys.modules.pop, name, None)
        return importlib.import_module(name)


class UpgradeTests(_Modules):
    """
    The recipient has a newer module.
    """

    def test_newCode(self) -> None:
        """
        A closure gets the newer code, and keeps what it closed over.
        """
        chunks = written(self.module(_MODULE.format(mark="old")).outer([1]))
        self.module("# A line more\n" + _MODULE.format(mark="new"))
        self.assertEqual(read(chunks)(2), ([1], 2, "new"))

    def test_sourceChangedUnderneath(self) -> None:
        """
        What the origin imported counts, whatever is on disk by now.
        """
        module = self.module(_MODULE.format(mark="old"))
        inner = module.outer([1])
        (self.directory / "txmigrate_sample.py").write_text("")
        self.assertEqual(moved(inner)(2), ([1], 2, "old"))

    def test_sourceGone(self) -> None:
        """
        A function that no attribute leads to needs the source that was
        imported.
        """
        module = self.module(_MODULE.format(mark="old"))
        self.assertEqual(moved(module.table[0])(), "old")
        (self.directory / "txmigrate_sample.py").write_text("table = []")
        refused = self.assertRaises(CannotMigrate, written, module.table[0])
        self.assertIn("is not known or has changed", str(refused))

    def assertSkew(self, text: str, made: str, says: str) -> None:
        """
        Have C{made}, an expression, refused by a recipient with another text.
        """
        module = self.module(_MODULE.format(mark="old"))
        chunks = written(eval(made, vars(module)))
        self.module(text)
        refused = self.assertRaises(CannotResolve, read, chunks)
        self.assertIn(says, str(refused))

    def test_gone(self) -> None:
        """
        The function around it is gone.
        """
        self.assertSkew("", "outer(1)", "no Python function")

    def test_otherParameters(self) -> None:
        """
        The function takes other parameters.
        """
        text = _MODULE.format(mark="new").replace("inner(y)", "inner(y, z=1)")
        self.assertSkew(text, "outer(1)", "takes other parameters")

    def test_otherClosure(self) -> None:
        """
        The function closes over other names.
        """
        text = _MODULE.format(mark="new").replace("return (x, y", "return (y")
        self.assertSkew(text, "outer(1)", "other names")

    def test_otherNumber(self) -> None:
        """
        Which of several lambdas is meant can no longer be told.
        """
        text = _MODULE.format(mark="new").replace(", lambda: 2", "")
        self.assertSkew(text, "lambdas()[1]", "has 1 functions '<lambda>'")


class SourceTests(SynchronousTestCase):
    """
    Functions whose source goes along.
    """

    def prompt(self, text: str) -> dict[str, Any]:
        """
        @return: the namespace of a prompt at which C{text} was typed.
        """
        filename = f"<{self.id()}>"
        lines = text.splitlines(keepends=True)
        linecache.cache[filename] = (len(text), None, lines, filename)
        self.addCleanup(linecache.cache.pop, filename, None)
        namespace: dict[str, Any] = {}
        exec(compile(text, filename, "exec"), namespace)
        return namespace

    def test_chain(self) -> None:
        """
        What came can go on: the next process knows the source as well.
        """
        namespace = self.prompt("def f(x):\n    return x + 1\n")
        chunks = written(namespace["f"])
        linecache.cache.pop(f"<{self.id()}>")
        arrived = read(chunks)
        self.assertEqual(linecache.getline(f"<{self.id()}>", 1), "def f(x):\n")
        self.assertEqual(moved(arrived)(1), 2)

    def test_oneText(self) -> None:
        """
        The source goes along once, however many functions it has.
        """
        functions = "".join(f"def f{n}():\n    return {n}\n" for n in range(50))
        text = functions + f"# {'x' * 9000}\n"
        size = sum(map(len, written(self.prompt(text))))
        self.assertLess(size, 2 * len(text))

    def test_policy(self) -> None:
        """
        A graph brings code of its own only where the policy lets it.
        """
        chunks = written(self.prompt("f = lambda: 1")["f"])
        linecache.cache.pop(f"<{self.id()}>")
        self.assertRaises(Forbidden, read, chunks, NoCompiler())
        self.assertNotIn(f"<{self.id()}>", linecache.cache)

    def test_discarded(self) -> None:
        """
        The source of what is thrown away is forgotten.
        """
        chunks = written([self.prompt("f = lambda: 1")["f"], Refusing()])
        linecache.cache.pop(f"<{self.id()}>")
        self.assertRaises(LoadError, read, chunks)
        self.assertNotIn(f"<{self.id()}>", linecache.cache)

    def test_otherText(self) -> None:
        """
        A text of the same name that does something else is not taken for it.
        """
        function = self.prompt("f = lambda: 1")["f"]
        self.prompt("f = lambda: 2")
        refused = self.assertRaises(CannotMigrate, written, function)
        self.assertIn("<lambda>", str(refused))

    def test_customBuiltins(self) -> None:
        """
        A function whose builtins are its own keeps them.
        """
        text = "def f():\n    return len('abc')\n"
        filename = f"<{self.id()}>"
        linecache.cache[filename] = (
            len(text),
            None,
            [*text.splitlines(True)],
            filename,
        )
        self.addCleanup(linecache.cache.pop, filename, None)
        namespace: dict[str, Any] = {"__builtins__": {"len": lambda x: "own"}}
        namespace["__builtins__"]["len"] = str.upper
        exec(compile(text, filename, "exec"), namespace)
        arrived = moved(namespace)
        self.assertEqual(arrived["f"](), "ABC")
        self.assertIs(arrived["f"].__builtins__, arrived["__builtins__"])


class Refusing:
    """
    Reads itself only in one way: not at all.
    """

    def __reduce__(self) -> Any:
        return (_fail, ())


def _fail() -> None:
    raise ValueError("not here")
