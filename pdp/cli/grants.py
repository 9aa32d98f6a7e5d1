"""`pdp grant` and `pdp revoke`: an entitlement begins, and an entitlement is over, in a running decision point."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext import duration
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cli import options
from pdp.cli.connection import Address, Cert, Key, Timeout, TlsCa, connection
from pdp.cli.output import standard_output
from pdp.clock import now_ms
from pdp.context.facts import Grant

SOURCE = "operator"
"""What the decision point calls the source of what the command line writes, when nothing else is said."""

Id = Annotated[str, typer.Argument(metavar="ID", help="The grant: [bold]grant/[/bold] and a name.")]
Source = Annotated[str, typer.Option(metavar="NAME", help="Who says so, as it is to be remembered.")]


def grant(
    id: Id,
    template: Annotated[str, typer.Option(metavar="ID", help="The entitlement: the id of a template.")],
    principal: Annotated[str, typer.Option(metavar="ENTITY", help="To whom.")],
    resource: Annotated[str, typer.Option(metavar="ENTITY", help="For what.")],
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who answers for it.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long from now: [bold]8h[/bold].")],
    source: Source = SOURCE,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 5.0,
) -> None:
    """Grant an entitlement for a time. It ends by itself.

    The caller needs leave to administer (`callers.policies`).
    """
    now = now_ms()
    made = Grant(
        id,
        template,
        parse_entity_uid(principal),
        parse_entity_uid(resource),
        owner,
        reason,
        now,
        now + _milliseconds(lasts),
    )
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli import context_client  # gRPC takes longer to import than the call takes

    revision = context_client.put_grant(made, source, reached)
    until = datetime.fromtimestamp(made.expires_at / 1000, UTC).isoformat(timespec="seconds")
    standard_output().print(f"granted until {until}, at revision {revision}", highlight=False)


def revoke(
    id: Id,
    source: Source = SOURCE,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 5.0,
) -> None:
    """End a grant at once: the next decision is made without it.

    The caller needs leave to administer (`callers.policies`).
    """
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli import context_client  # gRPC takes longer to import than the call takes

    revision = context_client.end_grant(id, source, reached)
    standard_output().print(f"revoked, at revision {revision}", highlight=False)


def _milliseconds(text: str) -> int:
    try:
        lasts = duration.parse(text).milliseconds
    except EvaluationError as error:
        raise options.OptionError(f"`--for {text}` is no duration", help="write it as in `8h` or `1d12h`") from error
    if lasts <= 0:
        raise options.OptionError(f"`--for {text}` is over before it begins")
    return lasts
