"""
The words of a handover: the two roles, the states of a conversation, what may happen
in it, and what is done about it.

It must not know what follows from what: that is L{migrate.handover}.
"""

from __future__ import annotations

import enum


class Role(enum.Enum):
    """
    The two sides of a handover.
    """

    ORIGIN = "origin"
    RECIPIENT = "recipient"


class State(enum.Enum):
    """
    Where a conversation stands.  Some names serve both roles.
    """

    GREETING = "greeting"
    """Nothing is known of the peer."""
    IDENTIFYING = "identifying"
    """Versions fit; the peer has to prove who it is."""
    TRUSTED = "trusted"
    """Origin: waits for a claim."""
    ANNOUNCING = "announcing"
    """Origin: a claim came; the application gets ready to be moved."""
    AUDITING = "auditing"
    """Origin: can the graph move?"""
    WAITING = "waiting"
    """Origin: not at this instant, but it will be able to; still served."""
    CLAIMED = "claimed"
    """Origin: the service is in transit, still served; the recipient prepares."""
    ADVANCING = "advancing"
    """Origin: descriptors are sent ahead; the service is still served."""
    REHEARSING = "rehearsing"
    """Origin: a copy of the graph was sent, to be loaded and thrown away; served."""
    TRANSFERRING = "transferring"
    """Origin: the service is paused, the graph sent."""
    COMMITTED = "committed"
    """Origin: COMMIT is sent; the recipient owns the service once it reads it."""
    ATTACHING = "attaching"
    """Recipient: the secondary transport is being made."""
    IDLE = "idle"
    """Recipient: may claim."""
    ANSWERING = "answering"
    """Origin: an operator's question came; the answer is being found."""
    ASKING = "asking"
    """Recipient: waits for the answer to an operator's question."""
    REPORTING = "reporting"
    """Recipient: waits for the origin's report."""
    CLAIMING = "claiming"
    """Recipient: waits for the manifest."""
    PREPARING = "preparing"
    """Recipient: imports, checks its limits."""
    RECEIVING = "receiving"
    """Recipient: records and descriptors come in."""
    LOADING = "loading"
    """Recipient: all has come."""
    PREPARED = "prepared"
    """Recipient: everything is made, nothing is started."""
    IN_DOUBT = "in doubt"
    """The stream is lost while the peer may own the service: its life decides."""
    CLOSED = "closed"
    """The conversation is over."""


class Event(enum.Enum):
    """
    What happens.  The value of a message's event is the message's name;
    the other events are local, and their values say so by a leading dash.
    """

    HELLO = "Hello"
    LOGIN_START = "LoginStart"
    LOGIN_CHALLENGE = "LoginChallenge"
    LOGIN_PROOF = "LoginProof"
    LOGIN_ACCEPTED = "LoginAccepted"
    WELCOME = "Welcome"
    ATTACHED = "Attached"
    LIST = "List"
    SERVICES = "Services"
    CLAIM = "Claim"
    CHECK = "Check"
    QUESTION = "Question"
    ANSWER = "Answer"
    NAMES = "NamesPart"
    MANIFEST = "Manifest"
    READY = "Ready"
    TRY = "Try"
    WAITING = "Waiting"
    REHEARSED = "Rehearsed"
    REPORT = "Report"
    REFUSED = "Refused"
    RECORDS = "Records"
    END = "End"
    PREPARED = "Prepared"
    COMMIT = "Commit"
    ROLLBACK = "Rollback"
    ADOPTED = "Adopted"
    FAILED = "Failed"
    TRUST = "-trust"
    """The peer is who it should be."""
    ADMIT = "-admit"
    """What was being done has succeeded."""
    DENY = "-deny"
    """What was being done has failed."""
    LATER = "-later"
    """Origin: the graph cannot move at this instant, but will be able to."""
    AGAIN = "-again"
    """Origin: what was in the way is gone."""
    INQUIRE = "-inquire"
    """Recipient: ask what would move."""
    TRIED = "-tried"
    """Recipient: a copy of the graph could be made."""
    WONDER = "-wonder"
    """Recipient: ask an operator's question."""
    WANT = "-want"
    """Recipient: claim a service."""
    ASK = "-ask"
    """Recipient: ask what is published."""
    COMPLETE = "-complete"
    """Recipient: all records and all descriptors have come."""
    LOST = "-lost"
    """The stream has ended; everything that was said on it has been read."""
    TIMEOUT = "-timeout"
    """The deadline of the step has passed."""
    GONE = "-gone"
    """The peer's life has ended without a word."""
    RESUMED = "-resumed"
    """Recipient: the origin's life says that it resumed."""
    COMMITTED = "-committed"
    """Recipient: the origin's life says that COMMIT was sent."""
    TAKEN = "-taken"
    """Origin: the recipient's life says that it owns the service."""

    @property
    def isLocal(self) -> bool:
        """
        Whether the event comes from this side and not from the peer.
        """
        return self.value.startswith("-")


class Effect(enum.Enum):
    """
    What the performer does.  Each is atomic to the machine: it is done before
    the next one begins.
    """

    GREET = enum.auto()
    """Origin: answer the peer's hello with its own, whatever that said."""
    CHECK_VERSIONS = enum.auto()
    """Compare the peer's hello with this side; close if they cannot be bridged."""
    IDENTIFY = enum.auto()
    """Check the peer's kernel credentials, or begin the login."""
    CHALLENGE = enum.auto()
    """Origin: answer the beginning of a login."""
    VERIFY = enum.auto()
    """Check the peer's proof."""
    PROVE = enum.auto()
    """Recipient: answer the challenge."""
    SEND_WELCOME = enum.auto()
    """Origin: tell where the secondary transport is."""
    ATTACH = enum.auto()
    """Recipient: open the secondary transport."""
    BEGIN = enum.auto()
    """Recipient: everything is in place; claims may be made."""
    SEND_LIST = enum.auto()
    """Recipient: ask what is published."""
    SEND_SERVICES = enum.auto()
    """Origin: tell what is published."""
    REPORT_SERVICES = enum.auto()
    """Recipient: what is published has been told."""
    SEND_QUESTION = enum.auto()
    """Recipient: ask an operator's question."""
    FIND_ANSWER = enum.auto()
    """Origin: do what was asked for, or find out what was asked."""
    SEND_ANSWER = enum.auto()
    """Origin: tell what was found."""
    NOTE_ANSWER = enum.auto()
    """Recipient: the answer has been told."""
    SEND_CLAIM = enum.auto()
    """Recipient: claim a service."""
    RESERVE = enum.auto()
    """Origin: the service is in transit."""
    UNRESERVE = enum.auto()
    """Origin: the service is available again."""
    ANNOUNCE = enum.auto()
    """Origin: tell the application, which may take its time, or object."""
    AUDIT = enum.auto()
    """Origin: find out whether the graph can move."""
    SEND_WAITING = enum.auto()
    """Origin: tell what is in the way."""
    AWAIT = enum.auto()
    """Origin: look from time to time whether it is gone."""
    SURVEY = enum.auto()
    """Origin: find out what would move, and tell."""
    SEND_MANIFEST = enum.auto()
    """Origin: tell what the recipient will need."""
    COLLECT_NAMES = enum.auto()
    """Recipient: keep names that come ahead of the manifest."""
    PREPARE = enum.auto()
    """Recipient: import what the graph needs, check the limits."""
    SEND_READY = enum.auto()
    """Recipient: let the transfer, or the rehearsal of one, begin."""
    SEND_CHECK = enum.auto()
    """Recipient: ask what would move."""
    NOTE_WAITING = enum.auto()
    """Recipient: what is in the way at the origin has been told."""
    NOTE_REPORT = enum.auto()
    """Recipient: what would move has been told."""
    SEND_REHEARSED = enum.auto()
    """Recipient: say that a copy could be made, and how long that took."""
    SEND_COPY = enum.auto()
    """Origin: send the descriptors and the records, the service running on."""
    SEND_REPORT = enum.auto()
    """Origin: tell what would move."""
    ADVANCE = enum.auto()
    """Origin: send descriptors of connections, the service running on."""
    CAPTURE = enum.auto()
    """Origin: write the graph down."""
    PAUSE = enum.auto()
    """Origin: the service is out of the reactor's hands."""
    SEND_GRAPH = enum.auto()
    """Origin: send the descriptors and the records, and say that they end."""
    FEED = enum.auto()
    """Recipient: take records."""
    NOTE_END = enum.auto()
    """Recipient: no more records will come."""
    LOAD = enum.auto()
    """Recipient: make everything, start nothing."""
    SEND_PREPARED = enum.auto()
    """Recipient: say that it could own the service."""
    SEND_COMMIT = enum.auto()
    """Origin: the commit point."""
    SAY_ADOPTED = enum.auto()
    """Recipient: say on its life that it owns the service.  From here on it does,
    whatever becomes of the stream."""
    SEND_ADOPTED = enum.auto()
    """Recipient: say the same on the stream."""
    ADOPT = enum.auto()
    """Recipient: start everything."""
    DISCARD = enum.auto()
    """Recipient: throw away what was made."""
    RELEASE = enum.auto()
    """Origin: let go of its copies, silently."""
    DEPART = enum.auto()
    """Origin: the service is gone from here."""
    RESUME = enum.auto()
    """Origin: the service goes on here exactly as it was."""
    SEND_REFUSED = enum.auto()
    """Tell the peer why not."""
    SEND_ROLLBACK = enum.auto()
    """Origin: tell the recipient that the service stays."""
    SEND_FAILED = enum.auto()
    """Tell the peer why the conversation ends."""
    REPORT = enum.auto()
    """Tell this side's operator how it ended."""
    WATCH = enum.auto()
    """Look at the peer's life."""
    FENCE = enum.auto()
    """Origin: end a recipient that hangs after the commit point, if that may be
    done; it is resumed only once the kernel says that the recipient is dead."""
    SAY_RESUMED = enum.auto()
    """Origin: say on its life that it resumed, since the stream is lost."""
    SAY_COMMITTED = enum.auto()
    """Origin: say on its life that COMMIT was sent, since the stream is lost."""
    HANG_UP = enum.auto()
    """End the stream at once, and keep the lives: they decide."""
    CLOSE = enum.auto()
    """End the conversation and everything that belongs to it."""


UNFAILING = frozenset(
    {
        Effect.ADOPT,
        Effect.CLOSE,
        Effect.DEPART,
        Effect.DISCARD,
        Effect.FENCE,
        Effect.HANG_UP,
        Effect.RELEASE,
        Effect.REPORT,
        Effect.RESUME,
        Effect.SAY_ADOPTED,
        Effect.SAY_COMMITTED,
        Effect.SAY_RESUMED,
        Effect.SEND_ADOPTED,
        Effect.SEND_FAILED,
        Effect.SEND_REFUSED,
        Effect.SEND_ROLLBACK,
        Effect.UNRESERVE,
        Effect.WATCH,
    }
)
"""
The effects that undo, or that follow the commit point: whatever happens in
one, the next is performed.
"""
