"""
Tests for L{migrate.adapters.ssh}.
"""

from __future__ import annotations

import gc
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from twisted.conch.manhole_ssh import ConchFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.ssh import ConnectionAdapter, FactoryAdapter, KeyAdapter
from migrate.errors import CannotMigrate, LoadError
from migrate.interfaces import IAdapter
from tests.adapting import Loading
from tests.inprocess import Move


def moved(obj: Any) -> Any:
    """
    @return: what C{obj} is after a move.
    """
    return Move([obj], Clock(), Clock()).go()[0]


class KeyTests(SynchronousTestCase):
    """
    L{KeyAdapter}
    """

    def test_interface(self) -> None:
        """
        All are adapters.
        """
        for adapter in (KeyAdapter(), FactoryAdapter("x"), ConnectionAdapter("y")):
            verifyObject(IAdapter, adapter)

    def test_kinds(self) -> None:
        """
        Keys of every kind sign as before, and their public ones know it.
        """
        for generated in (
            rsa.generate_private_key(65537, 2048),
            dsa.generate_private_key(1024),
            ec.generate_private_key(ec.SECP384R1()),
            ed25519.Ed25519PrivateKey.generate(),
        ):
            key = Key(generated)
            made = moved(key)
            self.assertEqual(made, key)
            self.assertFalse(made.isPublic())
            signature = made.sign(b"words")
            public = moved(key.public())
            self.assertTrue(public.isPublic())
            self.assertTrue(public.verify(signature, b"words"))

    def test_noKey(self) -> None:
        """
        What is no key is not loaded, and not told of.
        """
        for kind, blob in (("BLOB", b"secret"), ("PEM", b""), ("BLOB", None)):
            error = self.assertRaises(
                LoadError, KeyAdapter().make, Key, (kind, blob), Loading(Clock())
            )
            self.assertNotIn("secret", str(error))


class Shared(ConchFactory):
    """
    Has its keys where L{ConchFactory} has them: as attributes of the class.
    """


class FactoryTests(SynchronousTestCase):
    """
    L{FactoryAdapter}
    """

    def test_shared(self) -> None:
        """
        Host keys go along that are attributes of the class.
        """
        key = Key(ed25519.Ed25519PrivateKey.generate())
        Shared.privateKeys = {b"ssh-ed25519": key}  # type: ignore[dict-item]
        Shared.publicKeys = {}
        factory = Shared(None)
        made = moved(factory)
        self.assertEqual(vars(made)["privateKeys"], {b"ssh-ed25519": key})
        self.assertNotIn("privateKeys", vars(factory))
        self.assertEqual(moved(made).privateKeys, {b"ssh-ed25519": key})


class ConnectionTests(SynchronousTestCase):
    """
    L{ConnectionAdapter}
    """

    def test_refused(self) -> None:
        """
        A connection is in the way until it has ended.
        """
        protocol: Any = SSHServerTransport()
        transport: Any = StringTransport(peerAddress=IPv4Address("TCP", "::1", 22))
        protocol.transport = transport
        error = self.assertRaises(CannotMigrate, moved, protocol)
        self.assertIn("an SSH connection with ::1:22, whose ciphers", str(error))
        self.assertTrue(error.passing)
        self.assertFalse(error.over())
        transport.connected = False
        self.assertTrue(error.over())
        transport.connected = True
        transport.peerAddr = "/a/path"
        error = self.assertRaises(CannotMigrate, moved, protocol)
        self.assertIn("with /a/path,", str(error))
        (refusal,) = error.refusals
        assert refusal.over is not None
        del error, protocol
        gc.collect()
        self.assertTrue(refusal.over())
