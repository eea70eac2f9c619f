"""
What the two twistd plugins have in common when they take over: how the client is made
that does it, and what it makes services of.

It must not know the options of one plugin only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from migrate.commandline import CommandLineClient
from migrate.gate import Gate
from migrate.gradual.recipes import SERVICE, Recipe
from migrate.outcome import Outcome
from migrate.reexec.plugin import offer
from migrate.takeover.client import GradualClient
from migrate.takeover.replacement import Replacement
from migrate.takeover.spawning import Spawning
from migrate.tap import pluginService, serviceOf


class CommandLineGradual(GradualClient, CommandLineClient):
    """
    Takes listening sockets over.
    """


class MovingReplacement(Replacement, CommandLineClient):
    """
    Takes services over with all their connections, under the command line that they
    were started with.
    """

    program = "migrate-server"


class GradualReplacement(Replacement, GradualClient, CommandLineClient):
    """
    Takes listening sockets over, under the command line that services were started
    with.
    """

    program = "migrate-server"


def makerOf(recipe: Recipe, twistd: Any) -> Callable[[], Any]:
    """
    @param twistd: the options of twistd itself.
    @return: what makes a service.
    """
    if recipe.kind == SERVICE:
        return partial(serviceOf, recipe.text)
    return partial(pluginService, recipe.text, twistd)


def makersOf(recipes: Mapping[str, Recipe], twistd: Any) -> dict[str, Any]:
    """
    @return: what makes the services of one command line, by their names.
    """
    return {name: makerOf(recipe, twistd) for name, recipe in recipes.items()}


def equip(client: Any, options: Any, outcome: Outcome, gate: Gate) -> Any:
    """
    Give a client that takes over all that the process around it has.

    @param options: those of the plugin.
    @return: it.
    """
    client.outcome = outcome
    show(client, outcome)
    gate.guard(client)
    client.pidFile = options.pidFile
    client.whenEmpty = options.pidFile.before(client.whenEmpty)
    opened = client.provision.opened
    offer(client, options["control"], options["signal"], lambda: list(opened))
    Spawning(client).install()
    return client


def show(client: Any, outcome: Outcome) -> None:
    """
    Have a client that runs in a terminal draw how far it has come.
    """
    if os.isatty(outcome.stderr):
        # What draws bars is of use to nobody else.
        from migrate.bar import TerminalDisplay

        client.display = TerminalDisplay(outcome.stderr)
