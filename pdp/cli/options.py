"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from pdp.cedar.errors import CedarError


class OptionError(CedarError):
    """Options that have no meaning, alone or together."""

    code = "option"


CONFIG: Final = Path("policies/pdp.yaml")
"""Where the configuration is when nothing else is said."""

ADDRESS: Final = "127.0.0.1:50051"
"""Where a decision point listens for gRPC when nothing else is said."""

TOKEN_VARIABLE: Final = "PDP_TOKEN"  # noqa: S105  the variable's name, not a token
"""The environment variable that a bearer token is taken from."""

Config: TypeAlias = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration.")]

Principal: TypeAlias = Annotated[
    str | None,
    typer.Option("--principal", metavar="ENTITY", help='Who asks, without a credential: [bold]User::"ana"[/bold].'),
]

Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="JWT",
        help=f"Who asks, by a bearer token. Others on this machine can read it among the processes: prefer "
        f"[bold]--token-file[/bold] or the environment variable [bold]{TOKEN_VARIABLE}[/bold], which counts when "
        "none of the three options is given.",
    ),
]

TokenFile: TypeAlias = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help="A file that holds the bearer token.")
]

Action: TypeAlias = Annotated[
    str, typer.Option("--action", metavar="ENTITY", help='What is to be done: [bold]Files::Action::"read"[/bold].')
]

Resource: TypeAlias = Annotated[
    str, typer.Option("--resource", metavar="ENTITY", help='To what: [bold]Files::File::"plan"[/bold].')
]

Device: TypeAlias = Annotated[
    str | None,
    typer.Option("--device", metavar="ENTITY", help="The device that the request comes from."),
]

Context: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="JSON",
        help="What the caller says of the request, in Cedar's JSON: "
        """[bold]{"region": "eu", "ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}}[/bold].""",
    ),
]

ConfigOrDefault: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The configuration.  [dim]\\[default: {CONFIG}][/dim]"),
]

Policies: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--policies",
        metavar="DIR",
        help="Decide by this bundle. Its own pdp.yaml is the configuration, unless [bold]--config[/bold] names "
        "one: then that one's facts are judged by this bundle.",
    ),
]

Now: TypeAlias = Annotated[
    str | None,
    typer.Option("--now", metavar="INSTANT", help="Decide as at this time: [bold]2026-03-02T10:00:00Z[/bold]."),
]

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
