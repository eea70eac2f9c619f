"""
What Python itself cannot take apart, each with its reason and what to do about
it: the parts of running code, and state that C keeps to itself.

It must not know any of it more closely than by class.
"""

from __future__ import annotations

import collections
import hashlib
import hmac
import select
import selectors
import ssl
import subprocess
import types
import weakref
import zlib
from typing import Any

from migrate.adapters.base import Refused, refuse
from migrate.graph.registry import Registry


def _hashes() -> set[type]:
    """
    @return: the classes of hash objects, which differ by algorithm.
    """
    found: set[type] = set()
    for algorithm in hashlib.algorithms_guaranteed:
        for options in ({}, {"usedforsecurity": False}):
            try:
                found.add(type(hashlib.new(algorithm, **options)))  # type: ignore[arg-type]
            except ValueError:
                continue
        maker = getattr(hashlib, algorithm, None)
        if maker is not None:
            found.add(type(maker()))
    found.add(type(hmac.new(b"k", digestmod="sha256")))
    return found


def _iterators() -> set[type]:
    """
    @return: the classes of iterators over what may not change meanwhile.
    """
    empty: dict[Any, Any] = {}
    ordered = collections.OrderedDict(empty)
    found: set[type] = set()
    for mapping in (empty, ordered):
        for view in (mapping, mapping.values(), mapping.items()):
            found.update((type(iter(view)), type(reversed(view))))
    return found | {type(iter(set()))}


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    _refuseFrames(registry)
    _refuseHidden(registry)
    _refuseSystem(registry)
    _refuseKept(registry)


def _refuseFrames(registry: Registry) -> None:
    """
    The parts of a running program.
    """
    registry.register(
        types.FrameType,
        Refused(
            "frame",
            lambda frame: (
                f"the frame of {frame.f_code.co_name} ({frame.f_code.co_filename}, "
                f"line {frame.f_lineno})"
            ),
            "keep what is needed of its variables",
        ),
    )
    refuse(
        registry,
        "traceback",
        "its frames stay in their process",
        "keep the text that traceback.format_tb makes of it",
        types.TracebackType,
    )
    refuse(
        registry,
        "iteration",
        "an iteration that is under way over a dictionary or set, whose order of "
        "places is the process's own",
        "iterate over a list of it",
        *_iterators(),
    )


def _refuseHidden(registry: Registry) -> None:
    """
    What keeps its state in C and shows it to nobody.
    """
    refuse(
        registry,
        "hash",
        "a hash that is being computed keeps its state in C, which shows it to nobody",
        "keep what was hashed, or the digest",
        *_hashes(),
    )
    refuse(
        registry,
        "zlib",
        "a compression that is under way keeps its state in C, which shows it to "
        "nobody",
        "finish it first",
        type(zlib.compressobj()),
        type(zlib.decompressobj()),
    )
    refuse(
        registry,
        "ssl",
        "the keys of a TLS session or context are in C, which shows them to nobody",
        "provide the context as a resource, and let the session end",
        ssl.SSLContext,
        ssl.SSLSocket,
        ssl.SSLObject,
        ssl.SSLSession,
        ssl.MemoryBIO,
    )


def _refuseKept(registry: Registry) -> None:
    """
    What a module of Python keeps in a table of its own.
    """
    refuse(
        registry,
        "finalizer",
        "the weakref module of this process knows whose end it waits for",
        "remove what it would remove by a method that is called for it",
        weakref.finalize,
    )


def _refuseSystem(registry: Registry) -> None:
    """
    What the kernel keeps for one process.
    """
    polls: list[Any] = [selectors.BaseSelector]
    polls += [getattr(select, n) for n in ("epoll", "kqueue") if hasattr(select, n)]
    if hasattr(select, "poll"):
        polls.append(type(select.poll()))
    refuse(
        registry,
        "selector",
        "what it waits for is registered with the kernel for this process",
        "make it again at the recipient",
        *polls,
    )
    refuse(
        registry,
        "popen",
        "a child process has one parent, which alone learns how it ended",
        "wait for it, or run it by a service of its own",
        subprocess.Popen,
    )
