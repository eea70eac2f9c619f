"""
Data classes that go by value: the methods that L{dataclasses} generates have
no source and are generated again.

It must not know how a class is moved otherwise.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from typing import Any

#: What the generator is asked for, by its parameters' names.
_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD = ("init", "repr", "compare", "hash", "kw_only")


def describe(cls: type, namespace: dict[str, Any]) -> dict[str, Any] | None:
    """
    Say what the methods of a data class are generated from, and drop them.

    @param namespace: the class's own; changed.
    @return: L{None}, if C{cls} is no data class itself.
    """
    parameters = namespace.pop("__dataclass_params__", None)
    if parameters is None:
        return None
    generated = [name for name, value in namespace.items() if _isGenerated(value)]
    for name in generated:
        del namespace[name]
    state: dict[str, Any] = {
        "generated": tuple(generated),
        "parameters": tuple(
            part
            for name in getattr(parameters, "__slots__", _PARAMETERS)
            for part in (name, getattr(parameters, name))
        ),
    }
    fields = namespace["__dataclass_fields__"].values()
    for index, field in enumerate(fields):
        state.update(_describeField(index, field))
    return state


def _describeField(index: int, field: Any) -> dict[str, Any]:
    """
    A field, flat: its parts are made when a class is filled, and not filled.
    """
    kind = field._field_type.name
    flags = tuple(getattr(field, name) for name in _FIELD)
    return {
        f"{index}": (field.name, kind, flags),
        f"{index} default": field.default,
        f"{index} factory": field.default_factory,
        f"{index} type": field.type,
    }


def _bare(value: Any) -> Any:
    """
    A generated C{__repr__} is wrapped against recursion.
    """
    return inspect.unwrap(value) if isinstance(value, types.FunctionType) else value


def _isGenerated(value: Any) -> bool:
    """
    @return: whether L{dataclasses} compiled a function from text of its own, or
        has it for all data classes.
    """
    bare = _bare(value)
    if bare is getattr(dataclasses, "_replace", dataclasses):
        return True
    return isinstance(bare, types.FunctionType) and (
        bare.__code__.co_filename == "<string>"
    )


def restore(cls: Any, state: dict[str, Any]) -> None:
    """
    Generate the methods of a data class.
    """
    model = _model(cls, state)
    flat = state["parameters"]
    parameters = dict(zip(flat[::2], flat[1::2], strict=True))
    wanted = {name: parameters[name] for name in _PARAMETERS}
    made = dataclasses.dataclass(**wanted)(model)
    kept = made.__dataclass_params__
    for name in parameters:
        # Newer versions remember more of the parameters than older ones.
        if hasattr(kept, name):
            setattr(kept, name, parameters[name])
    type.__setattr__(cls, "__dataclass_params__", kept)
    for name in state["generated"]:
        method = made.__dict__.get(name)
        if method is None:
            continue
        _adopt(method, name, model, cls)
        type.__setattr__(cls, name, method)


def _model(cls: Any, state: dict[str, Any]) -> Any:
    """
    @return: a class from which the very same methods are generated.
    """
    # Annotations that are text mean nothing to this module, so that each
    # field is of the kind that it is said to be.
    namespace: dict[str, Any] = {"__module__": "builtins", "__annotations__": {}}
    if hasattr(cls, "__post_init__"):
        namespace["__post_init__"] = cls.__post_init__
    index = 0
    while f"{index}" in state:
        name, kind, flags = state[f"{index}"]
        if kind != "_FIELD_CLASSVAR":
            options = dict(zip(_FIELD, flags, strict=True))
            namespace[name] = dataclasses.field(
                default=state[f"{index} default"],
                default_factory=state[f"{index} factory"],
                **options,
            )
            annotation = state[f"{index} type"]
            if kind == "_FIELD_INITVAR":
                annotation = dataclasses.InitVar[object]
            namespace["__annotations__"][name] = annotation
        index += 1
    return type(cls.__name__, (), namespace)


def _adopt(method: Any, name: str, model: Any, cls: Any) -> None:
    """
    Let a generated method speak of the class that it is now one of.
    """
    if method is getattr(dataclasses, "_replace", None):
        return
    for function in (method, _bare(method)):
        function.__module__ = cls.__module__
        function.__qualname__ = f"{cls.__qualname__}.{name}"
        for cell in function.__closure__ or ():
            if cell.cell_contents is model:
                cell.cell_contents = cls
