"""
What the effects of a handover do to a L{World}: one method for each, of the same name
as in L{migrate.conversation}, which returns all that may come of it.

It must not know when an effect is performed.
"""

from __future__ import annotations

from collections.abc import Callable

from migrate.handover import Event, Role
from tests.handoverworld import OTHER, Failure, Outcome, Violation, World

Performance = Callable[["Performer", World, Role], "list[Outcome]"]


def _says(event: Event) -> Performance:
    """
    @return: it sends a message whenever the reactor comes to it.
    """

    def perform(self: Performer, world: World, role: Role) -> list[Outcome]:
        return [self.send(world, role, event)]

    return perform


def _causes(event: Event) -> Performance:
    """
    @return: it succeeds, which is an event.
    """

    def perform(self: Performer, world: World, role: Role) -> list[Outcome]:
        return [self.cause(world, role, event)]

    return perform


def _passes(self: Performer, world: World, role: Role) -> list[Outcome]:
    """
    Nothing of it is of interest to the model.
    """
    return [world]


class Performer:
    """
    Carries effects out.
    """

    login: bool
    fences: bool
    looks: bool
    spares: bool
    drains: bool
    forgets: bool

    # What they are made of.

    def send(self, world: World, role: Role, *events: Event) -> World:
        """
        @return: the same with messages under way, if they can arrive.
        """
        peer = OTHER[role]
        if not (world.reaches(peer) and world.side(role).open):
            return world
        return world.bring(peer, world.coming(peer) + events)

    def sendNow(self, world: World, role: Role, *events: Event) -> list[Outcome]:
        """
        @return: they are sent; or one of them takes too long, and goes out later;
            or nobody reads them, which may be noticed or not.
        """
        peer = OTHER[role]
        if not (world.reaches(peer) and world.side(role).open):
            return [world, Failure(world, Event.LOST)]
        outcomes: list[Outcome] = [self.send(world, role, *events)]
        for count in range(1, len(events) + 1):
            sent = self.send(world, role, *events[:count])
            outcomes.append(Failure(sent, Event.TIMEOUT))
        return outcomes

    def cause(self, world: World, role: Role, event: Event) -> World:
        """
        @return: the same with an event that comes of the step being performed.
        """
        return world.put(role, caused=(*world.side(role).caused, event))

    def complete(self, world: World) -> bool:
        """
        @return: whether records and descriptors have all come.
        """
        return world.noted and world.batch == 2

    # Before a claim.

    doGreet = _says(Event.HELLO)
    doCheckVersions = _passes
    doSendServices = _says(Event.SERVICES)
    doSendList = _says(Event.LIST)
    doSendWelcome = _says(Event.WELCOME)
    doBegin = _passes

    def doReportServices(self, world: World, role: Role) -> list[Outcome]:
        """
        Whoever asked may ask for something else.
        """
        return [world._replace(listing=False)]

    def doIdentify(self, world: World, role: Role) -> list[Outcome]:
        """
        The kernel tells the origin, or a login.
        """
        if not self.login:
            origin = role is Role.ORIGIN
            return [self.cause(world, role, Event.TRUST) if origin else world]
        if role is Role.RECIPIENT:
            return [self.send(world, role, Event.LOGIN_START)]
        return [world]

    doChallenge = _says(Event.LOGIN_CHALLENGE)
    doProve = _says(Event.LOGIN_PROOF)

    def doVerify(self, world: World, role: Role) -> list[Outcome]:
        """
        The origin has to ask somebody, which takes a while.
        """
        return [world._replace(checking=True) if role is Role.ORIGIN else world]

    def doAttach(self, world: World, role: Role) -> list[Outcome]:
        """
        The origin's reactor will find the secondary connection.
        """
        return [world._replace(shown=world.origin.alive)]

    # The claim.

    doSendClaim = _says(Event.CLAIM)
    doAnnounce = _passes
    doAdvance = _passes
    doSendWaiting = _says(Event.WAITING)
    doAwait = _passes
    doCollectNames = _passes
    doPrepare = _passes
    doNoteWaiting = _passes

    def doAudit(self, world: World, role: Role) -> list[Outcome]:
        """
        It can move; or something is in the way that passes.
        """
        return [self.cause(world, role, Event.ADMIT), *self._hindered(world)]

    def _hindered(self, world: World) -> list[Outcome]:
        if not world.budget.obstacles:
            return []
        return [Failure(world.spend("obstacles"), Event.LATER)]

    def doSendReady(self, world: World, role: Role) -> list[Outcome]:
        """
        For good, or for a try.
        """
        event = Event.TRY if world.rehearsal else Event.READY
        return [self.send(world, role, event)]

    # What would move.

    doSendCheck = _says(Event.CHECK)
    doSurvey = _says(Event.REPORT)
    doSendReport = _says(Event.REPORT)
    doNoteReport = _passes
    doSendQuestion = _says(Event.QUESTION)
    doFindAnswer = _passes
    doSendAnswer = _says(Event.ANSWER)
    doNoteAnswer = _passes
    doSendRehearsed = _says(Event.REHEARSED)

    def doSendCopy(self, world: World, role: Role) -> list[Outcome]:
        """
        The service runs on; nobody waits for the records to go out.
        """
        batch = 1 if world.recipient.alive else 0
        sent = self.send(world._replace(batch=batch), role, Event.RECORDS, Event.END)
        return [sent, Failure(world, Event.TIMEOUT), Failure(world, Event.LOST)]

    def doReserve(self, world: World, role: Role) -> list[Outcome]:
        """
        Another attempt at the same service, or the first at the next one.
        """
        fresh = world._replace(reserved=True, resumed="")
        if not world.departed:
            return [fresh]
        return [
            fresh._replace(
                paused=False,
                released=False,
                departed=False,
                said=False,
                graph="",
                earlier=world.graph == "owned",
            )
        ]

    def doUnreserve(self, world: World, role: Role) -> list[Outcome]:
        """
        It can be claimed again.
        """
        return [world._replace(reserved=False)]

    def doSendManifest(self, world: World, role: Role) -> list[Outcome]:
        """
        It takes more than one message.
        """
        return [self.send(world, role, Event.NAMES, Event.MANIFEST)]

    # The transfer.

    doFeed = _passes

    def doCapture(self, world: World, role: Role) -> list[Outcome]:
        """
        Something new may be in the way.
        """
        return [world, *self._hindered(world)]

    def doPause(self, world: World, role: Role) -> list[Outcome]:
        """
        The origin may not act on it any more.
        """
        return [world._replace(paused=True)]

    def doSendGraph(self, world: World, role: Role) -> list[Outcome]:
        """
        The descriptors go by a way of their own.  The graph is written while it is
        sent, and something may turn out to be in the way.
        """
        going = world._replace(batch=1 if world.recipient.alive else 0)
        outcomes = self.sendNow(going, role, Event.RECORDS, Event.END)
        if world.budget.obstacles:
            begun = self.send(going.spend("obstacles"), role, Event.RECORDS)
            outcomes.append(Failure(begun, Event.DENY))
        return outcomes

    def doNoteEnd(self, world: World, role: Role) -> list[Outcome]:
        """
        All has come, or the descriptors are still to come.
        """
        noted = world._replace(noted=True)
        if not self.complete(noted):
            return [noted]
        return [self.cause(noted._replace(noted=False), role, Event.COMPLETE)]

    def doLoad(self, world: World, role: Role) -> list[Outcome]:
        """
        It is made.
        """
        made = world._replace(graph="made", batch=0)
        event = Event.TRIED if world.rehearsal else Event.ADMIT
        return [self.cause(made, role, event)]

    def doSendPrepared(self, world: World, role: Role) -> list[Outcome]:
        """
        It has to be on its way before anything else happens.
        """
        return self.sendNow(world, role, Event.PREPARED)

    def doSendCommit(self, world: World, role: Role) -> list[Outcome]:
        """
        The same.
        """
        return self.sendNow(world, role, Event.COMMIT)

    def doSayAdopted(self, world: World, role: Role) -> list[Outcome]:
        """
        From here on the recipient's death is not the origin's concern.
        """
        return [world._replace(said=True, recipientSaid=world.recipientSaid + "A")]

    def doSendAdopted(self, world: World, role: Role) -> list[Outcome]:
        """
        Whether it can be told changes nothing.
        """
        return [
            each.world if isinstance(each, Failure) else each
            for each in self.sendNow(world._replace(said=True), role, Event.ADOPTED)
        ]

    def doAdopt(self, world: World, role: Role) -> list[Outcome]:
        """
        The recipient may act on it.
        """
        if world.graph != "made":
            raise Violation(f"it is adopted while it is {world.graph or 'not there'}")
        if world.resumed == "ran":
            raise Violation("it is adopted after it has run on at the origin")
        return [world._replace(graph="owned")]

    def doDiscard(self, world: World, role: Role) -> list[Outcome]:
        """
        What came is thrown away.
        """
        noted = world.noted and not self.forgets
        batch = 0 if world.batch == 2 else world.batch
        graph = "" if world.graph == "made" else world.graph
        return [world._replace(graph=graph, batch=batch, noted=noted)]

    def doRelease(self, world: World, role: Role) -> list[Outcome]:
        """
        The origin forgets it.
        """
        if not world.said:
            raise Violation("it is released though nobody said that he owns it")
        said = world.recipientSaid[1:] if self.drains else world.recipientSaid
        return [world._replace(released=True, recipientSaid=said)]

    def doDepart(self, world: World, role: Role) -> list[Outcome]:
        """
        It is not here any more.
        """
        return [world._replace(departed=True, reserved=False)]

    def doResume(self, world: World, role: Role) -> list[Outcome]:
        """
        The origin may act on it again.
        """
        if world.released:
            raise Violation("it is resumed after it was released")
        return [world._replace(paused=False, resumed="now")]

    # When it goes wrong.

    doSendRefused = _says(Event.REFUSED)
    doSendRollback = _says(Event.ROLLBACK)
    doSendFailed = _says(Event.FAILED)
    doReport = _passes
    doWatch = _passes

    def doSayResumed(self, world: World, role: Role) -> list[Outcome]:
        """
        Told by the life.
        """
        return [world._replace(originSaid=world.originSaid + "R")]

    def doSayCommitted(self, world: World, role: Role) -> list[Outcome]:
        """
        Told by the life.
        """
        return [world._replace(originSaid=world.originSaid + "C")]

    def doFence(self, world: World, role: Role) -> list[Outcome]:
        """
        It is not permitted; or the recipient is stopped and, if it has said nothing
        that has arrived, killed.
        """
        outcomes: list[Outcome] = [world]
        spared = self.spares and world.earlier
        if not self.fences or not world.recipient.alive or spared:
            return outcomes
        goesOn = world.put(Role.RECIPIENT, stopped=False)
        ended = not world.toOrigin and world.isEnded(Role.ORIGIN)
        if not (self.looks and (world.recipientSaid or ended)):
            if world.said or world.earlier:
                raise Violation("who owns a service is killed")
            outcomes += self.dies(world, Role.RECIPIENT)
        if world.recipientSaid or world.toOrigin or ended:
            outcomes.append(goesOn)
        return outcomes

    def dies(self, world: World, role: Role) -> list[World]:
        """
        @return: all that may be left of a process that is killed.
        """
        raise NotImplementedError

    def doHangUp(self, world: World, role: Role) -> list[Outcome]:
        """
        The stream ends at once, the lives do not.
        """
        return [world.put(role, open=False, ended=False).bring(role, ())]

    def doClose(self, world: World, role: Role) -> list[Outcome]:
        """
        What is under way arrives; nothing comes in any more.
        """
        shown = world.shown and role is Role.ORIGIN and not world.origin.lives
        closed = world.put(role, open=False, lives=False, ended=True)
        return [closed.bring(role, ())._replace(shown=world.shown and not shown)]
