"""
Every error that this package raises of its own accord.

The tree::

    MigrationError
    +-- CannotMigrate            a graph that cannot be moved as it is
    |   +-- CannotMigrateYet     one that soon can, if nothing else is done
    |       +-- ConnectionsWait  connections of which soon one can
    +-- Objection                the application will not have it moved
    +-- NotMovable               one object of it, said by its adapter
    +-- LoadError                a graph that could not be made again
    |   +-- CannotResolve        a name that means nothing in this process
    |   +-- Forbidden            a name that the policy keeps out
    |   +-- MalformedTable       records that no jellier writes
    +-- LocalProtocolError       this side asked for what its state forbids
    +-- RemoteProtocolError      the peer broke the protocol
    |   +-- MalformedFrame       bytes that are no message
    |   +-- DescriptorsLost      fewer, or other, descriptors than announced
    +-- PeerRefused              the peer said no, and why
    +-- PeerLost                 the conversation ended early
    +-- PeerTimeout              the peer did not answer by its deadline
    +-- NotTrusted               the peer is not who it should be
    +-- TooManyPeers             this process talks to as many as it may
    +-- CannotAnswer             an operator's question that has no answer here
    +-- CannotFollow             the supervisor would take the service for ended
    +-- PauseTooLong             a service would stand still for longer than it may
    +-- DescriptorLimit          this process may not open that many
    +-- MemoryShortage           this process has no memory for it
    +-- ServiceUnavailable       no service that can be claimed
    |   +-- UnknownService
    |   +-- ServiceInTransit
    |   +-- ServiceDeparted
    |   |   +-- NothingLeft      all of it, its connections too
    |   +-- ConnectionsStay      connections that are served here until they end
    +-- ControlError             the control endpoint cannot be used
    +-- UnknownStart             no telling how a process's successor is started
    +-- IncompatiblePeer         versions that cannot be bridged

It must not know what any other module does: everything imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs


class MigrationError(Exception):
    """
    The root of all errors of this package.  C{str} of it is one line that an
    operator can act on.
    """


@attrs.frozen
class Refusal:
    """
    One object that cannot be moved.

    @ivar path: how a person gets to it, from the published service's name on:
        C{shell.factory.protocols[3].lock}.
    @ivar reason: what it is and why it cannot be moved.
    @ivar remedy: what to do about it; may be empty.
    @ivar over: see L{NotMovable}.
    """

    path: str
    reason: str
    remedy: str = ""
    over: Callable[[], bool] | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        text = f"{self.path}: {self.reason}"
        return f"{text}; {self.remedy}" if self.remedy else text


class CannotMigrate(MigrationError):
    """
    A graph holds objects that cannot be moved.  Raised before anything is
    paused, with every such object in one report.

    @ivar refusals: the objects, in the order in which the walk met them.
    """

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(" | ".join(map(str, self.refusals)))

    @property
    def passing(self) -> bool:
        """
        Whether all that is in the way passes by itself.
        """
        return all(refusal.over is not None for refusal in self.refusals)

    @classmethod
    def of(cls, refusals: Sequence[Refusal]) -> CannotMigrate:
        """
        @return: the error that says what is in the way, and whether it passes.
        """
        found = CannotMigrate(refusals)
        return CannotMigrateYet(refusals) if found.passing else found


class CannotMigrateYet(CannotMigrate):
    """
    All that is in the way passes by itself.
    """

    def over(self) -> bool:
        """
        @return: whether all of it has passed, so that it is worth while to walk
            over the graph again.
        """
        return all(each.over() for each in self.refusals if each.over is not None)


class ConnectionsWait(CannotMigrateYet):
    """
    None of the connections that are left can move at this instant.
    """

    def over(self) -> bool:
        """
        @return: whether one of them may be able to.
        """
        return any(each.over() for each in self.refusals if each.over is not None)


class Objection(MigrationError):
    """
    The application was asked, and will not have its service moved now.
    """


class CannotAnswer(MigrationError):
    """
    What an operator asked of a process, it does not know or cannot do.
    """


class CannotFollow(MigrationError):
    """
    The supervisor of this process would not accept the one that wants its services, and
    take them for ended.
    """


class NotMovable(MigrationError):
    """
    What an adapter raises of the one object that it was asked to describe.
    The jellier adds the path and collects it into a L{CannotMigrate}.

    @ivar reason: what it is and why it cannot be moved.
    @ivar remedy: what to do about it; may be empty.
    @ivar over: L{None} for what never moves by itself.  For what cannot move
        at this instant, but will be able to without anybody's help, it tells
        whether it is over: asked again and again, so it has to be quick, it
        must change nothing, and it must not keep alive what it asks about.
    """

    def __init__(
        self, reason: str, remedy: str = "", over: Callable[[], bool] | None = None
    ) -> None:
        self.reason = reason
        self.remedy = remedy
        self.over = over
        super().__init__(f"{reason}; {remedy}" if remedy else reason)


class LoadError(MigrationError):
    """
    A graph could not be made again from its records.
    """


class CannotResolve(LoadError):
    """
    A name of the graph means nothing in this process.
    """


class Forbidden(LoadError):
    """
    A name of the graph is kept out by the policy.
    """


class MalformedTable(LoadError):
    """
    The records are not what a jellier writes.
    """


class LocalProtocolError(MigrationError):
    """
    This side asked for something that the state of the handover forbids.
    """


class RemoteProtocolError(MigrationError):
    """
    The peer broke the protocol.
    """


class MalformedFrame(RemoteProtocolError):
    """
    Bytes came that are no message, or one that is too long.
    """


class DescriptorsLost(RemoteProtocolError):
    """
    Fewer descriptors came than were announced, or a batch came out of order.
    """


class PeerRefused(MigrationError):
    """
    The peer refused, and said why.

    @ivar error: the name of the error at the peer, such as C{CannotMigrate}.
    """

    def __init__(self, error: str, reason: str) -> None:
        self.error = error
        super().__init__(reason)


class PeerLost(MigrationError):
    """
    The conversation ended before the handover did.
    """


class PeerTimeout(MigrationError):
    """
    The peer did not answer by its deadline.
    """


class NotTrusted(MigrationError):
    """
    The peer is not one that this process was told to trust.
    """


class TooManyPeers(MigrationError):
    """
    This process is in conversation with as many peers as it may be.
    """


class PauseTooLong(MigrationError):
    """
    A service would stand still for longer than it may; it was left where it is.
    """


class DescriptorLimit(MigrationError):
    """
    This process may not open as many descriptors as a service brings.
    """


class MemoryShortage(MigrationError):
    """
    This process may not have as much memory as a service brings.
    """


class ServiceUnavailable(MigrationError):
    """
    A service cannot be claimed now.
    """


class UnknownService(ServiceUnavailable):
    """
    No service of that name was ever published here.
    """


class ServiceInTransit(ServiceUnavailable):
    """
    The service is being moved to another recipient.
    """


class ServiceDeparted(ServiceUnavailable):
    """
    The service has been moved away already.
    """


class NothingLeft(ServiceDeparted):
    """
    The service has been moved away with all its connections that lived on.
    """


class ConnectionsStay(ServiceUnavailable):
    """
    None of the connections that are left can be moved: they are served where they
    are until they end.
    """


class ControlError(MigrationError):
    """
    The control endpoint cannot be used.
    """


class UnknownStart(MigrationError):
    """
    It cannot be told from the command line of a process how its successor is to be
    started.
    """


class CannotStart(MigrationError):
    """
    A service of this process that was to take another process's place does not start.
    """


class IncompatiblePeer(MigrationError):
    """
    The two sides run versions that cannot be bridged.
    """
