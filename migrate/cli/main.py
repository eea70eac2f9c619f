"""
The command itself, with all its subcommands.
"""

from __future__ import annotations

import click

from migrate import __version__
from migrate.cli.manager import manager
from migrate.cli.reexec import reexec
from migrate.cli.spawn import spawn
from migrate.cli.status import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="txmigrate")
def main() -> None:
    """
    Look at and move services that run under C{twistd migrate-server}.
    """


main.add_command(status)
main.add_command(manager)
main.add_command(reexec)
main.add_command(spawn)
