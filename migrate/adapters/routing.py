"""
The routes of Werkzeug, which Klein uses: what a rule builds addresses with was
compiled for it in its process, and is compiled again.

It must not know where routes lead.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from werkzeug.routing import Rule

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

#: Both kinds of what is compiled, and whether they append what they do not know.
_BUILDERS = {"_build": False, "_build_unknown": True}


class RuleAdapter(AttributesAdapter):
    """
    Knows L{Rule}.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        for name in _BUILDERS:
            state.pop(name, None)
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        if obj.map is not None:
            loading.afterFill(partial(_compile, obj))


def _compile(rule: Any) -> None:
    """
    Compile what was left behind, as C{Rule.compile} does.
    """
    for name, appends in _BUILDERS.items():
        build = rule._compile_builder(appends)
        setattr(rule, name, build.__get__(rule, None))


def register(registry: Registry) -> None:
    """
    Add the adapter of rules.
    """
    registry.register(Rule, RuleAdapter("werkzeug.routing.Rule"))
