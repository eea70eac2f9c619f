"""
Tests for L{migrate.adapters.prompts}.
"""

from __future__ import annotations
import __future__

import builtins
import code
import codeop
import gc
import linecache
from collections.abc import Callable
from typing import Any

from twisted.conch.manhole import ManholeInterpreter
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import defaultRegistry, prompts
from migrate.errors import CannotMigrate, LoadError
from migrate.graph import Environment, PickleSerializer, Registry, TableSerializer
from migrate.interfaces import IAdapter, ISerializer
from tests.adapting import Capture, Loading


def moved(adapter: IAdapter, obj: Any, change: Callable[[Any], None] = bool) -> Any:
    """
    @param change: is shown the state on its way.
    @return: what C{adapter} makes again of C{obj}.
    """
    description: Any = adapter.describe(obj, Capture(None))
    state = dict(description.state)
    change(state)
    loading = Loading(None)
    arrived = adapter.make(description.cls, description.arguments, loading)
    adapter.fill(arrived, state, loading)
    loading.adopt()
    return arrived


def linesOf(function: Any) -> list[str]:
    """
    @return: all that was typed in the statement that made C{function}.
    """
    return linecache.getlines(function.__code__.co_filename)


class Output:
    """
    Where a manhole's interpreter writes.
    """

    def __init__(self) -> None:
        self.written = ""

    def addOutput(self, data: str, isAsync: object = None) -> None:
        self.written += data


class SourceTests(SynchronousTestCase):
    """
    What is typed at a prompt has source.
    """

    def setUp(self) -> None:
        self.output = Output()
        self.names: dict[str, Any] = {}
        self.interpreter = ManholeInterpreter(self.output, self.names)
        prompts.keepSource(self.interpreter)

    def type(self, text: str) -> None:
        """
        Type lines, and an empty one after what is indented.
        """
        for line in text.splitlines():
            self.interpreter.push(line.encode())

    def test_statement(self) -> None:
        """
        L{linecache} knows the lines of a statement under its own name.
        """
        self.type("def f():\n  return 1\n\ndef g():\n  return 2\n\n")
        self.assertEqual(linesOf(self.names["f"]), ["def f():\n", "  return 1\n"])
        self.assertEqual(linesOf(self.names["g"]), ["def g():\n", "  return 2\n"])

    def test_oneLine(self) -> None:
        """
        A statement of one line ends with a line's end too.
        """
        self.type("f = lambda: 5")
        self.assertEqual(linesOf(self.names["f"]), ["f = lambda: 5\n"])

    def test_names(self) -> None:
        """
        A name says which prompt it was, counts on, and is no other session's.
        """
        self.type("f = lambda: 5")
        self.type("g = lambda: 5")
        other: dict[str, Any] = {}
        second = ManholeInterpreter(self.output, other)
        prompts.keepSource(second)
        second.push(b"f = lambda: 5")
        names = [
            function.__code__.co_filename
            for function in (self.names["f"], self.names["g"], other["f"])
        ]
        self.assertRegex(names[0], r"^<console-[0-9a-f]{12}-1>$")
        self.assertEqual(names[1], names[0].replace("-1>", "-2>"))
        self.assertEqual(len(set(names)), 3)

    def test_recompiles(self) -> None:
        """
        The lines, compiled again, give the same code.
        """
        self.type("def f(a):\n  def g():\n    return a\n  return g\n\n")
        original = self.names["f"].__code__
        source = "".join(linesOf(self.names["f"]))
        again = compile(source, original.co_filename, "single", dont_inherit=True)
        self.assertIn(original, again.co_consts)

    def test_traceback(self) -> None:
        """
        A traceback shows the line that failed.
        """
        self.type("def f():\n  return 1 // 0\n\nf()")
        self.assertIn("    return 1 // 0\n", self.output.written)

    def test_syntaxError(self) -> None:
        """
        A syntax error is told of the console, and counts as no statement.
        """
        self.type("1 +* 2")
        self.assertIn('File "<console>", line 1', self.output.written)
        self.type("f = lambda: 5")
        self.assertIn("-1>", self.names["f"].__code__.co_filename)

    def test_incomplete(self) -> None:
        """
        Lines of a statement that is not at its end are no statement.
        """
        self.assertTrue(self.interpreter.push(b"def f():"))
        keeper: Any = self.interpreter.compile
        self.assertEqual(keeper.statements, 0)

    def test_file(self) -> None:
        """
        What comes from a file keeps the file's name.
        """
        self.interpreter.runsource("f = lambda: 5", "/nowhere/f.py")
        self.assertEqual(self.names["f"].__code__.co_filename, "/nowhere/f.py")

    def test_forgotten(self) -> None:
        """
        The lines are kept as long as anything compiled from them is alive,
        and no longer.
        """
        self.type("def f():\n  return lambda: 6\n\n")
        filename = self.names["f"].__code__.co_filename
        self.names["f"] = self.names["f"]()
        gc.collect()
        self.assertIn(filename, linecache.cache)
        self.names.clear()
        gc.collect()
        self.assertNotIn(filename, linecache.cache)

    def test_forgottenAtOnce(self) -> None:
        """
        Statements that define nothing leave nothing behind.
        """
        gc.collect()
        before = len(linecache.cache)
        self.type("\n".join(["x = 1", "x += 1"] * 50))
        gc.collect()
        self.assertEqual(self.names["x"], 2)
        self.assertEqual(len(linecache.cache), before)

    def test_replaced(self) -> None:
        """
        Lines that somebody else registered under the same name since are
        theirs to remove.
        """
        self.type("f = lambda: 5")
        filename = self.names["f"].__code__.co_filename
        self.addCleanup(linecache.cache.pop, filename, None)
        theirs: Any = (14, None, ["f = lambda: 5\n"], filename)
        linecache.cache[filename] = theirs
        self.names.clear()
        gc.collect()
        self.assertIs(linecache.cache[filename], theirs)

    def test_futures(self) -> None:
        """
        What was imported from C{__future__} holds for later statements, and
        is found where L{codeop} keeps it.
        """
        self.type("from __future__ import annotations")
        self.type("def f(a: nonsense): pass\n\n")
        self.assertEqual(self.names["f"].__annotations__, {"a": "nonsense"})
        keeper: Any = self.interpreter.compile
        flag = __future__.annotations.compiler_flag
        self.assertTrue(keeper.compiler.flags & flag)

    def test_twice(self) -> None:
        """
        A prompt that keeps its source is left as it is.
        """
        keeper = self.interpreter.compile
        prompts.keepSource(self.interpreter)
        self.assertIs(self.interpreter.compile, keeper)


class EverySourceTests(SynchronousTestCase):
    """
    L{prompts.keepEverySource} reaches prompts that nobody changed.
    """

    def test_manhole(self) -> None:
        """
        A stock manhole's interpreter keeps its source, until it is undone.
        """
        undo = prompts.keepEverySource()
        self.addCleanup(undo)
        during = ManholeInterpreter(Output())
        undo()
        after = ManholeInterpreter(Output())
        self.assertIsInstance(during.compile, prompts.SourceKeeper)
        self.assertIs(type(after.compile), codeop.CommandCompiler)

    def test_twice(self) -> None:
        """
        The second call changes nothing, and has nothing to undo.
        """
        undo = prompts.keepEverySource()
        self.addCleanup(undo)
        prompts.keepEverySource()()
        self.assertIsInstance(
            code.InteractiveInterpreter().compile, prompts.SourceKeeper
        )

    def test_import(self) -> None:
        """
        Nothing is changed by an import alone.
        """
        self.assertIs(
            type(code.InteractiveInterpreter().compile), codeop.CommandCompiler
        )


class CompilerTests(SynchronousTestCase):
    """
    L{prompts.CompilerAdapter}.
    """

    adapter = prompts.CompilerAdapter()

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        self.assertTrue(verifyObject(IAdapter, self.adapter))

    def test_features(self) -> None:
        """
        The features go by name; no bit of this interpreter does.
        """
        compiler = codeop.Compile()
        compiler("from __future__ import annotations\n", "<x>", "single")
        state = self.adapter.describe(compiler, Capture(None)).state
        self.assertEqual(
            state, {"features": ["annotations"], "extra": 0, "attributes": {}}
        )

    def test_moved(self) -> None:
        """
        All of it arrives: features, other flags, and attributes.
        """

        class Marked(codeop.Compile):
            mark: str

        compiler = Marked()
        compiler("from __future__ import annotations\n", "<x>", "single")
        compiler.flags |= 0x2000
        compiler.mark = "mine"
        arrived = moved(self.adapter, compiler)
        self.assertIs(type(arrived), Marked)
        self.assertEqual(vars(arrived), vars(compiler))

    def test_unknownFeature(self) -> None:
        """
        A feature that this Python lacks refuses the graph, by its name.
        """

        def change(state: dict[str, Any]) -> None:
            state["features"] = ["telepathy"]

        with self.assertRaises(LoadError) as caught:
            moved(self.adapter, codeop.Compile(), change)
        self.assertIn("from __future__ import telepathy", str(caught.exception))


class InterpreterTests(SynchronousTestCase):
    """
    L{prompts.InterpreterAdapter}.
    """

    adapter = prompts.InterpreterAdapter()

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        self.assertTrue(verifyObject(IAdapter, self.adapter))

    def test_registered(self) -> None:
        """
        It speaks for manhole's interpreters.
        """
        registry = Registry()
        prompts.register(registry)
        self.assertIsInstance(
            registry.lookup(ManholeInterpreter), prompts.InterpreterAdapter
        )
        self.assertIsInstance(registry.lookup(codeop.Compile), prompts.CompilerAdapter)

    def test_attributes(self) -> None:
        """
        Everything that the interpreter has arrives.
        """
        interpreter = ManholeInterpreter(Output(), {"x": 1})
        prompts.keepSource(interpreter)
        interpreter.push(b"def f():")
        arrived = moved(self.adapter, interpreter)
        self.assertIs(type(arrived), ManholeInterpreter)
        self.assertEqual(vars(arrived), vars(interpreter))

    def test_nothingKept(self) -> None:
        """
        A session whose source nobody kept has it kept from now on, with the
        features that it asked for.
        """
        interpreter = ManholeInterpreter(Output())
        interpreter.push(b"from __future__ import annotations")
        original = interpreter.compile
        arrived = moved(self.adapter, interpreter)
        self.assertIsInstance(arrived.compile, prompts.SourceKeeper)
        self.assertIs(arrived.compile.original, original)

    def test_ownCompiler(self) -> None:
        """
        A C{compile} of the application's own is left alone.
        """

        class Compiler(codeop.CommandCompiler):
            pass

        interpreter = code.InteractiveInterpreter()
        interpreter.compile = Compiler()
        arrived = moved(self.adapter, interpreter)
        self.assertIs(arrived.compile, interpreter.compile)

    def test_pendingDeferreds(self) -> None:
        """
        A Deferred that was shown is found by its new identity, and its result
        is told when it comes.
        """
        output = Output()
        deferred: Deferred[str] = Deferred()
        interpreter = ManholeInterpreter(output, {"d": deferred})
        interpreter.push(b"d")

        def change(state: dict[str, Any]) -> None:
            # The numbers of another process.
            shown = state["_pendingDeferreds"]
            entries = list(shown.values())
            shown.clear()
            shown.update(enumerate(entries))

        arrived = moved(self.adapter, interpreter, change)
        self.assertEqual(list(arrived._pendingDeferreds), [id(deferred)])
        deferred.callback("done")
        self.assertIn("Deferred #0 called back: 'done'", output.written)
        self.assertEqual(arrived._pendingDeferreds, {})


class MovedTests(SynchronousTestCase):
    """
    A session at a prompt goes through the serializers.
    """

    def arrived(self, interpreter: ManholeInterpreter, how: ISerializer) -> Any:
        """
        @return: the interpreter in another process.
        """
        dump = how.dump(interpreter, "shell", Environment(defaultRegistry(), Clock()))
        loader = how.loader(Environment(defaultRegistry(), Clock()))
        for chunk in dump.chunks:
            loader.feed(chunk)
        root = loader.finish([])
        loader.adopt()
        return root

    def session(self, how: ISerializer) -> None:
        """
        Definitions, source and builtins hold for two moves, in which more is
        defined.
        """
        interpreter = ManholeInterpreter(Output(), {"__name__": "__console__"})
        prompts.keepSource(interpreter)
        typed = ["def f(x):", "  return x + n", "", "n = 1", "class C: at = f", ""]
        for line in typed:
            interpreter.push(line.encode())
        second = self.arrived(interpreter, how)
        self.assertEqual(second.locals["C"].at(4), 5)
        self.assertIs(second.locals["f"].__globals__, second.locals)
        self.assertIs(second.locals["__builtins__"], vars(builtins))
        second.push(b"n = 2")
        second.push(b"g = lambda x: f(x) * 10")
        third = self.arrived(second, how)
        self.assertEqual(third.locals["g"](4), 60)
        self.assertEqual(
            linesOf(third.locals["f"]), ["def f(x):\n", "  return x + n\n"]
        )
        self.assertEqual(interpreter.locals["n"], 1)

    def test_table(self) -> None:
        """
        See L{session}.
        """
        self.session(TableSerializer())

    def test_pickle(self) -> None:
        """
        See L{session}.
        """
        self.session(PickleSerializer())

    def test_nothingKept(self) -> None:
        """
        A function whose source nobody kept is refused, by its name.
        """
        interpreter = ManholeInterpreter(Output(), {"__name__": "__console__"})
        interpreter.push(b"f = lambda x: x")
        with self.assertRaises(CannotMigrate) as caught:
            self.arrived(interpreter, TableSerializer())
        [refusal] = caught.exception.refusals
        self.assertIn("shell.locals['f']", refusal.path)
        self.assertIn("source", refusal.reason)
