"""
Tests for L{migrate.adapters.machines}.
"""

from __future__ import annotations

from typing import Any, Protocol

from automat import TypeMachineBuilder
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.machines import FactoryAdapter, MachineAdapter
from migrate.errors import CannotMigrate, LoadError
from migrate.interfaces import IAdapter
from tests.adapting import Capture, Loading
from tests.inprocess import Move


class Turnstile(Protocol):
    """
    What one can do to a turnstile.
    """

    def coin(self) -> None:
        """
        Pay.
        """

    def push(self) -> int:
        """
        Pass.
        """


class Core:
    """
    What a turnstile remembers.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.machine: Any = None
        self.error: Any = None


def build() -> Any:
    """
    @return: a machine of turnstiles.
    """
    builder = TypeMachineBuilder(Turnstile, Core)
    locked = builder.state("locked")

    def paid(machine: Turnstile, core: Core) -> list[int]:
        return [core.passed]

    unlocked = builder.state("unlocked", paid)
    locked.upon(Turnstile.coin).to(unlocked).returns(None)
    unlocked.upon(Turnstile.coin).loop().returns(None)

    @unlocked.upon(Turnstile.push).to(locked)
    def through(machine: Turnstile, core: Core, since: list[int]) -> int:
        core.passed += 1
        return core.passed + since[0]

    @locked.upon(Turnstile.push).loop()
    def bump(machine: Turnstile, core: Core) -> int:
        core.machine = machine
        try:
            Move(core, Clock(), Clock()).go()
        except CannotMigrate as error:
            core.error = error
        return -1

    return builder.build()


#: The machine that these tests know by name.
TURNSTILE = build()


class MachineTests(SynchronousTestCase):
    """
    L{MachineAdapter} and L{FactoryAdapter}
    """

    def test_interfaces(self) -> None:
        """
        They are adapters.
        """
        verifyObject(IAdapter, MachineAdapter())
        verifyObject(IAdapter, FactoryAdapter())

    def test_states(self) -> None:
        """
        A machine is in the state that it was in, with its data and its core,
        and its methods are its own.
        """
        core = Core()
        core.passed = 3
        machine = TURNSTILE(core)
        core.machine = machine
        there, coin = Move([machine, machine.coin], Clock(), Clock()).go()
        coin()
        again, push = Move([there, there.push], Clock(), Clock()).go()
        self.assertIs(push.__self__, again)
        self.assertEqual(push(), 7)
        self.assertIs(again.__automat_core__.machine, again)
        self.assertEqual(core.passed, 3)
        self.assertIs(type(again), type(machine))
        self.assertEqual(
            [m.__automat_transitioner__._state.name for m in (machine, there, again)],
            ["locked", "unlocked", "locked"],
        )

    def test_factory(self) -> None:
        """
        What makes machines goes by name.
        """
        self.assertIs(Move([TURNSTILE], Clock(), Clock()).go()[0], TURNSTILE)

    def test_anonymous(self) -> None:
        """
        A machine that no module names is refused, and so is what makes it.
        """
        anonymous = build()
        for root in ([anonymous], [anonymous(Core())]):
            error = self.assertRaises(CannotMigrate, Move(root, Clock(), Clock()).go)
            self.assertIn("service[0]: a state machine that no module", str(error))

    def test_inTransition(self) -> None:
        """
        A machine in the middle of a transition is refused.
        """
        core = Core()
        TURNSTILE(core).push()
        self.assertIn("service.machine: a state machine in the", str(core.error))

    def test_unknownState(self) -> None:
        """
        A state that this process's machine does not have fails the loading.
        """
        adapter = MachineAdapter()
        machine = TURNSTILE(Core())
        description = adapter.describe(machine, Capture(Clock()))
        loading = Loading(Clock())
        self.assertRaises(LoadError, adapter.make, object, ("no machine",), loading)
        blank = adapter.make(description.cls, description.arguments, loading)
        state = {**(description.state or {}), "state": "ajar"}
        error = self.assertRaises(LoadError, adapter.fill, blank, state, loading)
        self.assertIn("'ajar'", str(error))
