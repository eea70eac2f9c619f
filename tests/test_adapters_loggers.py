"""
Tests for L{migrate.adapters.loggers}.
"""

from __future__ import annotations

import logging
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python import log
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.loggers import PublisherAdapter
from migrate.interfaces import IAdapter
from tests.inprocess import Move


class Owner:
    """
    Has a logger of its class, and others.
    """

    log = Logger()

    def __init__(self) -> None:
        self.own = Logger("somewhere", source=self)
        self.bound = self.log
        self.events: list[Any] = []

    def observe(self, event: Any) -> None:
        """
        Keep an event.
        """
        self.events.append(event)


def move(root: Any) -> Any:
    """
    @return: what C{root} has become.
    """
    return Move(root, Clock(), Clock()).go()


class LoggerTests(SynchronousTestCase):
    """
    Loggers and publishers.
    """

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, PublisherAdapter("x"))

    def test_logger(self) -> None:
        """
        A logger moves; where its events go is the process's own.
        """
        owner = Owner()
        made = move(owner)
        self.assertIs(made.own.observer, globalLogPublisher)
        self.assertEqual(made.own.namespace, "somewhere")
        self.assertIs(made.own.source, made)
        self.assertIs(made.bound.source, made)
        self.assertEqual(made.bound.namespace, owner.bound.namespace)
        self.assertIs(made.log.source, made)

    def test_publishers(self) -> None:
        """
        The process's publishers are the same objects there; an application's
        own one moves with its observers.
        """
        owner = Owner()
        own = LogPublisher(owner.observe)
        made = move([globalLogPublisher, log.theLogPublisher, log.msg, own, owner])
        self.assertIs(made[0], globalLogPublisher)
        self.assertIs(made[1], log.theLogPublisher)
        self.assertEqual(made[2], log.msg)
        made[3]({"an": "event"})
        self.assertEqual(made[4].events, [{"an": "event"}])
        self.assertEqual(owner.events, [])

    def test_levels(self) -> None:
        """
        A level is the level.
        """
        self.assertIs(move([LogLevel.warn])[0], LogLevel.warn)

    def test_standardLibrary(self) -> None:
        """
        The standard library's loggers find themselves by name.
        """
        loggers = [logging.getLogger("a.b"), logging.getLogger()]
        made = move(loggers)
        self.assertIs(made[0], loggers[0])
        self.assertIs(made[1], loggers[1])
