"""
What a server tells an operator about itself.

It must not know how it is asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol


class IReporting(Protocol):
    """
    What is reported on.
    """

    def states(self) -> Mapping[str, str]:
        """
        What is published, and the state of each.
        """


def status(server: IReporting) -> dict[str, Any]:
    """
    @return: the process, and every service that it ever had.
    """
    return {
        "pid": os.getpid(),
        "services": [
            {"name": name, "state": state} for name, state in server.states().items()
        ],
    }
