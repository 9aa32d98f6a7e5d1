"""Addresses to listen on: what both servers refuse."""

import socket

from pdp.config.servers import UNIX, is_local
from pdp.transport.errors import ListenError


def refuse_exposed(listen: str, server: str, *, encrypted: bool, insecure: bool) -> None:
    """Raises ListenError if plain text would be spoken where other machines reach it and nobody said `insecure`."""
    if not (encrypted or insecure or is_local(listen)):
        raise ListenError(
            f"`{listen}` is reached by other machines, and {server} would speak plain text there",
            help=f"configure `{server}.tls`, or say `{server}.insecure: true` where something else protects them",
        )


def is_taken(listen: str) -> bool:
    """Whether a server already has this unix socket. To listen there nevertheless would remove it: the other server
    would go on running, and nobody would ask it any more.
    """
    if not listen.startswith(UNIX):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(listen.removeprefix(UNIX))
        except OSError:  # not there, or left over from a server that is gone
            return False
    return True
