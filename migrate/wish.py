"""
What a recipient wants of a service, and what it was told about one.

It must not know how that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from migrate.graph import Environment
from migrate.graph.survey import Survey
from migrate.interfaces import ISerializer
from migrate.progress import Untold
from migrate.resources import Provision


@attrs.frozen
class Wish:
    """
    What to do with a claimed service.

    @ivar service: what it is published as.
    @ivar serializer: in which way it is to come.
    @ivar environment: what the loading needs to know.
    @ivar check: called with the root before anything is owned; may refuse by a
        L{MigrationError}.
    @ivar adopted: called with the root once it is owned and started.
    @ivar provision: the resources that take the place of the service's.
    @ivar wait: for how many seconds the origin is to wait for an instant at which
        the service can move.
    @ivar waits: called with what the origin waits for, whenever that is known.
    @ivar progress: is told how far it has come.
    @ivar rehearsal: whether it is to be loaded and thrown away.
    """

    service: str
    serializer: ISerializer
    environment: Environment
    check: Callable[[Any], None]
    adopted: Callable[[Any], None]
    provision: Provision = attrs.field(factory=Provision)
    wait: float = 0.0
    waits: Callable[[str], None] = attrs.field(default=lambda why: None)
    progress: Untold = attrs.field(factory=Untold)
    rehearsal: bool = False


@attrs.frozen
class Inquiry:
    """
    What would move, as an origin says.

    @ivar survey: of what it is made, and what cannot move.
    @ivar seconds: how long the steps took, by name: C{"audit"}; or, of a
        rehearsal, C{"capture"}, C{"send"}, C{"load"}, and all of them together,
        C{"pause"}.
    """

    survey: Survey
    seconds: Mapping[str, float]
