"""
The primary stream: the messages of the conversation, and the frames that they
travel in.  Bytes in, messages out, and the reverse.

A frame is a 4 byte big-endian length and that many bytes: one message in
MessagePack.  After a login, each frame ends in a 32 byte HMAC-SHA256 over its
number and its message, under a key that is good for one direction of one
conversation: a frame that was altered, injected, repeated, left out, put
elsewhere or turned back to its sender is refused.  It is not encrypted; an
endpoint that is (C{tls:}) does that.

It must not know any reactor or socket, nor when which message is allowed.
"""

from __future__ import annotations

import hmac
import operator
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from hashlib import sha256

import attrs
import msgspec

from migrate.errors import (
    LocalProtocolError,
    MalformedFrame,
    MemoryShortage,
)
from migrate.messages import (
    MAX_REASON,
    MESSAGES,
    PROTOCOL,
    Adopted,
    Answer,
    Attach,
    Attached,
    Check,
    Claim,
    Commit,
    End,
    Failed,
    Hello,
    List,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
    LoginStart,
    Manifest,
    Message,
    Name,
    NamesPart,
    Prepared,
    Question,
    Ready,
    Records,
    Refused,
    Rehearsed,
    Report,
    Role,
    Rollback,
    Services,
    ServiceStatus,
    Try,
    Waiting,
    Welcome,
)

__all__ = [
    "AUTHENTICATOR",
    "CHUNK",
    "MAX_FRAME",
    "MAX_GREETING",
    "MAX_NAMES",
    "MAX_REASON",
    "MESSAGES",
    "NAMES_BYTES",
    "PROTOCOL",
    "Adopted",
    "Answer",
    "Attach",
    "Attached",
    "Check",
    "Claim",
    "Commit",
    "End",
    "Failed",
    "FrameReader",
    "FrameWriter",
    "Hello",
    "List",
    "LoginAccepted",
    "LoginChallenge",
    "LoginProof",
    "LoginStart",
    "Manifest",
    "Message",
    "Name",
    "NamesPart",
    "Prepared",
    "Question",
    "Ready",
    "Records",
    "Refused",
    "Rehearsed",
    "Report",
    "Role",
    "Rollback",
    "ServiceStatus",
    "Services",
    "Try",
    "Waiting",
    "Welcome",
    "decode",
    "encode",
    "explain",
    "manifest",
    "slices",
]

MAX_FRAME = 4 * 1024 * 1024
"""
Bytes that a message may have once the peer is trusted.
"""

MAX_GREETING = 64 * 1024
"""
Bytes that a message may have before the peer is trusted.
"""

MAX_NAMES = 1_000_000
"""
Names that one manifest may have, over all of its frames.
"""

NAMES_BYTES = 256 * 1024
"""
Bytes of names, about, that one frame of a manifest carries.
"""

CHUNK = 1024 * 1024
"""
Bytes that one L{Records} should carry at most.
"""

AUTHENTICATOR = 32
"""
Bytes of a frame's HMAC-SHA256.
"""

_HEADER = struct.Struct("!I")
_SEQUENCE = struct.Struct("!Q")

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(
    reduce(operator.or_, MESSAGES)
)

_BOUNDARIES = (LoginProof, LoginAccepted)
"""
What these follow is another frame format: nothing may be read as the old one.
"""


def encode(message: Message) -> bytes:
    """
    Write a message down, without a frame.

    @return: at most L{MAX_FRAME} bytes.
    @raise LocalProtocolError: it is longer, or has text that is no Unicode.
    """
    try:
        payload = _encoder.encode(message)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(
            f"{type(message).__name__} holds text that cannot be sent: "
            f"{error.object[:80]!a}"
        ) from error
    if len(payload) > MAX_FRAME:
        raise LocalProtocolError(
            f"{type(message).__name__} has {len(payload)} bytes; "
            f"a frame takes {MAX_FRAME}"
        )
    return payload


def decode(payload: bytes) -> Message:
    """
    The reverse of L{encode}.

    @raise MalformedFrame: it is no message of this protocol.
    """
    try:
        return _decoder.decode(payload)
    except (ValueError, RecursionError) as error:
        raise MalformedFrame(f"no message: {str(error)[:200]!a}") from error


def explain(text: str) -> str:
    """
    Make any text fit for a C{reason}: what is no Unicode is escaped, and what
    is too long loses its middle.

    @return: at most L{MAX_REASON} characters.
    """
    sane = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(sane) <= MAX_REASON:
        return sane
    gap = f" [... {len(sane) - MAX_REASON} characters left out ...] "
    half = (MAX_REASON - len(gap)) // 2
    return sane[:half] + gap + sane[-half:]


def manifest(
    service: str,
    names: Iterable[Name],
    descriptors: int,
    objects: int,
    resources: Iterable[str] = (),
    size: int = 0,
    history: Mapping[str, object] | None = None,
) -> Iterator[NamesPart | Manifest]:
    """
    Write a manifest of any length.

    @param size: about how many bytes of records will come; 0 if nobody knows.
    @param history: what has become of the origin's services so far.
    @return: the messages to send, in their order; the last one, and only that,
        is the L{Manifest}.
    @raise LocalProtocolError: there are more than L{MAX_NAMES} names, or one
        that no frame takes.
    """
    part: list[Name] = []
    length = 0
    for total, (module, qualname) in enumerate(names, 1):
        if total > MAX_NAMES:
            raise LocalProtocolError(f"a manifest takes {MAX_NAMES} names at most")
        part.append((module, qualname))
        # Four bytes a character is as long as UTF-8 gets.
        length += 4 * (len(module) + len(qualname)) + 11
        if length > NAMES_BYTES:
            yield NamesPart(part)
            part, length = [], 0
    told = dict(history or {})
    yield Manifest(service, part, descriptors, objects, list(resources), size, told)


def slices(chunk: bytes) -> Iterator[Records]:
    """
    @return: the messages that carry a piece of a graph, of any size.
    """
    view = memoryview(chunk)
    for start in range(0, len(view), CHUNK):
        yield Records(bytes(view[start : start + CHUNK]))


def _authenticator(key: bytes, sequence: int, payload: bytes) -> bytes:
    """
    The direction is in the key: each has its own.

    @param sequence: how many frames the key has been used for.
    """
    digest = hmac.new(key, _SEQUENCE.pack(sequence), sha256)
    digest.update(payload)
    return digest.digest()


@attrs.define
class FrameWriter:
    """
    Makes the frames of one direction of a conversation.

    @ivar key: authenticates every frame, or is L{None}.
    @ivar greeting: the SHA-256 of the first message, once there was one; a
        login binds it.
    """

    key: bytes | None = attrs.field(default=None, repr=False)
    greeting: bytes | None = attrs.field(default=None, init=False, repr=False)
    _sequence: int = attrs.field(default=0, init=False)

    def secure(self, key: bytes) -> None:
        """
        Authenticate all frames from here on.

        @param key: that of this direction, used for nothing else.
        @raise LocalProtocolError: there is a key already.
        """
        if self.key is not None:
            raise LocalProtocolError("these frames are authenticated already")
        self.key = key
        self._sequence = 0

    def frame(self, message: Message) -> bytes:
        """
        @return: the bytes to send.
        @raise LocalProtocolError: see L{encode}.
        """
        payload = encode(message)
        if self.greeting is None:
            self.greeting = sha256(payload).digest()
        tail = b""
        if self.key is not None:
            tail = _authenticator(self.key, self._sequence, payload)
            self._sequence += 1
        return _HEADER.pack(len(payload) + len(tail)) + payload + tail


@attrs.define
class FrameReader:
    """
    Takes the frames of one direction of a conversation apart.

    @ivar key: authenticates every frame, or is L{None}.
    @ivar limit: bytes that a message may have: L{MAX_GREETING}, until the
        owner raises it to L{MAX_FRAME} because it trusts the peer.
    @ivar greeting: the SHA-256 of the first message, once there was one.
    """

    key: bytes | None = attrs.field(default=None, repr=False)
    limit: int = MAX_GREETING
    greeting: bytes | None = attrs.field(default=None, init=False, repr=False)
    _sequence: int = attrs.field(default=0, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _held: bool = attrs.field(default=False, init=False)
    _broken: str | None = attrs.field(default=None, init=False)

    def secure(self, key: bytes) -> list[Message]:
        """
        Authenticate all frames from here on.  To be called between two feeds,
        once the login was verified.

        @param key: that of this direction, used for nothing else.
        @return: the messages that came right behind the login's last one.
        @raise MalformedFrame: what came behind it is not authentic.
        @raise LocalProtocolError: there is a key already.
        """
        if self.key is not None:
            raise LocalProtocolError("these frames are authenticated already")
        self.key = key
        self._sequence = 0
        self._held = False
        return self.feed(b"")

    def feed(self, data: bytes) -> list[Message]:
        """
        Take what came, in whatever pieces.

        What comes behind a L{LoginProof} or a L{LoginAccepted} is held back
        until L{secure}: it is to be authenticated.

        @return: the messages that are complete now.
        @raise MalformedFrame: a frame is too long, not authentic, or no
            message.  Nothing that came in the same piece is delivered, and
            every later call raises it again.
        @raise MemoryShortage: there is no memory for what came; what has come
            is lost, as with the other.
        """
        if self._broken is not None:
            raise MalformedFrame(self._broken)
        try:
            self._buffer += data
            return self._messages()
        except MemoryError:
            self._buffer = bytearray()
            self._broken = "there is not enough memory for what the other side sends"
            raise MemoryShortage(self._broken) from None
        except MalformedFrame as error:
            self._broken = str(error)
            self._buffer = bytearray()
            raise

    @property
    def partial(self) -> bool:
        """
        Whether bytes came that no message was made of yet: an end of the
        stream now cuts a frame in two.
        """
        return bool(self._buffer)

    def _messages(self) -> list[Message]:
        """
        Take all complete frames off the buffer, which moves what is left of
        it once for all of them.
        """
        messages: list[Message] = []
        start = 0
        while not self._held:
            end = self._end(start)
            if end is None:
                break
            message = self._open(bytes(memoryview(self._buffer)[start + 4 : end]))
            messages.append(message)
            self._held = self.key is None and isinstance(message, _BOUNDARIES)
            start = end
        del self._buffer[:start]
        self._checkHeld()
        return messages

    def _checkHeld(self) -> None:
        """
        The peer has to wait for an answer, so a frame or two is all that can
        be behind a login's message.
        """
        if self._held and len(self._buffer) > MAX_GREETING:
            raise MalformedFrame(
                f"more than {MAX_GREETING} bytes came before the login was done"
            )

    def _end(self, start: int) -> int | None:
        """
        @return: where the frame that begins at C{start} ends, or L{None} if
            it is not there yet.
        """
        if len(self._buffer) - start < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(self._buffer, start)
        extra = 0 if self.key is None else AUTHENTICATOR
        if not extra < length <= self.limit + extra:
            raise MalformedFrame(
                f"a frame of {length} bytes; this peer may send "
                f"{1 + extra} to {self.limit + extra}"
            )
        end = start + _HEADER.size + int(length)
        return end if end <= len(self._buffer) else None

    def _open(self, payload: bytes) -> Message:
        """
        Verify and decode what is in a frame.
        """
        if self.key is not None:
            payload, tail = payload[:-AUTHENTICATOR], payload[-AUTHENTICATOR:]
            expected = _authenticator(self.key, self._sequence, payload)
            if not hmac.compare_digest(tail, expected):
                raise MalformedFrame(
                    f"frame {self._sequence} after the login is not authentic"
                )
            self._sequence += 1
        if self.greeting is None:
            self.greeting = sha256(payload).digest()
        return decode(payload)
