"""
The serializer of flat tables: every object once, by number.

It must not know how chunks travel.
"""

from __future__ import annotations

from zope.interface import implementer

from migrate.graph.dumping import Notation, asIs, audit, streamed, surveyed, written
from migrate.graph.environment import Environment
from migrate.graph.loader import TableLoader
from migrate.graph.survey import Survey
from migrate.interfaces import IDump, ILoader, ISerializer


@implementer(ISerializer)
class TableSerializer:
    """
    Writes and reads flat tables.

    @ivar notation: what chunks are made into.
    """

    name = "table"

    def __init__(self, notation: Notation = asIs) -> None:
        self.notation = notation

    def dump(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.dump}.
        """
        return written(root, label, environment, self.notation)

    def stream(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.stream}.
        """
        return streamed(root, label, environment, self.notation)

    def audit(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.audit}.
        """
        return audit(root, label, environment, self.notation)

    def survey(self, root: object, label: str, environment: Environment) -> Survey:
        """
        See L{ISerializer.survey}.
        """
        return surveyed(root, label, environment)

    def loader(self, environment: Environment) -> ILoader:
        """
        See L{ISerializer.loader}.
        """
        return TableLoader(environment)
