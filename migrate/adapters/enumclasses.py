"""
Enumerations that go by value, because no importable module has them.

Their members are part of the class: they are there as soon as the class is,
made by the metaclass as always, but past the C{__new__} and C{__init__} that
the user wrote: these have run, and what they made of the members is what moves.

It must not know how a class is moved otherwise.
"""

from __future__ import annotations

import enum
from typing import Any

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.classes import Class, namespaceOf, quiet, restoreClass
from migrate.adapters.names import nameOfClass
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

#: What the metaclass makes anew of the members, by any version of Python.
_MADE_ANEW = frozenset(
    (
        "_member_names_",
        "_member_map_",
        "_member_type_",
        "_value2member_map_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_hashable_values_",
        "_value_repr_",
        "_use_args_",
        "_flag_mask_",
        "_singles_mask_",
        "_all_bits_",
        "_boundary_",
        "_inverted_",
        "_order_",
    )
)
_MEMBER = frozenset(
    ("_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_", "_name", "name")
)


class _Member:
    """
    A member that is to be made.

    @ivar value: its value.
    @ivar payload: the arguments of the builtin that the members are mixed of.
    """

    def __init__(self, value: Any, payload: tuple[Any, ...]) -> None:
        self.value = value
        self.payload = payload


def _payload(member: Any) -> tuple[Any, ...]:
    """
    @return: the arguments to make the builtin part of a member again.
    """
    kind = type(member)._member_type_
    if kind is object:
        return ()
    for base, read in (
        (int, int.__int__),
        (float, float.__float__),
        (str, str.__str__),
    ):
        if issubclass(kind, base):
            return (read(member),)
    if issubclass(kind, bytes):
        return (bytes.__getitem__(member, slice(None)),)
    if issubclass(kind, tuple):
        return (tuple.__getitem__(member, slice(None)),)
    return (member._value_,)


def _maker(kind: Any) -> Any:
    """
    @param kind: the class that the members are mixed of.
    @return: what makes members of what is known of them.
    """

    def new(cls: Any, member: _Member) -> Any:
        """
        Stands for C{__new__} while the members are made.
        """
        made = kind.__new__(cls, *member.payload)
        made._value_ = member.value
        return made

    return new


def _ready(self: Any, *unused: Any) -> None:
    """
    Stands for C{__init__} while the members are made.
    """


class EnumClass(Class):
    """
    Enumerations.
    """

    name = "enumclass"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOfClass(obj)
        if named is not None:
            return named
        self._admit(obj)
        common = self._byValue(obj)
        state = dict(common.state or {})
        for name in namespaceOf(obj):
            if name in _MADE_ANEW or name in obj._member_map_:
                state.pop(name, None)
        if state.get("__new__") == enum.Enum.__new__:
            del state["__new__"]
        members = []
        for name, member in obj._member_map_.items():
            members += [name, member._value_, _payload(member)]
            if member._name_ == name:
                state.update(_describeMember(member))
        boundary = getattr(getattr(obj, "_boundary_", None), "name", None)
        useArguments = getattr(obj, "_use_args_", None)
        arguments = (*common.arguments[:4], boundary, useArguments, obj._member_type_)
        return Description(type, (*arguments, *members), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        meta, name, qualname, bases, boundary, useArguments, kind, *members = arguments
        namespace = meta.__prepare__(name, bases)
        namespace["__module__"] = __name__
        namespace["__qualname__"] = qualname
        namespace["__new__"] = _maker(kind)
        namespace["__init__"] = _ready
        for index in range(0, len(members), 3):
            member, value, payload = members[index : index + 3]
            namespace[member] = _Member(value, payload)
        options = {}
        if boundary is not None and hasattr(enum, "FlagBoundary"):
            options["boundary"] = enum.FlagBoundary[boundary]
        with quiet(bases):
            made = enum.EnumMeta.__new__(meta, name, bases, namespace, **options)
        type.__delattr__(made, "__init__")
        _forgetMaker(made, kind, useArguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        for key in [key for key in state if key.startswith("()member ")]:
            _, name, attribute = key.split(" ", 2)
            writeAttributes(obj._member_map_[name], {attribute: state.pop(key)})
        restoreClass(obj, state, self._specials)


def _describeMember(member: Any) -> dict[str, Any]:
    """
    @return: the attributes that the user's code gave to a member.
    """
    return {
        f"()member {member._name_} {name}": value
        for name, value in readAttributes(member).items()
        if name not in _MEMBER
    }


def _forgetMaker(cls: Any, kind: Any, useArguments: bool | None) -> None:
    """
    Members that come later, combinations of flags, are made as ever.
    """
    if "__new_member__" in cls.__dict__:
        type.__delattr__(cls, "__new_member__")
    if "_new_member_" in cls.__dict__:
        type.__setattr__(cls, "_new_member_", kind.__new__)
        type.__setattr__(cls, "_use_args_", bool(useArguments))


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(enum.EnumMeta, EnumClass({}))
