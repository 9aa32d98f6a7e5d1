"""`pdp context`: facts of a running decision point, written and asked after."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext import datetime
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.wire.entities import parse_entities
from pdp.cli import options
from pdp.cli.connection import Address, Cert, Key, Timeout, TlsCa, connection
from pdp.cli.grants import SOURCE, Source
from pdp.cli.output import standard_output
from pdp.documents import read_source

context = typer.Typer(
    no_args_is_help=True, help="Facts of a running decision point: write them, and ask what was believed."
)


@context.command()
def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Entities in Cedar's JSON format.")],
    source: Source = SOURCE,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 30.0,
) -> None:
    """Put the entities of a file in place of what was believed of them, all or none."""
    entities = tuple(parse_entities(read_source(file, options.OptionError)))
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli import context_client  # gRPC takes longer to import than the call takes

    revision = context_client.put_entities(entities, source, reached)
    standard_output().print(f"{len(entities)} entities, at revision {revision}", highlight=False)


@context.command()
def drop(
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help='The entity: [bold]User::"ana"[/bold].')],
    source: Source = SOURCE,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 5.0,
) -> None:
    """Believe nothing of an entity any more."""
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli import context_client  # gRPC takes longer to import than the call takes

    revision = context_client.drop_entity(parse_entity_uid(entity), source, reached)
    standard_output().print(f"dropped, at revision {revision}", highlight=False)


@context.command()
def at(
    instant: Annotated[str, typer.Argument(metavar="INSTANT", help="When: [bold]2026-03-02T14:03:00Z[/bold].")],
    entity: Annotated[str | None, typer.Option(metavar="ENTITY", help="What was believed of this entity.")] = None,
    posture: Annotated[
        str | None, typer.Option(metavar="ENTITY", help="What was observed of this device or workload.")
    ] = None,
    grant: Annotated[str | None, typer.Option(metavar="ID", help="What this grant was.")] = None,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 5.0,
) -> None:
    """Tell what was believed at a time, and who had said so, as one JSON object."""
    if [entity, posture, grant].count(None) != 2:
        raise options.OptionError("name one thing", help="give `--entity`, `--posture` or `--grant`")
    try:
        when = datetime.parse(instant).milliseconds
    except EvaluationError as error:
        raise options.OptionError(error.message, help="write it as in `2026-03-02T14:03:00Z`") from error
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli import context_client  # gRPC takes longer to import than the call takes

    if grant is not None:
        found = context_client.believed(grant, when, reached)
    else:
        found = context_client.believed(
            parse_entity_uid(entity or posture or ""), when, reached, posture=posture is not None
        )
    standard_output().out(json.dumps(found, indent=2))
