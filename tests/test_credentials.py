"""
Who may claim: the kernel's word, and a login that both sides prove.
"""

from __future__ import annotations

import os
import pwd
import socket
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.cred.checkers import (
    FilePasswordDB,
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import IUsernameHashedPassword, IUsernamePassword
from twisted.cred.strcred import makeChecker
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate import credentials, login, scram
from migrate.errors import (
    ControlError,
    LocalProtocolError,
    MigrationError,
    NotTrusted,
    RemoteProtocolError,
)
from migrate.saslprep import prepare

BOUND = b"what the two sides said to each other"


def memory(**users: bytes) -> InMemoryUsernamePasswordDatabaseDontUse:
    """
    @return: a checker that knows these passwords.
    """
    return InMemoryUsernamePasswordDatabaseDontUse(**users)


def fast(*checkers: Any, binding: bytes = BOUND, **more: Any) -> login.ScramServer:
    """
    @return: a server that asks for as little work as clients accept.
    """
    return login.ScramServer(
        list(checkers), binding=binding, iterations=scram.MIN_ITERATIONS, **more
    )


class PeerTests(SynchronousTestCase):
    """
    What the kernel says.
    """

    def test_own(self) -> None:
        """
        The other end of a pair is this process.
        """
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        self.assertEqual(
            credentials.peerCredentials(left),
            credentials.PeerCredentials(os.getpid(), os.geteuid(), os.getegid()),
        )

    def test_otherSocket(self) -> None:
        """
        Of a network's socket the kernel knows nothing, and a login is told of.
        """
        with socket.socket() as sock:
            error = self.assertRaises(NotTrusted, credentials.peerCredentials, sock)
        self.assertIn("--auth", str(error))

    def test_closed(self) -> None:
        """
        A socket that cannot be asked is nobody's.
        """
        sock = socket.socket(socket.AF_UNIX)
        sock.close()
        self.assertRaises(NotTrusted, credentials.peerCredentials, sock)


class PolicyTests(SynchronousTestCase):
    """
    Whom that permits.
    """

    def peer(self, uid: int) -> credentials.PeerCredentials:
        """
        @return: a process of that user.
        """
        return credentials.PeerCredentials(77, uid, 0)

    def test_default(self) -> None:
        """
        The own user and root are trusted, and nobody else.
        """
        policy = credentials.UserPolicy()
        self.assertEqual(policy.allowed, {os.geteuid(), 0})
        policy.check(self.peer(os.geteuid()))
        policy.check(self.peer(0))
        self.assertRaises(NotTrusted, policy.check, self.peer(os.geteuid() + 1))

    def test_refusal(self) -> None:
        """
        A refusal says who it was, who is trusted, and the option to change
        that.
        """
        policy = credentials.UserPolicy(frozenset({0}))
        error = self.assertRaises(NotTrusted, policy.check, self.peer(1))
        name = pwd.getpwuid(1).pw_name
        root = pwd.getpwuid(0).pw_name
        for part in ("process 77", f"{name} (uid 1)", f"{root} (uid 0)"):
            self.assertIn(part, str(error))
        self.assertIn(f"--peer {name} ", str(error))

    def test_nameless(self) -> None:
        """
        A user without a name is called by number, which the option takes.
        """
        policy = credentials.UserPolicy(frozenset({0}))
        uid = 4_000_000_001
        error = self.assertRaises(NotTrusted, policy.check, self.peer(uid))
        self.assertIn(f"--peer {uid} ", str(error))
        credentials.UserPolicy.fromNames([str(uid)]).check(self.peer(uid))

    def test_names(self) -> None:
        """
        Users are added by name.
        """
        policy = credentials.UserPolicy.fromNames([pwd.getpwuid(1).pw_name])
        self.assertEqual(policy.allowed, {os.geteuid(), 0, 1})

    def test_unknownName(self) -> None:
        """
        A name that is nobody's is an error that says it.
        """
        for name in ("no such user", "-1", "²", str(1 << 32), ""):
            error = self.assertRaises(
                ControlError, credentials.UserPolicy.fromNames, [name]
            )
            self.assertIn(f"--peer {name}:", str(error))


class VectorTests(SynchronousTestCase):
    """
    The example of RFC 7677, section 3.
    """

    nonce = "rOprNGfwEbeRWgbNEkqO"
    more = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    clientFirst = f"n,,n=user,r={nonce}"
    serverFirst = f"r={nonce}{more},s={salt},i=4096"
    clientFinal = f"c=biws,r={nonce}{more},p={proof}"
    serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    def client(self, password: str = "pencil") -> scram.ScramClient:
        """
        @return: the example's client.
        """
        return scram.ScramClient("user", password, nonceSource=lambda: self.nonce)

    def test_client(self) -> None:
        """
        The client says what it says there.
        """
        client = self.client()
        self.assertEqual(client.first(), self.clientFirst)
        self.assertEqual(client.prove(self.serverFirst), self.clientFinal)
        self.assertIsInstance(client.verify(self.serverFinal), scram.Session)

    def test_server(self) -> None:
        """
        So does the server.
        """
        server = fast(
            memory(user=b"pencil"),
            binding=b"",
            nonceSource=lambda: self.more,
            saltSource=lambda size: scram.decode64(self.salt),
        )
        self.assertEqual(server.challenge("user", self.clientFirst), self.serverFirst)
        accepted = self.successResultOf(server.verify(self.clientFinal))
        self.assertEqual(accepted.serverFinal, self.serverFinal)


class LoginTests(SynchronousTestCase):
    """
    A client and a server.
    """

    def attempt(
        self,
        server: login.ScramServer,
        user: str = "alice",
        password: str | bytes = "sesame",
        binding: bytes = BOUND,
    ) -> tuple[login.Accepted, scram.Session]:
        """
        Log in.

        @return: what either side has of it.
        """
        client = scram.ScramClient(user, password, binding)
        final = client.prove(server.challenge(user, client.first()))
        outcome = server.verify(final)
        failures: list[Any] = []
        outcome.addErrback(failures.append)
        if failures:
            failures[0].raiseException()
        accepted = self.successResultOf(outcome)
        return accepted, client.verify(accepted.serverFinal)

    def test_keys(self) -> None:
        """
        Both sides have the same keys: one for each direction, and others in
        each login.
        """
        seen = set()
        for _ in range(3):
            accepted, session = self.attempt(fast(memory(alice=b"sesame")))
            self.assertEqual(accepted.user, b"alice")
            self.assertEqual(accepted.toServer, session.toServer)
            self.assertEqual(accepted.toClient, session.toClient)
            seen |= {session.toServer, session.toClient}
        self.assertEqual(len(seen), 6)
        self.assertEqual({len(key) for key in seen}, {32})

    def test_wrongPasswordAndUnknownUser(self) -> None:
        """
        They look the same, in words and in work.
        """
        told = []
        server = fast(memory(alice=b"sesame", bob=b"x"))
        error = self.assertRaises(NotTrusted, self.attempt, server, "alice", "Sesame")
        told.append(str(error).replace("alice", "USER"))
        server = fast(memory(bob=b"x"))
        error = self.assertRaises(NotTrusted, self.attempt, server, "alice")
        told.append(str(error).replace("alice", "USER"))
        self.assertEqual(told[0], told[1])
        self.assertIn("no such user", told[0])

    def test_noSecretInErrors(self) -> None:
        """
        No password is in an error or a representation.
        """
        client = scram.ScramClient("alice", "topsecret", BOUND)
        server = fast(memory(alice=b"othersecret"))
        shown = [repr(client), repr(server)]
        final = client.prove(server.challenge("alice", client.first()))
        shown += [repr(client), repr(server)]
        failure = self.failureResultOf(server.verify(final), NotTrusted)
        shown += [str(failure.value), failure.getTraceback()]
        proven = scram.Secrets.derive("topsecret", b"12345678", 4096)
        shown += [repr(proven), repr(proven.session(b""))]
        shown.append(repr(login.ScramCredentials(b"a", b"topsecret", b"", b"", 1)))
        for text in shown:
            self.assertNotIn("secret", text.replace("Secrets", ""))

    def test_severalCheckers(self) -> None:
        """
        Checkers are asked in turn, and those that cannot do it are left out.
        """
        server = fast(makeChecker("unix"), memory(bob=b"x"), memory(alice=b"sesame"))
        self.assertEqual(len(server.checkers), 2)
        accepted, _ = self.attempt(server)
        self.assertEqual(accepted.user, b"alice")

    def test_strcred(self) -> None:
        """
        Checkers work as strcred's option makes them.
        """
        path = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(b"bob:x\nalice:sesame\n")
        for description in (f"file:{path}", "memory:alice:sesame"):
            accepted, _ = self.attempt(fast(makeChecker(description)))
            self.assertEqual(accepted.user, b"alice")

    def test_missingFile(self) -> None:
        """
        A password file that is not there lets nobody in.
        """
        server = fast(FilePasswordDB(self.mktemp()))
        self.assertRaises(NotTrusted, self.attempt, server)

    def test_onlyHashes(self) -> None:
        """
        Checkers that would have to be told the password are refused at once,
        with what to use instead.
        """
        hashed = FilePasswordDB(self.mktemp(), hash=lambda *_: b"")
        for checkers in ([], [makeChecker("unix")], [hashed]):
            error = self.assertRaises(NotTrusted, credentials.usableCheckers, checkers)
            self.assertIn("--auth file:", str(error))
            self.assertRaises(NotTrusted, login.ScramServer, checkers)

    def test_slowChecker(self) -> None:
        """
        A checker may take its time; one that fails is no refusal.
        """
        answer: Deferred[Any] = Deferred()

        @implementer(ICredentialsChecker)
        class Slow:
            credentialInterfaces = (IUsernameHashedPassword,)

            def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
                return answer.addCallback(
                    lambda password: credentials.checkPassword(password) and b"a"
                )

        for outcome in (b"sesame", ZeroDivisionError()):
            server = fast(Slow())
            client = scram.ScramClient("alice", "sesame", BOUND)
            final = client.prove(server.challenge("alice", client.first()))
            result = server.verify(final)
            self.assertNoResult(result)
            if isinstance(outcome, bytes):
                answer.callback(outcome)
                accepted = self.successResultOf(result)
                client.verify(accepted.serverFinal)
            else:
                answer.errback(outcome)
                self.failureResultOf(result, ZeroDivisionError)
            answer = Deferred()

    def test_checkerThatAsksNobody(self) -> None:
        """
        A checker that lets everyone in without a look at the password does
        not make a login: there would be no keys.
        """

        @implementer(ICredentialsChecker)
        class Open:
            credentialInterfaces = (IUsernameHashedPassword,)

            def requestAvatarId(self, credentials: Any) -> Any:
                return credentials.username

        self.assertRaises(NotTrusted, self.attempt, fast(Open()))

    def test_work(self) -> None:
        """
        Each checker costs one derivation, whether it has the user or not.
        """
        done: list[str] = []

        @attrs.define
        class Counting(login.ScramCredentials):
            def checkPassword(self, password: bytes) -> bool:
                done.append("check")
                return super().checkPassword(password)

            def waste(self) -> None:
                done.append("waste")
                super().waste()

        def attempt(*checkers: Any) -> list[str]:
            done.clear()
            server = fast(*checkers, credentialsFactory=Counting)
            self.assertRaises(NotTrusted, self.attempt, server)
            return list(done)

        known, unknown = memory(alice=b"x"), memory(bob=b"x")
        self.assertEqual(attempt(known, unknown), ["check", "waste"])
        self.assertEqual(attempt(unknown, unknown), ["waste", "waste"])

    def test_credentials(self) -> None:
        """
        What the checkers are given is what they are for.
        """
        given = login.ScramCredentials(b"a", bytes(32), b"", b"12345678", 4096)
        verifyObject(IUsernameHashedPassword, given)
        self.assertFalse(IUsernamePassword.providedBy(given))
        self.assertFalse(given.checkPassword(b"x"))
        self.assertIsNone(given.proven)


class PreparationTests(SynchronousTestCase):
    """
    Names and passwords in several forms.
    """

    def test_vectors(self) -> None:
        """
        The examples of RFC 4013.
        """
        for given_, expected in (
            ("I\u00adX", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u00aa", "a"),
            ("\u2168", "IX"),
            ("a\u00a0b", "a b"),
        ):
            self.assertEqual(prepare(given_), expected)

    def test_withoutForm(self) -> None:
        """
        What SASLprep prohibits stays as it is.
        """
        for text in ("\u0007", "\u06271", "\U0001f40d", "\u00ad", "", "\u0627a\u0627"):
            self.assertEqual(prepare(text), text)
        self.assertEqual(prepare("\u0627\u0628"), "\u0627\u0628")

    def test_passwords(self) -> None:
        """
        One password, typed in another form, is the same; any bytes are one.
        """
        self.assertEqual(scram.octets("pass\u00adword"), b"password")
        self.assertEqual(scram.octets(b"\xff\xfe"), b"\xff\xfe")
        self.assertEqual(scram.octets("\udcff"), b"\xff")
        accepted, session = LoginTests().attempt(
            fast(memory(alice="ⅸ\U0001f40d".encode())), password="ⅸ\U0001f40d"
        )
        self.assertEqual(accepted.toClient, session.toClient)

    @given(st.text(min_size=1))
    def test_names(self, name: str) -> None:
        """
        Any name can be said.
        """
        self.assertEqual(scram.unescapeName(scram.escapeName(name)), name)
        self.assertNotIn(",", scram.escapeName(name))


class HostileTests(SynchronousTestCase):
    """
    What somebody in between, or at the other end, may try.
    """

    def begun(
        self, binding: bytes = BOUND
    ) -> tuple[scram.ScramClient, login.ScramServer, str]:
        """
        @return: both sides, and the server's challenge.
        """
        client = scram.ScramClient("alice", "sesame", binding)
        server = fast(memory(alice=b"sesame"))
        return client, server, server.challenge("alice", client.first())

    def test_otherGreeting(self) -> None:
        """
        Two sides that were told different greetings do not come together.
        """
        client, server, challenge = self.begun(BOUND + b"?")
        outcome = server.verify(client.prove(challenge))
        error = self.failureResultOf(outcome, NotTrusted).value
        self.assertIn("somebody in between", str(error))

    def test_forgedBinding(self) -> None:
        """
        Nor can the field be changed into what the server expects.
        """
        client, server, challenge = self.begun(BOUND + b"?")
        final = client.prove(challenge).replace(
            scram.bindingAttribute(BOUND + b"?"), scram.bindingAttribute(BOUND)
        )
        error = self.failureResultOf(server.verify(final), NotTrusted).value
        self.assertIn("password is wrong", str(error))

    def test_bindingLeftOut(self) -> None:
        """
        A login without the binding is not taken.
        """
        client = scram.ScramClient("alice", "sesame")
        server = fast(memory(alice=b"sesame"))
        for start in (client.first(), "n=alice,r=" + "n" * 32, "y,,n=a,r=b", ""):
            server = fast(memory(alice=b"sesame"))
            self.assertRaises(RemoteProtocolError, server.challenge, "alice", start)

    def test_replayed(self) -> None:
        """
        A login that was listened to is worth nothing the next time.
        """
        client = scram.ScramClient("alice", "sesame", BOUND)
        first = client.first()
        server = fast(memory(alice=b"sesame"))
        final = client.prove(server.challenge("alice", first))
        self.successResultOf(server.verify(final))
        self.assertRaises(RemoteProtocolError, server.verify, final)
        self.assertRaises(RemoteProtocolError, server.challenge, "alice", first)
        again = fast(memory(alice=b"sesame"))
        again.challenge("alice", first)
        self.failureResultOf(again.verify(final), RemoteProtocolError)

    def test_replayedWithTheNonce(self) -> None:
        """
        Nor is its proof, put under the new nonce.
        """
        client, server, challenge = self.begun()
        old = client.prove(challenge)
        self.successResultOf(server.verify(old))
        _, proof = old.split(",p=")
        client, server, challenge = self.begun()
        new, _ = client.prove(challenge).split(",p=")
        self.failureResultOf(server.verify(f"{new},p={proof}"), NotTrusted)

    def test_proofs(self) -> None:
        """
        Proofs that are none are refused.
        """
        for proof, error in (
            (scram.encode64(bytes(32)), NotTrusted),
            (scram.encode64(bytes(31)), RemoteProtocolError),
            ("", RemoteProtocolError),
            ("é", RemoteProtocolError),
            ("=", RemoteProtocolError),
        ):
            client, server, challenge = self.begun()
            bare, _ = client.prove(challenge).split(",p=")
            self.failureResultOf(server.verify(f"{bare},p={proof}"), error)
        for final in ("", ",p=", "c=a,r=b", "r=b,c=a,p=x", "c=a,p=x"):
            _, server, _ = self.begun()
            self.failureResultOf(server.verify(final), RemoteProtocolError)

    def test_beginnings(self) -> None:
        """
        Beginnings that are none are refused.
        """
        header = scram.gs2Header(BOUND)
        nonce = "n" * scram.MIN_NONCE
        fast(memory(a=b"")).challenge("a", f"{header}n=a,r={nonce},x=more")
        for bare in (
            f"n=b,r={nonce}",
            f"n=a,r={nonce[1:]}",
            f"n=a,r={nonce}é",
            f"n=a,r={nonce} ",
            f"n=,r={nonce}",
            f"n=a=41,r={nonce}",
            f"m=x,n=a,r={nonce}",
            f"r={nonce},n=a",
            "n=a",
            "",
        ):
            server = fast(memory(a=b""))
            self.assertRaises(RemoteProtocolError, server.challenge, "a", header + bare)

    def test_challenges(self) -> None:
        """
        A server that would have the client give its password away, or work
        for ever, gets no proof.
        """
        salt = scram.encode64(bytes(16))
        more = "m" * scram.MIN_NONCE
        for make, error in (
            (lambda own: f"r={own}{more},s={salt},i=4095", NotTrusted),
            (lambda own: f"r={own}{more},s=AAAA,i=4096", NotTrusted),
            (lambda own: f"r={own}{more},s={salt},i=1000001", NotTrusted),
            (lambda own: f"r={more}{own},s={salt},i=4096", NotTrusted),
            (lambda own: f"r={own},s={salt},i=4096", RemoteProtocolError),
            (lambda own: f"r={own}{more},s={salt},i=0", RemoteProtocolError),
            (lambda own: f"r={own}{more},s={salt},i=-5000", RemoteProtocolError),
            (
                lambda own: f"r={own}{more},s={salt},i=" + "9" * 5000,
                RemoteProtocolError,
            ),
            (lambda own: f"r={own}{more},s={salt}", RemoteProtocolError),
            (lambda own: f"r={own}{more},s=?,i=4096", RemoteProtocolError),
            (lambda own: f"m=x,r={own}{more},s={salt},i=4096", RemoteProtocolError),
            (lambda own: "", RemoteProtocolError),
        ):
            client = scram.ScramClient("alice", "sesame", nonceSource=lambda: "o" * 32)
            client.first()
            self.assertRaises(error, client.prove, make("o" * 32))

    def test_serverWithoutThePassword(self) -> None:
        """
        A server that accepts anything is found out.
        """
        for answer, error in (
            (f"v={scram.encode64(bytes(32))}", NotTrusted),
            ("v=", NotTrusted),
            ("e=other-error", RemoteProtocolError),
            ("v=é", RemoteProtocolError),
            ("", RemoteProtocolError),
        ):
            client, _, challenge = self.begun()
            client.prove(challenge)
            self.assertRaises(error, client.verify, answer)

    def test_order(self) -> None:
        """
        The steps are taken once each, in their order.
        """
        client = scram.ScramClient("alice", "sesame", BOUND)
        server = fast(memory(alice=b"sesame"))
        self.assertRaises(LocalProtocolError, client.prove, "")
        self.assertRaises(LocalProtocolError, client.verify, "")
        self.assertRaises(RemoteProtocolError, server.verify, "")
        challenge = server.challenge("alice", client.first())
        self.assertRaises(LocalProtocolError, client.first)
        final = client.prove(challenge)
        self.assertRaises(LocalProtocolError, client.prove, challenge)
        accepted = self.successResultOf(server.verify(final))
        client.verify(accepted.serverFinal)
        self.assertRaises(LocalProtocolError, client.verify, accepted.serverFinal)

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_noise(self, user: str, text: str) -> None:
        """
        Whatever is said, only errors of this package come out.
        """
        header = scram.gs2Header(BOUND)
        for first in (text, header + text):
            try:
                fast(memory(a=b"")).challenge(user, first)
            except MigrationError:
                continue
        client = scram.ScramClient("alice", "sesame", nonceSource=lambda: "o" * 32)
        client.first()
        self.assertRaises(MigrationError, client.prove, text)

    def test_nonces(self) -> None:
        """
        No nonce comes twice, and each is one that the other side takes.
        """
        nonces = {scram.makeNonce() for _ in range(100)}
        self.assertEqual(len(nonces), 100)
        for nonce in nonces:
            scram.checkNonce(nonce)
