"""
The messages of the conversation, each a class, with the types and bounds that
what arrives is held to.

It must not know how they are framed, nor when which message is allowed.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

PROTOCOL = 1
"""
The version of the protocol that this module speaks.
"""

MAX_REASON = 256 * 1024
"""
Characters of a reason that travel; a longer one loses its middle.
"""

MAX_RESOURCES = 1000
"""
Resources that a recipient may have for one service.
"""

Role: TypeAlias = Literal["origin", "recipient"]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]
Small: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Label: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]
ScramText: TypeAlias = Annotated[str, msgspec.Meta(max_length=8192)]
Reason: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_REASON)]
Token: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=256)]
Address: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=4096)]
Name: TypeAlias = tuple[str, str]


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    What the classes of all messages have in common.
    """


class Hello(Message, frozen=True, forbid_unknown_fields=False):
    """
    The first frame of either side.  Fields that are not known are passed over,
    so that a later version can say what it is and be refused for what it is.

    @ivar protocol: the version of this protocol: L{PROTOCOL}.
    @ivar python: the version of Python, C{"3.11.4"}.
    @ivar twisted: the version of Twisted.
    @ivar packages: versions of other distributions, by name.
    @ivar pid: the process, as it sees itself.
    @ivar role: which side speaks.
    @ivar nonce: random bytes, new for each conversation.
    @ivar byteorder: C{sys.byteorder}; empty if not said.
    @ivar platform: C{sys.platform}; empty if not said.
    """

    protocol: Count
    python: Label
    twisted: Label
    packages: dict[str, str]
    pid: Small
    role: Role
    nonce: Token
    byteorder: Label = ""
    platform: Label = ""


class LoginStart(Message, frozen=True):
    """
    The recipient wants to log in.

    @ivar user: whom it says it is.
    @ivar clientFirst: the first message of SCRAM.
    """

    user: Label
    clientFirst: ScramText


class LoginChallenge(Message, frozen=True):
    """
    The origin's answer to L{LoginStart}.
    """

    serverFirst: ScramText


class LoginProof(Message, frozen=True):
    """
    The recipient knows the password.  What follows in this direction is
    authenticated.
    """

    clientFinal: ScramText


class LoginAccepted(Message, frozen=True):
    """
    The origin knows the password too.  What follows in this direction is
    authenticated.
    """

    serverFinal: ScramText


class Welcome(Message, frozen=True):
    """
    The origin trusts the recipient.

    @ivar login: whether a login has been done.
    @ivar secondary: the path of the UNIX socket for descriptors; abstract if
        its first byte is zero.
    @ivar token: what L{Attach} has to show there.
    """

    login: bool
    secondary: Address
    token: Token


class Attach(Message, frozen=True):
    """
    The first frame on the secondary connection: it belongs to the
    conversation that was given C{token}.
    """

    token: Token


class Attached(Message, frozen=True):
    """
    The secondary connection is known for what it is.
    """


class List(Message, frozen=True):
    """
    The recipient asks what is published.
    """


class ServiceStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One published service.

    @ivar name: its name.
    @ivar state: C{"available"}, C{"in transit"}, C{"leaving"}, C{"draining"} or
        C{"departed"}.
    """

    name: Label
    state: Label


class Services(Message, frozen=True):
    """
    The answer to L{List}.
    """

    services: list[ServiceStatus]


class Claim(Message, frozen=True):
    """
    The recipient wants a service.

    @ivar service: its name.
    @ivar serializer: in which way it is to be written.
    @ivar wait: for how many seconds the origin may wait for an instant at which
        the service can move.
    @ivar provides: the names of the resources that the recipient has of its own.
    @ivar rehearsal: whether it is going to be a rehearsal only.
    """

    service: Label
    serializer: Label
    wait: Seconds = 0.0
    provides: Annotated[list[Label], msgspec.Meta(max_length=MAX_RESOURCES)] = []
    rehearsal: bool = False


class Check(Message, frozen=True):
    """
    The recipient asks what would move, and what could not.

    @ivar service: its name.
    @ivar serializer: in which way it would be written.
    @ivar provides: as in L{Claim}.
    """

    service: Label
    serializer: Label
    provides: Annotated[list[Label], msgspec.Meta(max_length=MAX_RESOURCES)] = []


class Question(Message, frozen=True):
    """
    An operator asks the process for something, or asks it to do something.

    @ivar question: what it is: a name that the origin knows.
    @ivar arguments: what it is to be asked with.
    """

    question: Label
    arguments: Annotated[dict[Label, object], msgspec.Meta(max_length=64)] = {}


class Answer(Message, frozen=True):
    """
    The answer to L{Question}; otherwise it is L{Refused}.

    @ivar answer: what is to be known, by name.
    """

    answer: dict[str, object]


class Waiting(Message, frozen=True):
    """
    The service cannot move at this instant, but will be able to.  The origin
    serves it on, and sends a new manifest when the time has come.

    @ivar reason: what is in the way.
    """

    reason: Reason


class NamesPart(Message, frozen=True):
    """
    Names that did not fit into the L{Manifest} that follows.
    """

    names: list[Name]


class Manifest(Message, frozen=True):
    """
    What the recipient will need to load the service.

    @ivar service: its name.
    @ivar names: module and qualified name of what has to be imported, beside
        those of the L{NamesPart} messages before.
    @ivar descriptors: how many descriptors will come.
    @ivar objects: how many objects will come.
    @ivar resources: the names of those resources of the recipient's that will
        be needed.
    @ivar bytes: about how many bytes of records will come; 0 if nobody knows.
    @ivar history: what has become of the origin's services so far, as a
        L{migrate.history.History} says it.
    """

    service: Label
    names: list[Name]
    descriptors: Count
    objects: Count
    resources: list[Label] = []
    bytes: Count = 0
    history: dict[str, object] = {}


class Ready(Message, frozen=True):
    """
    The recipient can load what the manifest speaks of.
    """


class Try(Message, frozen=True):
    """
    The recipient can load what the manifest speaks of, and is going to throw it
    away.
    """


class Rehearsed(Message, frozen=True):
    """
    The recipient has loaded a copy, and thrown it away.

    @ivar seconds: for how long it was at work to load it.
    @ivar elapsed: how long all of it took, from its word that it was ready on.
    """

    seconds: Seconds
    elapsed: Seconds = 0.0


class Report(Message, frozen=True):
    """
    What would move, and what could not; the answer to L{Check} and
    L{Rehearsed}.

    @ivar survey: what a L{migrate.graph.survey.Survey} says as a dictionary.
    @ivar seconds: how long the steps took, by name.
    """

    survey: dict[str, object]
    seconds: Annotated[dict[Label, Seconds], msgspec.Meta(max_length=16)]


class _Trouble(Message, frozen=True):
    """
    An error that the peer is to know of.

    @ivar error: the name of its class.
    @ivar reason: what a person can act on.
    """

    error: Label
    reason: Reason


class Refused(_Trouble, frozen=True):
    """
    No: this claim, or this graph, is not taken.  The conversation may go on.
    """


class Records(Message, frozen=True):
    """
    The next piece of the graph.
    """

    data: bytes


class End(Message, frozen=True):
    """
    The graph is complete.

    @ivar descriptors: how many were sent over the secondary connection.
    @ivar chunks: how many L{Records} were sent.
    """

    descriptors: Count
    chunks: Count


class Prepared(Message, frozen=True):
    """
    The recipient has loaded the graph and waits.
    """


class Commit(Message, frozen=True):
    """
    The recipient owns the service.
    """


class Rollback(Message, frozen=True):
    """
    The origin keeps the service.
    """

    reason: Reason


class Adopted(Message, frozen=True):
    """
    The recipient runs the service; the origin can let go.
    """


class Failed(_Trouble, frozen=True):
    """
    Something went wrong here; the conversation ends.
    """


MESSAGES: tuple[type[Message], ...] = (
    Hello,
    LoginStart,
    LoginChallenge,
    LoginProof,
    LoginAccepted,
    Welcome,
    Attach,
    Attached,
    List,
    Services,
    Claim,
    Check,
    Question,
    Answer,
    Waiting,
    NamesPart,
    Manifest,
    Ready,
    Try,
    Rehearsed,
    Report,
    Refused,
    Records,
    End,
    Prepared,
    Commit,
    Rollback,
    Adopted,
    Failed,
)
"""
Every message that there is.
"""
