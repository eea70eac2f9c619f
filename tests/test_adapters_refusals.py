"""
Tests for L{migrate.adapters.refusals}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import abstract
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import refusals
from migrate.errors import CannotMigrate
from migrate.graph.registry import Registry
from tests.inprocess import Move


class Serial(abstract.FileDescriptor):
    """
    A user's own descriptor.
    """


class RefusalTests(SynchronousTestCase):
    """
    L{refusals.register}
    """

    def refusal(self, cls: Any) -> str:
        """
        @return: what is said of an instance of C{cls}.
        """
        error = self.assertRaises(
            CannotMigrate, Move([cls.__new__(cls)], Clock(), Clock()).go
        )
        self.assertEqual(len(error.refusals), 1)
        return str(error)

    def test_descriptor(self) -> None:
        """
        A descriptor that no adapter knows is refused, and named.
        """
        said = self.refusal(Serial)
        self.assertIn("Serial", said)
        self.assertIn("register an adapter", said)

    def test_present(self) -> None:
        """
        What this installation lacks is no error.
        """
        self.assertIsNone(refusals.present("no.such.module", "Any"))
        self.assertIsNone(refusals.present("twisted.internet.process", "errno"))
        self.assertIs(refusals.present("builtins", "int"), int)

    def test_tls(self) -> None:
        """
        Where there is TLS, each of its parts is refused by name.
        """
        registry = Registry()
        refusals.register(registry)
        for module, name in (
            ("twisted.protocols.tls", "BufferingTLSTransport"),
            ("twisted.protocols.tls", "TLSMemoryBIOFactory"),
            ("twisted.internet._sslverify", "OpenSSLCertificateOptions"),
            ("OpenSSL.SSL", "Context"),
        ):
            found = refusals.present(module, name)
            named = registry.named(f"{module}.{name}")
            self.assertEqual(named is None, found is None)
