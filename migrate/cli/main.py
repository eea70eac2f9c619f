"""
The command itself, with all its subcommands.
"""

from __future__ import annotations

import click

from migrate import __version__
from migrate.cli.check import check
from migrate.cli.completion import completion
from migrate.cli.history import history
from migrate.cli.manager import manager
from migrate.cli.reexec import reexec
from migrate.cli.spawn import spawn
from migrate.cli.status import status
from migrate.cli.upgrade import upgrade


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="txmigrate")
def main() -> None:
    """
    Look at and move services that run under twistd migrate-server.

    \b
    Examples, in the directory that the service was started in:
      txmigrate status      what runs, since when, and what it uses
      txmigrate check       what would move, and what would not, and why
      txmigrate upgrade     a new process takes over, or nothing has happened
      txmigrate reexec      the same process runs the new code
      txmigrate history     what has been moved, and how long it stood still

    From elsewhere, --control says where the process listens.  All of them answer with
    --json, too.  The exit status of each tells what has come of it: see its --help.
    """


main.add_command(status)
main.add_command(history)
main.add_command(check)
main.add_command(upgrade)
main.add_command(completion)
main.add_command(manager)
main.add_command(reexec)
main.add_command(spawn)
