"""
Every interface of this package, with its contract.

The adapters know neither the wire nor a serializer's format: an adapter says
what an object I{is}, a serializer decides how that is written.
"""

# The signatures of zope interfaces have no self.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from migrate.model import Actions, Description, Descriptor, External, Named


class IAboutToMigrate(Interface):
    """
    To be implemented by classes of an application: services, factories,
    protocols, whatever is in the graph of a service that is published.
    """

    def aboutToMigrate() -> Any:
        """
        Somebody has claimed the service, which runs on; once everybody who was
        told has answered, it is looked at whether it can move.  Called once a
        claim, at the origin; not for a check or a rehearsal.

        @return: L{None}, or a L{twisted.internet.defer.Deferred} that the move
            waits for, to the deadline for preparing.  If it fails, or if this
            raises, the service stays, and the other side is told why: by a
            L{migrate.errors.Objection} of the application's own, for one.
        """


class IMigrated(Interface):
    """
    To be implemented by classes of an application.
    """

    def migrated() -> None:
        """
        This object has arrived in a new process, which owns the service now.
        Everything of it is in place: transports are watched, timers count, but
        nothing has been read yet, nor has a timer fired.  In no order that can be
        relied upon.  Must not fail: the service cannot go back; a failure is
        logged.
        """


class IMigrationFailed(Interface):
    """
    To be implemented by classes of an application.
    """

    def migrationFailed(reason: Any) -> None:
        """
        The service stays in this process after all, and runs on as it did.
        Called at the origin once L{IAboutToMigrate.aboutToMigrate} was, on
        whoever implements this.

        @param reason: a L{migrate.errors.MigrationError}.
        """


class INamedResources(Interface):
    """
    To be implemented by services of an application: the one that is published,
    or those below it.
    """

    def namedResources() -> Mapping[str, object]:
        """
        Name what a recipient may have of its own: an open database, connections
        to other hosts, a cache.  Asked in each process, whenever the service is
        claimed there.

        @return: objects by name.  One that the recipient provides stays at the
            origin, and its place is taken by the recipient's; one that it does
            not provide moves like any other object, or is refused like one.
        """


class IIndependentConnections(Interface):
    """
    To be implemented by the factory that a service listens with, or by a service, the
    one that is published or one below it: its connections share nothing with each
    other but what all of them reach through the service, its I{shared part}, and two
    processes may serve some of them each for a while.

    The shared part moves first, and who connects from then on is served by the new
    process.  Each connection follows by itself, while the others are served.  Until
    then it meets, at the origin, the shared part as it was left there: in memory as
    it was, its open files too, but with no port that listens, no timer that counts
    and no connection to anywhere else.  What it changes there is not moved any more.
    So whatever belongs to one connection has to be reachable from that connection
    only.  The exception are containers of the shared part (lists, sets, deques,
    dictionaries, by key or by value) that hold connections: protocols, what wraps
    them, or transports.  A connection leaves them with its move, and is put into the
    same ones at the recipient, at the end where there is an order.

    L{migrate.independent.IndependentConnections} is all that most factories need.
    """

    def connections() -> Iterable[object]:
        """
        @return: the connections that are alive: their protocols, or their
            transports.  Asked at the origin, in turns in which a connection or
            the shared part moves.
        """

    def connectionArrived(protocol: Any) -> None:
        """
        A connection has arrived in the process that this has moved to before.  It is
        in its containers, nothing has been read from it yet, and no timer of it has
        fired.  Must not fail: it cannot go back; a failure is logged.

        @param protocol: what L{connections} returned, or has become of it.
        """


class ICapture(Interface):
    """
    The walk over one graph, as an adapter sees it.  Nothing that an adapter
    does through it changes the graph or the process.
    """

    reactor: Any = Attribute("The reactor that the graph lives on.")

    def reading(selectable: object) -> bool:
        """
        @return: whether the reactor watches C{selectable} for reading.
        """

    def writing(selectable: object) -> bool:
        """
        @return: whether the reactor watches C{selectable} for writing.
        """

    def contains(candidate: object) -> bool:
        """
        @return: whether C{candidate} is an object of the graph: one met by
            the walk so far that moves itself and does not go by name.
            Always false for atoms (None, numbers, text, bytes).
        """


class ILoading(Interface):
    """
    One graph's arrival, as an adapter sees it.
    """

    reactor: Any = Attribute("The reactor that the graph will live on.")

    def own(descriptor: Descriptor) -> int:
        """
        Take the ownership of a received descriptor.  From then on whoever
        called has to close it, by L{onDiscard} too.  A descriptor that nobody
        owns is closed when the loading is adopted or discarded.

        @return: the descriptor's number.  It is non-inheritable.
        @raise migrate.errors.MalformedTable: it has an owner already.
        """

    def external(name: str) -> Any:
        """
        @return: what takes the place of the external object of that name.
        @raise migrate.errors.CannotResolve: nothing does.
        """

    def resolve(name: Named) -> Any:
        """
        Import what a name means, as the policy permits.

        @raise migrate.errors.CannotResolve: there is no such module or
            attribute.
        @raise migrate.errors.Forbidden: the policy keeps it out.
        """

    def permit(function: Any) -> None:
        """
        To be asked before something is called that the graph brought.

        @raise migrate.errors.Forbidden: the policy keeps it out.
        """

    def afterFill(action: Callable[[], None]) -> None:
        """
        Call C{action} once every object is filled, before anything is owned.
        It may fail, which refuses the graph.
        """

    def onAdopt(action: Callable[[], None]) -> None:
        """
        Call C{action} when the recipient owns the graph, in the order of
        registration: start to read, to write, to count down.  Until then
        nothing of the graph may do I/O.  It must not fail.
        """

    def onAdopted(action: Callable[[], None]) -> None:
        """
        Call C{action} once the recipient owns the graph and all of it is
        started, in the order of registration.  It must not fail.
        """

    def onDiscard(action: Callable[[], None]) -> None:
        """
        Call C{action}, in reverse order, when the graph is thrown away.
        """


class IAdapter(Interface):
    """
    Knows one family of objects.
    """

    name: str = Attribute(
        "What the table calls this adapter; the same at both sides, always."
    )
    complete: bool = Attribute(
        "Whether C{make} needs arguments that are filled, with all that is "
        "reachable from them, and not only made."
    )

    def describe(obj: Any, capture: ICapture) -> Description | Named | External:
        """
        Say what C{obj} is.  No side effects: an audit calls this and throws
        the answer away, while the service runs.

        @raise migrate.errors.NotMovable: it cannot be moved, now or ever.
        """

    def make(cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        Make a blank: an object whose identity is final and whose state is
        missing.

        @param cls: the class of the description.
        @param arguments: those of the description.  Made, and filled too if
            L{complete}.
        """

    def fill(obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        Give the blank its state.  The values are made, but perhaps not yet
        filled: what needs them whole belongs into C{loading.afterFill}.
        Called only where the description had a state.
        """


class IDirectAdapter(IAdapter):
    """
    Knows objects that are the attributes in their instance dictionary, but for
    some.  What this says in data, and not in code, can be read and written without
    asking it about every attribute of every object: of those there are thousands.
    Its C{describe} and C{fill} do the same.

    An adapter that has an attribute C{immediate} which is true says that its
    C{restore} looks at nothing beside the object: it may be called while other objects
    are still on their way.

    One may have two more methods, for what can be done faster to many objects than to
    one: C{extractor}, which is given a capture and returns what is called as C{extract}
    is, for that capture; and C{restorer}, which is given a loading and returns what is
    called as C{restore} is, for that loading, or L{None} if nothing has to be.
    """

    omitted = Attribute(
        "Names of attributes that are no part of a state: a tuple of text."
    )
    extras = Attribute(
        """
        The names of what a state has beside the attributes, at its end: a tuple
        of text, none of which is the name of an attribute.
        """
    )

    def isDirect(cls: type) -> bool:
        """
        @return: whether all of this is so for the instances of C{cls}.
        """

    def extract(obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        @return: the values of L{extras}.
        @raise NotMovable: see L{describe}.
        """

    def restore(obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        @param obj: has its attributes.
        @param values: those of L{extras}.
        """


class ILiveAdapter(IAdapter):
    """
    Knows a family of objects that the reactor or the kernel acts upon.

    An adapter that has an attribute C{postponable} which is true says that pausing its
    objects means nothing as long as the reactor does not run: that is done in the
    blocking turn only if it ends before the recipient owns the service, and otherwise
    after that.

    One may have a method C{ahead} which is given an object and returns what owns its
    descriptor, and tells the number of that by C{fileno()}, -1 once it is closed;
    L{None} if the recipient must not have a copy of it while the object is still served
    and perhaps ends.
    """

    def actions(obj: Any, capture: ICapture) -> Actions:
        """
        Say how the janitor pauses, resumes and releases C{obj}.  Called in the
        same reactor turn as C{describe}.
        """


class ISeeker(Interface):
    """
    Finds what belongs to a graph and is not reachable from it, such as timers.
    """

    def seek(capture: ICapture) -> Iterable[object]:
        """
        Called when a walk has come to its end, and again as long as that
        brings anything new.

        @return: objects that belong to the graph; those already met are
            passed over.
        """


class IPreparer(Interface):
    """
    Gets descriptors ready that have come ahead of the graph which they belong to.
    """

    def prepare(filenos: Sequence[int], loading: ILoading) -> None:
        """
        @param filenos: descriptors that nobody owns, and that perhaps nobody ever will.
            The origin reads and writes what they stand for: this must do neither, nor
            change it.
        """


class IPolicy(Interface):
    """
    What a graph may name at the recipient.
    """

    def permits(module: str, qualname: str) -> bool:
        """
        @return: whether that may be imported and built.  Asked before the
            import; of what was found under another name, and of what is
            called to make an object, by the name that it has where it is
            defined; and of an adapter as of a name of C{migrate.adapters}.
        """


class ILargeBytes(Interface):
    """
    Takes large byte strings out of the records.
    """

    def write(parts: Sequence[memoryview]) -> int:
        """
        @return: a descriptor of a file that has these bytes, one after the other, and
            that nobody can change; it goes with the others, and is not the walk's.
        @raise OSError: there is no room for it.
        """


class IDump(Interface):
    """
    A graph written down.
    """

    capture: ICapture = Attribute("The walk that wrote it.")
    chunks: Iterable[bytes] = Attribute(
        "The records, in pieces of bounded size; a list if they are written already."
    )
    filenos: Sequence[int] = Attribute(
        "The descriptors, in the order of their numbers in the records; still "
        "the origin's."
    )
    spare: int = Attribute(
        "How many of these were sent ahead and are not mentioned: their connections "
        "have ended since."
    )
    live: Sequence[tuple[ILiveAdapter, Any]] = Attribute(
        "What the janitor has to act upon, in the order of the walk."
    )
    names: Sequence[Named] = Attribute("All that the graph needs imported.")
    objects: int = Attribute("How many objects move.")
    size: int = Attribute("How many bytes that is, beside the records included.")
    externals: frozenset[str] = Attribute(
        "The names of what stays outside and is referred to."
    )

    def forget() -> None:
        """
        Let go of the objects of the graph, which would live on otherwise until the
        collector finds that nobody has the dump any more.
        """

    def survey() -> Any:
        """
        @return: what would move, in numbers: a L{migrate.graph.survey.Survey}.
            Nothing of it is worked out before somebody asks.
        """


class ILoader(Interface):
    """
    Makes one graph again.  Ends with exactly one of C{adopt} and C{discard}.
    """

    taken: int = Attribute(
        "The number of objects whose records have come, of those that "
        "C{IDump.objects} counts."
    )
    read: int = Attribute("How many bytes came in files, and were read.")

    def feed(chunk: bytes) -> None:
        """
        Take the next piece.

        @raise migrate.errors.LoadError: the graph cannot be made.
        """

    def receive(filenos: Sequence[int], ahead: bool = False) -> None:
        """
        Take descriptors as they come, in their order, before or between pieces.

        @param filenos: non-inheritable; the loader owns them from this call on.
        @param ahead: whether the origin still serves what they belong to, so that there
            is time to get them ready.
        """

    def finish(filenos: Sequence[int]) -> Any:
        """
        Make and fill everything.  No I/O.

        @param filenos: the received descriptors, but for those that C{receive} was
            given; the loader owns them from this call on, whether it raises or not.
        @return: the root of the graph.
        @raise migrate.errors.LoadError: the graph cannot be made.
        """

    def adopt() -> None:
        """
        The graph is this process's own: start everything.
        """

    def discard() -> None:
        """
        Throw away whatever was made, and close what came with it.  May be
        called at any time before L{adopt}; does nothing the second time.
        """


class ISerializer(Interface):
    """
    Writes and reads graphs.
    """

    name: str = Attribute("What a claim calls it.")

    def dump(root: object, label: str, environment: Any) -> IDump:
        """
        @param label: what paths in reports begin with.
        @param environment: a L{migrate.graph.Environment}.
        @raise migrate.errors.CannotMigrate: with all refusals at once.
        """

    def stream(root: object, label: str, environment: Any) -> IDump:
        """
        Begin to write a graph down.

        @return: a dump that is written as its chunks are asked for, once, and of
            which all else is known when they have come to an end.  They end with
            L{migrate.errors.CannotMigrate} if anything cannot be moved.
        """

    def audit(root: object, label: str, environment: Any) -> IDump:
        """
        Find out whether a graph can be moved, without doing anything to it.

        @return: a dump without chunks.
        @raise migrate.errors.CannotMigrate: with all refusals.
        """

    def survey(root: object, label: str, environment: Any) -> Any:
        """
        Find out what would move, and what cannot, without doing anything to it.
        The parameters are those of L{dump}.

        @return: a L{migrate.graph.survey.Survey}.  Its refusals are what
            C{dump} raises; the rest speaks of what would move without them.
        """

    def loader(environment: Any) -> ILoader:
        """
        @return: an empty loader.
        """


class ISecondarySender(Interface):
    """
    The origin's end of a secondary transport: what a transfer needs of it,
    whichever way descriptors go.
    """

    pending: int = Attribute(
        "How many batches have been sent that are not known to have arrived."
    )

    def send(filenos: Sequence[int], deadline: float, arrived: bool = True) -> None:
        """
        Send descriptors, and wait until they have arrived.  They stay the
        caller's, to be closed or kept.

        @param arrived: whether to wait for the last of them, too; otherwise the next
            call does that waits.
        @param deadline: in seconds of C{time.monotonic}.
        @raise migrate.errors.PeerLost: the peer closed, or died.
        @raise migrate.errors.PeerTimeout: it did not take all of them by the
            deadline.
        @raise migrate.errors.DescriptorsLost: they did not all get through.
        @raise migrate.errors.LocalProtocolError: one of them is not open.
        """

    def offer(filenos: Sequence[int], deadline: float) -> int:
        """
        Send as many of the first of these as the peer takes without being waited for.

        @param deadline: in seconds of C{time.monotonic}.
        @return: how many were sent.
        @raise Exception: see L{send}.
        """

    def post(filenos: Sequence[int]) -> None:
        """
        Send a few at once or not at all, without waiting until they have
        arrived; the next L{send} does.

        @raise migrate.errors.PeerLost: the peer closed, or died.
        @raise migrate.errors.PeerTimeout: there is no room for them now.
        @raise migrate.errors.LocalProtocolError: there are too many.
        """
