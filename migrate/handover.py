"""
The conversation of a handover as two literal tables: for each role, what an
event means in a state, which state follows, and which effects to perform.

Sans I/O: it must not know sockets, reactors, graphs, nor how an effect is
performed.  The performer carries out the effects of one event in order and
feeds what comes of them back as events.

The commit point is L{Effect.SEND_COMMIT}.  Before it either side may refuse
and the origin resumes; after it the origin resumes only once the recipient is
known to be gone.

Death is told by the kernel.  Each side holds one end of a pipe whose other end
only the peer's process has (its I{life}):

  - the origin's life ends without a word: it is dead;
  - the origin's life says that it resumed, or that it committed: what it had to say
    may have been lost with the stream;
  - the recipient's life says that it owns the service;
  - the recipient's life ends without that word: it is dead, or has thrown the graph
    away.

A life is looked at only once the stream has ended, when all that was said on it
has been read.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from migrate.errors import LocalProtocolError, MigrationError, RemoteProtocolError
from migrate.events import UNFAILING, Effect, Event, Role, State

__all__ = [
    "ORIGIN",
    "RECIPIENT",
    "UNFAILING",
    "Effect",
    "Event",
    "Handover",
    "Role",
    "State",
    "Step",
    "Table",
]


@attrs.frozen
class Step:
    """
    What follows an event.

    @ivar state: the state that follows.
    @ivar effects: what to do, in order.
    """

    state: State
    effects: tuple[Effect, ...] = ()


Table = Mapping[State, Mapping[Event, Step]]

_S = State
_V = Event
_E = Effect

# It may be that the recipient has all that it needs: it must be told, by its life too,
# before this process can die of something else.  But only a service that has been
# resumed may be said to be, or it is lost if the origin dies in between; within one
# turn nothing comes of that order.
_ROLL_BACK = Step(
    _S.CLOSED,
    (
        _E.RESUME,
        _E.SAY_RESUMED,
        _E.UNRESERVE,
        _E.SEND_ROLLBACK,
        _E.REPORT,
        _E.CLOSE,
    ),
)
_DOUBT = Step(_S.IN_DOUBT, (_E.SAY_COMMITTED, _E.HANG_UP, _E.WATCH))

ORIGIN: Table = {
    _S.GREETING: {
        _V.HELLO: Step(_S.IDENTIFYING, (_E.GREET, _E.CHECK_VERSIONS, _E.IDENTIFY)),
        _V.DENY: Step(_S.CLOSED, (_E.SEND_FAILED, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.CLOSE,)),
        _V.TIMEOUT: Step(_S.CLOSED, (_E.SEND_FAILED, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.CLOSE,)),
    },
    _S.IDENTIFYING: {
        _V.LOGIN_START: Step(_S.IDENTIFYING, (_E.CHALLENGE,)),
        _V.LOGIN_PROOF: Step(_S.IDENTIFYING, (_E.VERIFY,)),
        _V.TRUST: Step(_S.TRUSTED, (_E.SEND_WELCOME,)),
        _V.DENY: Step(_S.CLOSED, (_E.SEND_FAILED, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.CLOSE,)),
        _V.TIMEOUT: Step(_S.CLOSED, (_E.SEND_FAILED, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.CLOSE,)),
    },
    _S.TRUSTED: {
        _V.LIST: Step(_S.TRUSTED, (_E.SEND_SERVICES,)),
        _V.CHECK: Step(_S.TRUSTED, (_E.SURVEY,)),
        _V.QUESTION: Step(_S.ANSWERING, (_E.FIND_ANSWER,)),
        _V.CLAIM: Step(_S.ANNOUNCING, (_E.RESERVE, _E.ANNOUNCE)),
        _V.DENY: Step(_S.CLOSED, (_E.SEND_FAILED, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.CLOSE,)),
        _V.LOST: Step(_S.CLOSED, (_E.CLOSE,)),
    },
    _S.ANSWERING: {
        _V.ADMIT: Step(_S.TRUSTED, (_E.SEND_ANSWER,)),
        _V.DENY: Step(_S.TRUSTED, (_E.SEND_REFUSED,)),
        _V.FAILED: Step(_S.CLOSED, (_E.CLOSE,)),
        _V.LOST: Step(_S.CLOSED, (_E.CLOSE,)),
    },
    _S.ANNOUNCING: {
        _V.ADMIT: Step(_S.AUDITING, (_E.AUDIT,)),
        _V.DENY: Step(_S.TRUSTED, (_E.UNRESERVE, _E.SEND_REFUSED)),
        _V.TIMEOUT: Step(_S.TRUSTED, (_E.UNRESERVE, _E.SEND_REFUSED)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
    },
    _S.AUDITING: {
        _V.ADMIT: Step(_S.CLAIMED, (_E.SEND_MANIFEST,)),
        _V.LATER: Step(_S.WAITING, (_E.SEND_WAITING, _E.AWAIT)),
        _V.DENY: Step(_S.TRUSTED, (_E.UNRESERVE, _E.SEND_REFUSED)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.CLOSE)),
    },
    _S.WAITING: {
        _V.AGAIN: Step(_S.AUDITING, (_E.AUDIT,)),
        _V.DENY: Step(_S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.CLOSE)),
        _V.TIMEOUT: Step(_S.TRUSTED, (_E.UNRESERVE, _E.SEND_REFUSED)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
    },
    _S.CLAIMED: {
        _V.READY: Step(_S.ADVANCING, (_E.ADVANCE,)),
        _V.TRY: Step(_S.REHEARSING, (_E.CAPTURE, _E.SEND_COPY)),
        _V.REFUSED: Step(_S.TRUSTED, (_E.UNRESERVE, _E.REPORT)),
        _V.DENY: Step(_S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: Step(_S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
    },
    _S.ADVANCING: {
        _V.ADMIT: Step(_S.TRANSFERRING, (_E.CAPTURE, _E.PAUSE, _E.SEND_GRAPH)),
        _V.DENY: Step(_S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: Step(
            _S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)
        ),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
    },
    _S.REHEARSING: {
        _V.REHEARSED: Step(_S.TRUSTED, (_E.UNRESERVE, _E.SEND_REPORT)),
        _V.LATER: Step(_S.WAITING, (_E.SEND_WAITING, _E.AWAIT)),
        _V.REFUSED: Step(_S.TRUSTED, (_E.UNRESERVE, _E.REPORT)),
        _V.DENY: Step(_S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: Step(
            _S.CLOSED, (_E.UNRESERVE, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)
        ),
        _V.LOST: Step(_S.CLOSED, (_E.UNRESERVE, _E.REPORT, _E.CLOSE)),
    },
    _S.TRANSFERRING: {
        # Nothing is paused yet: the capture found something new.
        _V.LATER: Step(_S.WAITING, (_E.SEND_WAITING, _E.AWAIT)),
        _V.PREPARED: Step(_S.COMMITTED, (_E.SEND_COMMIT,)),
        _V.REFUSED: Step(_S.TRUSTED, (_E.RESUME, _E.UNRESERVE, _E.REPORT)),
        _V.DENY: _ROLL_BACK,
        _V.FAILED: Step(_S.CLOSED, (_E.RESUME, _E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: _ROLL_BACK,
        _V.LOST: Step(
            _S.CLOSED,
            (_E.RESUME, _E.SAY_RESUMED, _E.UNRESERVE, _E.REPORT, _E.CLOSE),
        ),
    },
    _S.COMMITTED: {
        _V.ADOPTED: Step(_S.TRUSTED, (_E.RELEASE, _E.DEPART)),
        _V.TIMEOUT: Step(_S.COMMITTED, (_E.REPORT, _E.FENCE)),
        _V.DENY: _DOUBT,
        _V.FAILED: _DOUBT,
        _V.LOST: _DOUBT,
    },
    _S.IN_DOUBT: {
        _V.GONE: Step(_S.CLOSED, (_E.RESUME, _E.UNRESERVE, _E.REPORT, _E.CLOSE)),
        _V.TAKEN: Step(_S.CLOSED, (_E.RELEASE, _E.DEPART, _E.CLOSE)),
        _V.DENY: Step(_S.IN_DOUBT),
        _V.DENY: Step(_S.IN_DOUBT),
        _V.TIMEOUT: Step(_S.IN_DOUBT),
        _V.LOST: Step(_S.IN_DOUBT),
    },
    _S.CLOSED: {
        _V.LOST: Step(_S.CLOSED),
        _V.TRUST: Step(_S.CLOSED),
        _V.DENY: Step(_S.CLOSED),
        _V.TIMEOUT: Step(_S.CLOSED),
    },
}
"""
What the origin does.
"""

_FAIL = Step(_S.CLOSED, (_E.SEND_FAILED, _E.REPORT, _E.CLOSE))
_END = Step(_S.CLOSED, (_E.REPORT, _E.CLOSE))

RECIPIENT: Table = {
    _S.GREETING: {
        _V.HELLO: Step(_S.IDENTIFYING, (_E.CHECK_VERSIONS, _E.IDENTIFY)),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.IDENTIFYING: {
        _V.LOGIN_CHALLENGE: Step(_S.IDENTIFYING, (_E.PROVE,)),
        _V.LOGIN_ACCEPTED: Step(_S.IDENTIFYING, (_E.VERIFY,)),
        _V.WELCOME: Step(_S.ATTACHING, (_E.ATTACH,)),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.ATTACHING: {
        _V.ATTACHED: Step(_S.IDLE, (_E.BEGIN,)),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.IDLE: {
        _V.ASK: Step(_S.IDLE, (_E.SEND_LIST,)),
        _V.SERVICES: Step(_S.IDLE, (_E.REPORT_SERVICES,)),
        _V.INQUIRE: Step(_S.REPORTING, (_E.SEND_CHECK,)),
        _V.WONDER: Step(_S.ASKING, (_E.SEND_QUESTION,)),
        _V.WANT: Step(_S.CLAIMING, (_E.SEND_CLAIM,)),
        # It has crossed this side's own refusal.
        _V.ROLLBACK: Step(_S.IDLE),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.ASKING: {
        _V.ANSWER: Step(_S.IDLE, (_E.NOTE_ANSWER,)),
        _V.REFUSED: Step(_S.IDLE, (_E.REPORT,)),
        _V.ROLLBACK: Step(_S.ASKING),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.REPORTING: {
        _V.REPORT: Step(_S.IDLE, (_E.NOTE_REPORT,)),
        _V.ROLLBACK: Step(_S.REPORTING),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.CLAIMING: {
        _V.WAITING: Step(_S.CLAIMING, (_E.NOTE_WAITING,)),
        _V.NAMES: Step(_S.CLAIMING, (_E.COLLECT_NAMES,)),
        _V.MANIFEST: Step(_S.PREPARING, (_E.PREPARE,)),
        _V.REFUSED: Step(_S.IDLE, (_E.REPORT,)),
        _V.ROLLBACK: Step(_S.CLAIMING),
        _V.DENY: _FAIL,
        _V.FAILED: _END,
        _V.TIMEOUT: _FAIL,
        _V.LOST: _END,
    },
    _S.PREPARING: {
        _V.ADMIT: Step(_S.RECEIVING, (_E.SEND_READY,)),
        _V.DENY: Step(_S.IDLE, (_E.SEND_REFUSED, _E.DISCARD, _E.REPORT)),
        _V.FAILED: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: Step(_S.CLOSED, (_E.DISCARD, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)),
    },
    _S.RECEIVING: {
        _V.RECORDS: Step(_S.RECEIVING, (_E.FEED,)),
        _V.END: Step(_S.RECEIVING, (_E.NOTE_END,)),
        _V.COMPLETE: Step(_S.LOADING, (_E.LOAD,)),
        _V.WAITING: Step(_S.CLAIMING, (_E.DISCARD, _E.NOTE_WAITING)),
        _V.ROLLBACK: Step(_S.IDLE, (_E.DISCARD, _E.REPORT)),
        _V.DENY: Step(_S.CLOSED, (_E.DISCARD, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)),
        _V.FAILED: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
        _V.TIMEOUT: Step(_S.CLOSED, (_E.DISCARD, _E.SEND_FAILED, _E.REPORT, _E.CLOSE)),
        _V.LOST: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
    },
    _S.LOADING: {
        _V.ADMIT: Step(_S.PREPARED, (_E.SEND_PREPARED,)),
        _V.TRIED: Step(_S.REPORTING, (_E.DISCARD, _E.SEND_REHEARSED)),
        _V.DENY: Step(_S.IDLE, (_E.DISCARD, _E.SEND_REFUSED, _E.REPORT)),
        _V.LOST: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
    },
    _S.PREPARED: {
        _V.COMMIT: Step(_S.IDLE, (_E.SAY_ADOPTED, _E.SEND_ADOPTED, _E.ADOPT)),
        _V.ROLLBACK: Step(_S.IDLE, (_E.DISCARD, _E.REPORT)),
        _V.FAILED: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
        _V.DENY: Step(_S.IN_DOUBT, (_E.HANG_UP, _E.WATCH)),
        _V.TIMEOUT: Step(_S.PREPARED),
        _V.LOST: Step(_S.IN_DOUBT, (_E.HANG_UP, _E.WATCH)),
    },
    _S.IN_DOUBT: {
        _V.GONE: Step(_S.CLOSED, (_E.ADOPT, _E.CLOSE)),
        _V.COMMITTED: Step(_S.CLOSED, (_E.SAY_ADOPTED, _E.ADOPT, _E.CLOSE)),
        _V.RESUMED: Step(_S.CLOSED, (_E.DISCARD, _E.REPORT, _E.CLOSE)),
        _V.DENY: Step(_S.IN_DOUBT),
        _V.DENY: Step(_S.IN_DOUBT),
        _V.TIMEOUT: Step(_S.IN_DOUBT),
        _V.LOST: Step(_S.IN_DOUBT),
    },
    _S.CLOSED: {
        _V.LOST: Step(_S.CLOSED),
        _V.DENY: Step(_S.CLOSED),
        _V.TIMEOUT: Step(_S.CLOSED),
    },
}
"""
What the recipient does.
"""


@attrs.define
class Handover:
    """
    One side's machine.

    @ivar role: which side it is.
    @ivar state: where the conversation stands.
    """

    role: Role
    state: State = State.GREETING

    @property
    def table(self) -> Table:
        """
        The table of this side.
        """
        return ORIGIN if self.role is Role.ORIGIN else RECIPIENT

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """
        Let C{event} happen.

        @return: the effects to perform, in order.
        @raise LocalProtocolError: this side may not do that in this state.
            Nothing has changed.
        @raise RemoteProtocolError: the peer may not do that in this state.
            Nothing has changed.
        """
        step = self.table[self.state].get(event)
        if step is None:
            raise self._illegal(event)
        self.state = step.state
        return step.effects

    def _illegal(self, event: Event) -> MigrationError:
        name = event.value.lstrip("-")
        if event.isLocal:
            return LocalProtocolError(
                f"{name!r} cannot happen to the {self.role.value} while it is "
                f"{self.state.value}"
            )
        return RemoteProtocolError(
            f"the peer sent {name} while the {self.role.value} is {self.state.value}"
        )
