"""
Imports inside C{migrate} run downward only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import migrate
from migrate.adapters import DEFERRED

#: The layers from the bottom up.  What shares a line knows nothing of each
#: other; a package is one unit, whatever its modules import of each other.
LAYERS = (
    "errors progress notify cgroups sources started warmth headroom",
    "life holders appending supervision",
    "model limits events successor",
    "interfaces",
    "messages",
    "wire handover",
    "graph memory independent",
    "adapters",
    "filenos adoption",
    "listeners",
    "inherited",
    "rights",
    "inbox",
    "turn descriptors fence",
    "janitor",
    "transfer advance",
    "apart shares history",
    "saslprep",
    "scram",
    "login",
    "credentials policies",
    "identity",
    "publication control resources",
    "parting gate census",
    "roll connectionoffers",
    "leaving",
    "offers",
    "gradual",
    "wish",
    "greeting",
    "conversation",
    "announcement",
    "admission introduction",
    "answers questions",
    "grant request",
    "origin recipient",
    "server prediction meeting",
    "following heir",
    "client",
    "inquirer",
    "reexec",
    "testing",
    "outcome bar activation",
    "reload",
    "takeover",
    "tap",
    "commandline",
    "tapsuccessor",
    "tapserver tapclient",
    "manager",
    "cli",
)

#: What does no input or output of its own, and has no use for these.
SANS_IO = ("messages", "wire", "events", "handover", "graph")
IO = ("socket", "select", "selectors", "ssl", "twisted.internet.reactor")

#: The height of each unit, and the units beside it.
HEIGHT = {unit: i for i, layer in enumerate(LAYERS) for unit in layer.split()}

TOP = Path(migrate.__file__).parent


def modules() -> dict[str, Path]:
    """
    @return: every module and package below C{migrate}, by its dotted name.
    """
    found = {}
    for path in TOP.rglob("*.py"):
        parts = path.relative_to(TOP).with_suffix("").parts
        name = parts[:-1] if parts[-1] == "__init__" else parts
        if name:
            found[".".join(name)] = path
    return found


def imports(source: str, package: str) -> Iterator[str]:
    """
    @param package: what a relative import starts from.
    @return: the dotted name of everything that C{source} imports, at the top
        or deep inside a function: C{from a import b} imports a and a.b.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = (
                ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            )
            origin = ".".join(filter(None, [base, node.module]))
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def importsOf(module: str, path: Path) -> set[str]:
    """
    @return: what a module of C{migrate} imports.
    """
    name = f"migrate.{module}"
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return set(imports(path.read_text(encoding="utf-8"), package))


def unitOf(module: str) -> str:
    """
    @return: the unit that a module is of, named as in L{LAYERS}.
    """
    return module.partition(".")[0]


def upward(module: str, imported: set[str]) -> set[str]:
    """
    @return: those imports of a module that do not run downward.
    """
    own = unitOf(module)
    reached = {
        unitOf(name.removeprefix("migrate."))
        for name in imported
        if name.startswith("migrate.")
    }
    # A name that is no unit is an attribute of the package itself.
    units = {unit for unit in reached if unit in HEIGHT and unit != own}
    return {unit for unit in units if HEIGHT[unit] >= HEIGHT[own]}


class ImportsTests(SynchronousTestCase):
    """
    Tests for the reading of imports.
    """

    def test_everyForm(self) -> None:
        """
        Every form of import is seen, at every depth.
        """
        source = (
            "import a.b, c as d\nfrom e import f as g\nfrom . import h\n"
            "def function():\n    from .i import j\n    from ..k import l\n"
        )
        self.assertEqual(
            set(imports(source, "p.q")),
            {
                *("a.b", "c", "e", "e.f", "p.q", "p.q.h", "p.q.i", "p.q.i.j"),
                *("p.k", "p.k.l"),
            },
        )

    def test_upward(self) -> None:
        """
        An import that runs upward or sideways is found out, one that runs
        downward or stays inside its package is not.
        """
        imported = {"migrate.errors", "migrate.graph.codec", "twisted.internet"}
        self.assertEqual(upward("graph.table", imported), set())
        self.assertEqual(upward("model", imported), {"graph"})
        self.assertEqual(upward("wire", {"migrate.handover"}), {"handover"})


class LayersTests(SynchronousTestCase):
    """
    Tests for the layers of C{migrate}.
    """

    def test_everyModuleHasAPlace(self) -> None:
        """
        No module is missing in the table.
        """
        units = {unitOf(module) for module in modules()}
        self.assertEqual(units - set(HEIGHT), set())
        self.assertGreater(len(units), 5)

    def test_downward(self) -> None:
        """
        No module imports from its own height or above.
        """
        faults = {
            module: above
            for module, path in modules().items()
            if unitOf(module) in HEIGHT
            and (above := upward(module, importsOf(module, path)))
        }
        self.assertEqual(faults, {})

    def test_packageItself(self) -> None:
        """
        Importing the package loads nothing of it: what a person needs is
        imported by its own name.
        """
        found = set(imports((TOP / "__init__.py").read_text(), "migrate"))
        self.assertEqual({name for name in found if name.startswith("migrate")}, set())

    def test_sansIO(self) -> None:
        """
        The core imports neither the reactor nor sockets.
        """
        faults = {
            module: forbidden
            for module, path in modules().items()
            if unitOf(module) in SANS_IO
            and (forbidden := importsOf(module, path) & set(IO))
        }
        self.assertEqual(faults, {})

    def test_noReactorByImport(self) -> None:
        """
        Importing all of it installs no reactor: C{twistd --reactor} decides,
        and it has imported the plugins by then.  What is deferred until its package
        is met is imported by a process whose reactor runs.
        """
        deferred = {f"adapters.{name}" for name in DEFERRED}
        names = ", ".join(f"migrate.{each}" for each in {*modules()} - deferred)
        code = (
            f"import sys, {names}; sys.exit('twisted.internet.reactor' in sys.modules)"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=TOP.parent, capture_output=True, text=True, timeout=60
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
