"""`pdp check`: asks a running decision point."""

import json
from typing import Annotated, Final

import typer

from pdp.cli import options
from pdp.cli.answer import render, to_json
from pdp.cli.connection import Address, Cert, Key, Timeout, TlsCa, connection
from pdp.cli.output import standard_output
from pdp.cli.question import read_question

_LAST_REVISION: Final = 2**64 - 1
"""The largest number that a question can hold."""


def check(
    action: options.Action,
    resource: options.Resource,
    principal: options.Principal = None,
    token: options.Token = None,
    token_file: options.TokenFile = None,
    device: options.Device = None,
    context: options.Context = None,
    min_revision: Annotated[
        int, typer.Option(metavar="N", min=0, help="The oldest revision of the facts that will do.")
    ] = 0,
    address: Address = options.ADDRESS,
    tls_ca: TlsCa = None,
    cert: Cert = None,
    key: Key = None,
    timeout: Timeout = 5.0,
    as_json: options.AsJson = False,
) -> None:
    """Ask a running decision point, and print its answer with the reason.

    Without `--tls-ca` the connection is plain: a token given to an address on another machine can be read on the way.
    """
    question = read_question(
        principal, token, token_file, action=action, resource=resource, device=device, context=context
    )
    if min_revision > _LAST_REVISION:
        raise options.OptionError(
            "`--min-revision` is a number that no revision has", help=f"the last is {_LAST_REVISION}"
        )
    reached = connection(address, tls_ca, cert, key, timeout)
    from pdp.cli.client import ask  # gRPC takes longer to import than the question to ask

    answer = ask(question, min_revision, reached)
    console = standard_output()
    if as_json:
        console.out(json.dumps(to_json(answer), ensure_ascii=True, indent=2))
    else:
        for line in render(answer):
            console.print(line)
    raise typer.Exit(answer.exit_code)
