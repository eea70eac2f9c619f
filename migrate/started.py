"""
How a process was started: what has to be known of it to start another one like it.

It must not know which programs there are, nor what their options mean.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class Started:
    """
    The start of one process, as it was before it became a daemon.

    @ivar words: its command line, with the interpreter and that one's options:
        C{sys.orig_argv}.
    @ivar directory: its working directory, absolute.
    @ivar executable: the path of its interpreter: C{sys.executable}.
    """

    words: tuple[str, ...]
    directory: str
    executable: str

    @classmethod
    def here(cls, environment: Mapping[str, str] | None = None) -> Started:
        """
        @param environment: C{os.environ} by default.
        @return: the start of this process.  Call it before the working directory is
            changed.
        """
        known = os.environ if environment is None else environment
        return cls(tuple(sys.orig_argv), _directory(known), sys.executable)

    @classmethod
    def fromDictionary(cls, found: Mapping[str, Any]) -> Started:
        """
        @param found: what L{asDictionary} has made, perhaps in another process.
        @raise KeyError: something is missing there.
        """
        return cls(
            tuple(str(word) for word in found["words"]),
            str(found["directory"]),
            str(found["executable"]),
        )

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: the same in values that can be sent.
        """
        return {**attrs.asdict(self), "words": list(self.words)}


def _directory(environment: Mapping[str, str]) -> str:
    """
    @return: the working directory, by the name that whoever started this process has
        for it: one that is a symbolic link to a release is to lead to the next one
        once that has been changed.
    """
    path, named = os.getcwd(), environment.get("PWD", "")
    try:
        same = os.path.isabs(named) and os.path.samefile(named, path)
    except OSError:
        same = False
    return named if same else path
