"""
C{txmigrate completion}: what has a shell complete the words of the command.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")

NAME = "txmigrate"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """
    Print what has a shell complete commands, options and services.

    The names of services are asked of the process at --control.

    \b
    Examples:
      eval "$(txmigrate completion bash)"                          in ~/.bashrc
      eval "$(txmigrate completion zsh)"                           in ~/.zshrc
      txmigrate completion fish > ~/.config/fish/completions/txmigrate.fish

    The exit status is 0.
    """
    found = get_completion_class(shell)
    assert found is not None
    variable = f"_{NAME.upper()}_COMPLETE"
    click.echo(found(context.find_root().command, {}, NAME, variable).source())
