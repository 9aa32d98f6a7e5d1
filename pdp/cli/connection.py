"""How a verb reaches a running decision point: the options, and what they come to."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, final

import typer

from pdp.cli.options import OptionError
from pdp.documents import read_source

if TYPE_CHECKING:
    from pdp.cli.client import Tls

Address: TypeAlias = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Where the decision point listens for gRPC: HOST:PORT or unix:PATH.")
]

TlsCa: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", metavar="FILE", help="Speak TLS with a server that one of these authorities vouches for (PEM)."
    ),
]

Cert: TypeAlias = Annotated[
    Path | None,
    typer.Option("--cert", metavar="FILE", help="Show this certificate (PEM), and those between it and the root."),
]

Key: TypeAlias = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="The private key of that certificate (PEM).")
]

Timeout: TypeAlias = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.001, max=3600, help="How long to wait for the answer.")
]


@final
@dataclass(frozen=True, slots=True)
class Connection:
    """Where the decision point is, what the connection is protected with (None: it is plain), how long to wait."""

    address: str
    tls: "Tls | None"
    timeout: float


def connection(address: str, ca: Path | None, cert: Path | None, key: Path | None, timeout: float) -> Connection:
    """The connection that options describe. Raises OptionError for some that have no meaning together."""
    if (cert is None) != (key is None):
        raise OptionError("`--cert` and `--key` have no meaning without each other")
    if ca is None and cert is not None:
        raise OptionError("`--cert` is given without `--tls-ca`", help="name the authority that vouches for the server")
    read = [None if path is None else read_source(path, OptionError).text.encode() for path in (ca, cert, key)]
    from pdp.cli.client import Tls  # gRPC takes longer to import than most questions to ask

    return Connection(address, None if read[0] is None else Tls(read[0], read[1], read[2]), timeout)
