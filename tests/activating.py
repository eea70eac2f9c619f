"""
What a supervisor does that listens for its service: it executes a command with
listening sockets as descriptors 3 and up, and goes on to hold them::

    python -m tests.activating NAME=KIND:ADDRESS ... -- COMMAND ...

It must not know what the command is.
"""

from __future__ import annotations

import os
import signal
import socket
import sys


def listening(where: str) -> socket.socket:
    """
    @param where: C{tcp:PORT}, C{udp:PORT}, C{unix:PATH}, or C{stray} for what does not
        listen.
    """
    kind, _, address = where.partition(":")
    if kind == "stray":
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if kind == "unix":
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(os.path.relpath(address))
    else:
        stream = kind == "tcp"
        made = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        )
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", int(address)))
    if made.type == socket.SOCK_STREAM:
        made.listen()
    return made


def main(arguments: list[str]) -> None:
    """
    Execute the command.
    """
    cut = arguments.index("--")
    named = [each.partition("=") for each in arguments[:cut]]
    sockets = [listening(where) for _, _, where in named]
    if os.fork() == 0:
        os.closerange(0, 3)
        signal.pause()
    # Above what they will be: none overwrites another.
    high = [os.dup2(each.fileno(), 100 + i) for i, each in enumerate(sockets)]
    for number, fileno in enumerate(high, 3):
        os.dup2(fileno, number, inheritable=True)
        os.close(fileno)
    os.environ.update(
        LISTEN_PID=str(os.getpid()),
        LISTEN_FDS=str(len(sockets)),
        LISTEN_FDNAMES=":".join(name for name, _, _ in named),
    )
    command = arguments[cut + 1 :]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
