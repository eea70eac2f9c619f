"""
Twisted's mail server, moved while mail comes and while it is collected.

What C{twistd mail} builds is used as it is, but for the domain: the plugin's
maildir code mixes text and bytes on Python 3, so that neither C{--user} nor a
delivery nor a deletion works.  The service of these tests has a domain whose
files and names are bytes.  Relaying does not work there either, but for the
timer that looks for what is to be relayed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import freePort
from tests.transfers import TransferTestCase

SERVICE = """
import os

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.mail import mail, maildir, protocols, smtp, tap

SMTP, POP3, OPTIONS, TIMEOUT = {smtp}, {pop3}, {options}, {timeout}


class SMTPServer(smtp.SMTP):
    timeout = TIMEOUT


class POP3Server(protocols.VirtualPOP3):
    # No timestamp: APOP, which that would offer, compares text with bytes.
    magic = b"ready"


class Message(maildir.MaildirMessage):
    def eomReceived(self):
        self.finalName += b",S=%d" % self.size
        return mail.FileMessage.eomReceived(self)


class Mailbox(maildir.MaildirMailbox):
    def getMessage(self, i):
        return open(self.list[i], "rb")

    def deleteMessage(self, i):
        name = os.path.basename(self.list[i])
        trash = os.path.join(self.path, b".Trash", b"cur", name)
        os.rename(self.list[i], trash)
        self.deleted[self.list[i]] = trash
        self.list[i] = 0


class Domain(maildir.MaildirDirdbmDomain):
    def startMessage(self, user):
        directory = self.userDirectory(user.dest.local)
        name = maildir._generateMaildirName()
        written = os.path.join(directory, b"tmp", name)
        final = os.path.join(directory, b"new", name)
        return Message(bytes(user.dest), open(written, "wb"), written, final)

    def requestAvatar(self, avatarId, mind, *interfaces):
        found = super().requestAvatar(avatarId, mind, *interfaces)
        found[1].__class__ = Mailbox
        return found


def makeService():
    options = tap.Options()
    place = ":interface=127.0.0.1"
    smtp, pop3 = f"tcp:{{SMTP}}{{place}}", f"tcp:{{POP3}}{{place}}"
    options.parseOptions(["--smtp", smtp, "--pop3", pop3, *OPTIONS])
    checker = InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(b"joe", b"secret")
    options.service.smtpPortal.registerChecker(checker)
    domain = Domain(options.service, os.path.abspath("mail"))
    domain.addUser(b"joe", b"secret")
    options.service.addDomain(b"example.com", domain)
    service = tap.makeService(options)
    for each in service:
        factory = getattr(each, "factory", None)
        if isinstance(factory, protocols.POP3Factory):
            factory.protocol = POP3Server
        elif factory is not None and TIMEOUT:
            factory.protocol = SMTPServer
    return service
"""

#: What the clients here that are written in Python begin with: they say where
#: they are, and go on when they are told to.
STEPS = """
import sys

def pause(where):
    print(where, flush=True)
    sys.stdin.readline()

"""

SENDER = (
    STEPS
    + """
import smtplib

client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
client.helo("there")
client.mail("me@example.net")
pause("addressed")
client.rcpt("joe@example.com")
client.putcmd("data")
print(client.getreply()[0])
client.send(b"Subject: from a script\\r\\n\\r\\nhal")
pause("writing")
client.send(b"f\\r\\n.\\r\\n")
print(client.getreply())
pause("sent")
print(client.quit())
"""
)

COLLECTOR = (
    STEPS
    + """
import hashlib, poplib

client = poplib.POP3("127.0.0.1", int(sys.argv[1]))
client.user("joe@example.com")
client.pass_("secret")
pause("let in")
print(client.stat()[0])
client._putcmd("RETR 1")
client._getresp()
digest = hashlib.sha256()
lines = 0
while True:
    line = client._getline()[0]
    if line == b".":
        break
    digest.update(line + b"\\n")
    lines += 1
    if lines == 10000:
        pause("reading")
print(digest.hexdigest())
client.dele(1)
client.dele(2)
pause("deleted")
client.rset()
print(client.stat()[0])
client.dele(2)
pause("deleted again")
print(client.quit())
"""
)

#: More than sockets hold between them, in bytes.
LARGE = 20_000_000


def largeMessage(end: bytes) -> bytes:
    """
    @param end: what its lines end with.
    @return: a message with a body that is not the same everywhere.
    """
    noise = base64.b64encode(random.Random(2).randbytes(LARGE * 3 // 4))
    lines = [noise[at : at + 72] for at in range(0, len(noise), 72)]
    return end.join([b"Subject: large", b"", *lines, b""])


class MailTestCase(TransferTestCase):
    """
    Serves mail for joe@example.com.
    """

    @inlineCallbacks
    def serveMail(self, *options: str, timeout: float | None = None) -> Any:
        """
        Start the server.

        @param options: more of those of C{twistd mail}.
        @param timeout: how long it waits for a line of SMTP, in seconds, if not as long
            as ever.
        """
        self.smtp, self.pop3 = freePort(), freePort()
        self.joe = self.directory / "mail" / "joe"
        source = SERVICE.format(
            smtp=self.smtp, pop3=self.pop3, options=options, timeout=timeout
        )
        self.code("mailservice", source)
        yield self.serve("--service", "mail=mailservice.makeService")

    def delivered(self) -> list[bytes]:
        """
        @return: the mail in joe's box, without what was put before it.
        """
        files = sorted((self.joe / "new").iterdir())
        return [each.read_bytes().partition(b"\nSubject: ")[2] for each in files]

    @inlineCallbacks
    def mailing(self) -> Any:
        """
        @return: a connection on which a message for joe may begin.
        """
        client = yield self.processes.connect(self.smtp)
        yield client.expect(b"220 .*\r\n")
        for line in (
            b"HELO there",
            b"MAIL FROM:<me@example.net>",
            b"RCPT TO:<joe@example.com>",
        ):
            client.sendLine(line)
            yield client.expect(b"250 .*\r\n")
        return client

    @inlineCallbacks
    def writing(self) -> Any:
        """
        @return: a connection on which a message for joe has begun.
        """
        client = yield self.mailing()
        client.sendLine(b"DATA")
        yield client.expect(b"354 .*\r\n")
        return client


class DeliveryTests(MailTestCase):
    """
    Mail that comes.
    """

    @inlineCallbacks
    def test_message(self) -> Any:
        """
        Moved before the message, in its middle, in the middle of its last line
        and after it.
        """
        yield self.serveMail()
        client = yield self.mailing()
        yield self.move()
        client.sendLine(b"DATA")
        yield client.expect(b"354 .*\r\n")
        client.send(b"Subject: first\r\n\r\n..one\r\ntw")
        yield self.move()
        client.send(b"o\r\n.")
        yield self.move()
        self.assertEqual(self.delivered(), [])
        client.send(b"\r\n")
        yield client.expect(b"250 Delivery in progress\r\n")
        self.assertEqual(self.delivered(), [b"first\n\n.one\ntwo\n"])
        yield self.move()
        client.sendLine(b"QUIT")
        yield client.expect(b"221 .*\r\n")
        yield client.closed()

    @inlineCallbacks
    def test_lost(self) -> Any:
        """
        What was written of a message is removed by the process that serves
        when its sender is lost.
        """
        yield self.serveMail()
        client = yield self.writing()
        client.send(b"Subject: never\r\n\r\nhalf")
        written = self.joe / "tmp"
        yield self.move()
        yield self.move()
        self.assertEqual(len(list(written.iterdir())), 1)
        yield client.disconnect()
        yield self.processes.until(
            lambda: not list(written.iterdir()), "the removal of what was written"
        )
        self.assertEqual(self.delivered(), [])

    @inlineCallbacks
    def test_timeout(self) -> Any:
        """
        Who stops in the middle of a message is sent away by the process that
        serves then.
        """
        yield self.serveMail(timeout=4)
        client = yield self.writing()
        client.send(b"half a li")
        yield self.move()
        yield self.move()
        yield client.expect(b"421 .* Timeout. .*\r\n")
        yield client.closed()

    @inlineCallbacks
    def test_login(self) -> Any:
        """
        The challenge that somebody was given is the one that counts.
        """
        yield self.serveMail("--esmtp", "--hostname", "here")
        client = yield self.processes.connect(self.smtp)
        yield client.expect(b"220 .*\r\n")
        client.sendLine(b"EHLO there")
        yield client.expect(b"250 AUTH CRAM-MD5\r\n")
        yield self.move()
        client.sendLine(b"AUTH CRAM-MD5")
        challenge = yield client.expect(b"334 (.*)\r\n")
        proof = hmac.new(b"secret", base64.b64decode(challenge[1]), "md5").hexdigest()
        answer = base64.b64encode(b"joe " + proof.encode())
        client.send(answer[:7])
        yield self.move()
        client.sendLine(answer[7:])
        yield client.expect(b"235 .*\r\n")

    @inlineCallbacks
    def test_smtplib(self) -> Any:
        """
        A script sends a message, with a move after each step.
        """
        yield self.serveMail()
        sender = self.script(SENDER, str(self.smtp))
        for where in ("addressed", "writing", "sent"):
            yield sender.line(f"^{where}$")
            yield self.move()
            sender.write(b"\n")
        ended = yield sender.ended()
        self.assertEqual(ended.status, 0, ended.err)
        self.assertEqual(self.delivered(), [b"from a script\n\nhalf\n"])
        swaks = self.program(
            "swaks",
            *("--server", f"127.0.0.1:{self.smtp}", "--helo", "there"),
            *("--from", "me@example.net", "--to", "joe@example.com"),
            *("--data", "Subject: from swaks\\n\\nbody"),
        )
        ended = yield swaks.ended()
        self.assertEqual(ended.status, 0, ended.out)
        self.assertIn(b"from swaks\n\nbody\n", self.delivered())

    @inlineCallbacks
    def test_curl(self) -> Any:
        """
        curl brings a large message.
        """
        yield self.serveMail()
        (self.directory / "message").write_bytes(largeMessage(b"\r\n"))
        curl = self.program(
            "curl",
            *("-sS", "--limit-rate", "16M", "-T", "message"),
            *("--mail-from", "me@example.net", "--mail-rcpt", "joe@example.com"),
            f"smtp://127.0.0.1:{self.smtp}/there",
        )
        temporary = self.joe / "tmp"

        def written() -> int:
            return sum(each.stat().st_size for each in temporary.iterdir())

        yield self.meanwhile(curl, written, LARGE)
        (message,) = self.delivered()
        self.assertEqual(b"Subject: " + message, largeMessage(b"\n"))


class CollectionTests(MailTestCase):
    """
    Mail that is collected.
    """

    @inlineCallbacks
    def serveLarge(self) -> Any:
        """
        Serve a box with a large message and a small one.
        """
        yield self.serveMail()
        (self.joe / "new" / "1").write_bytes(largeMessage(b"\n"))
        (self.joe / "new" / "2").write_bytes(b"Subject: small\n\nhello\n")

    @inlineCallbacks
    def test_poplib(self) -> Any:
        """
        A script takes and deletes messages, with a move after each step.
        """
        yield self.serveLarge()
        collector = self.script(COLLECTOR, str(self.pop3))
        seen = 0
        for where in ("let in", "reading", "deleted", "deleted again"):
            yield collector.line(f"^{where}$", after=seen)
            seen = len(collector.lines)
            yield self.move()
            collector.write(b"\n")
        ended = yield collector.ended()
        self.assertEqual(ended.status, 0, ended.err)
        digest = hashlib.sha256(largeMessage(b"\n")).hexdigest()
        self.assertIn(digest, collector.lines)
        left = [each.name for each in (self.joe / "new").iterdir()]
        self.assertEqual(left, ["1"])

    @inlineCallbacks
    def test_curl(self) -> Any:
        """
        curl takes a large message.
        """
        yield self.serveLarge()
        curl = self.program(
            "curl",
            *("-sS", "--limit-rate", "16M", "-o", "got"),
            f"pop3://joe%40example.com:secret@127.0.0.1:{self.pop3}/1",
        )
        got = self.directory / "got"

        def taken() -> int:
            return got.stat().st_size if got.exists() else 0

        yield self.meanwhile(curl, taken, LARGE)
        self.assertEqual(got.read_bytes(), largeMessage(b"\r\n"))


class RelayTests(MailTestCase):
    """
    Mail for elsewhere.
    """

    @inlineCallbacks
    def test_timer(self) -> Any:
        """
        The process that serves looks for what is to be relayed.
        """
        yield self.serveMail("--relay", "queue")
        yield self.move()
        yield self.move()
        (self.directory / "queue" / "message-H").write_bytes(b"")
        (self.directory / "queue" / "message-D").write_bytes(b"")
        yield self.server.line("Set message waiting")
