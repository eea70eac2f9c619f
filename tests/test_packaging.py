"""
Tests for what is installed and what is released: in clean virtual environments
of the running Python, in which nothing is found that was not installed.
"""

from __future__ import annotations

import email
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.processes import CHECKOUT, Ended, Processes

#: How long an installation may take, in seconds; it may wait for the network.
INSTALL_DEADLINE = 300.0

#: Neither the checkout nor what a person has installed aside may be found.
CLEAN = {"PYTHONPATH": None, "PYTHONNOUSERSITE": "1"}

#: What is made in a checkout and is no part of it.
MADE = shutil.ignore_patterns(
    ".git", ".cache", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build",
    "dist", "_trial_temp*", "dropin.cache",
)  # fmt: skip


class InstallationTests(TestCase):
    """
    Tests for installing, and for the plugins of twistd.
    """

    timeout = 900

    @inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.processes = Processes(self)
        self.home = Path(self.mktemp()).absolute()
        self.source = self.home / "source"
        shutil.copytree(CHECKOUT, self.source, ignore=MADE)
        self.bin = self.home / "venv" / "bin"
        yield self.succeed(sys.executable, "-m", "venv", self.home / "venv")

    @inlineCallbacks
    def succeed(self, *command: Any, where: str = "work") -> Generator[Any, Any, Ended]:
        """
        Run a command in a directory without a trace of this project, unless
        another is given.

        @return: fires with its end, if it was a success.
        """
        child = self.processes.start(command, self.home / where, CLEAN)
        ended = yield child.ended(INSTALL_DEADLINE)
        self.assertEqual(ended.status, 0, f"{child.command}\n{ended.out}{ended.err}")
        return ended

    @inlineCallbacks
    def install(self, *what: Any) -> Generator[Any, Any, None]:
        """
        Install something with the pip that came with this Python.
        """
        yield self.succeed(self.bin / "pip", "install", "--quiet", *what)

    @inlineCallbacks
    def twistdFindsThePlugins(self) -> Generator[Any, Any, None]:
        """
        Check that twistd lists both plugins in a directory that was empty, and
        can load their options.
        """
        ended = yield self.succeed(self.bin / "twistd", "--help")
        for plugin in ("migrate-server", "migrate-client"):
            self.assertRegex(ended.out, rf"(?m)^ +{plugin} +\w")
            options = yield self.succeed(self.bin / "twistd", plugin, "--help")
            self.assertIn("--control", options.out)

    @inlineCallbacks
    def test_plain(self) -> Generator[Any, Any, None]:
        """
        After C{pip install .} twistd finds the plugins, and after removal
        no more.
        """
        yield self.install(self.source)
        shutil.rmtree(self.source)
        yield self.twistdFindsThePlugins()
        yield self.succeed(self.bin / "pip", "uninstall", "--yes", "txmigrate")
        ended = yield self.succeed(self.bin / "twistd", "--help")
        self.assertNotIn("migrate-", ended.out)

    @inlineCallbacks
    def test_editable(self) -> Generator[Any, Any, None]:
        """
        After C{pip install -e .} twistd finds the plugins, and the package is
        the checkout's own.
        """
        yield self.install("--editable", self.source)
        yield self.twistdFindsThePlugins()
        ask = "import migrate; print(migrate.__file__)"
        ended = yield self.succeed(self.bin / "python", "-c", ask)
        self.assertEqual(
            Path(ended.out.strip()).resolve(),
            (self.source / "migrate" / "__init__.py").resolve(),
        )

    @inlineCallbacks
    def test_release(self) -> Generator[Any, Any, None]:
        """
        The wheel, made of the source release, holds every module, the mark of
        a typed package and the plugins, and nothing that would hide Twisted's
        own packages; the source release holds what its tests need.
        """
        yield self.install("build")
        yield self.succeed(self.bin / "python", "-m", "build", where="source")
        (wheel,) = (self.source / "dist").glob("*.whl")
        (sdist,) = (self.source / "dist").glob("*.tar.gz")
        modules = {
            str(path.relative_to(self.source))
            for path in self.source.glob("migrate/**/*.py")
        }
        wanted = {*modules, "migrate/py.typed", "twisted/plugins/migrate_plugins.py"}
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
            (metadata,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
            described = email.message_from_bytes(archive.read(metadata))
        # Two are compiled, where there is a compiler.
        native = {name for name in names if "/_native." in name}
        packages = sorted(name.partition("/_native.")[0] for name in native)
        self.assertIn(packages, ([], ["migrate/adapters", "migrate/graph"]))
        self.assertEqual(names - native, wanted)
        self.assertEqual(described["Requires-Python"], ">=3.10")
        self.assertIn("conch", described.get_all("Provides-Extra", []))
        with tarfile.open(sdist) as archive:
            contents = {name.partition("/")[2] for name in archive.getnames()}
        tests = {f"tests/{path.name}" for path in self.source.glob("tests/*.py")}
        tests |= {
            str(path.relative_to(self.source))
            for path in self.source.glob("migrate/*/native/*")
        }
        beside = {
            "setup.py",
            "README.rst",
            "CHANGELOG.rst",
            "LICENSE",
            "Makefile",
            ".ci/run",
        }
        self.assertEqual((wanted | tests | beside) - contents, set())
        self.assertNotIn("twisted/__init__.py", contents)
        self.assertNotIn("twisted/plugins/__init__.py", contents)
