"""
C{txmigrate status}: how a running process is doing.
"""

from __future__ import annotations

import click

from migrate.cli.running import Operator, asking


@click.command()
@asking
async def status(operator: Operator) -> None:
    """
    Tell which services a process has, and how they are doing.
    """
    answer = await operator.ask("status")
    lines = [f"process {answer['pid']}"]
    lines += [f"{each['name']}: {each['state']}" for each in answer["services"]]
    operator.tell(answer, lines)
