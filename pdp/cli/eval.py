"""`pdp eval`: decides from files, without a server, and explains."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pdp.cedar.errors import CedarError, EvaluationError
from pdp.cedar.ext.datetime import parse as parse_datetime
from pdp.cedar.source import Source, Span
from pdp.cedar.values import EntityUID, Record
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import write_value
from pdp.cli import answer, considered, options
from pdp.cli.answer import Answer, answer_of
from pdp.cli.considered import Considered
from pdp.cli.output import labelled, standard_output
from pdp.cli.question import Question, Token, read_question
from pdp.clock import now_ms
from pdp.config import Config, IdentityConfig
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict, deny
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity.mapping import asserted_subject
from pdp.identity.subject import Subject


def evaluate(
    action: options.Action,
    resource: options.Resource,
    principal: options.Principal = None,
    token: options.Token = None,
    token_file: options.TokenFile = None,
    device: options.Device = None,
    context: options.Context = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The configuration.  [dim]\\[default: {options.CONFIG}][/dim]"),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Decide by this bundle. Its own pdp.yaml is the configuration, unless [bold]--config[/bold] names "
            "one: then that one's facts are judged by this bundle.",
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="Decide as at this time: [bold]2026-03-02T10:00:00Z[/bold]."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Decide from files, without a server, and show the policies that mattered with their place and text.

    Of a request that nothing permits, the permits that came near are shown, with the part that did not hold.
    """
    question = read_question(
        principal, token, token_file, action=action, resource=resource, device=device, context=context
    )
    instant = now_ms() if now is None else _instant(now)
    from pdp.cli.offline import build, read_bundle, read_config

    settings = read_config(config, policies, options.CONFIG)
    world = build(settings, read_bundle(settings), instant)
    verdict, enriched = decide(question, settings, world, instant)
    found = considered.considered(world, verdict, enriched, instant)
    facts = None if enriched is None else enriched.request.context
    _print(answer_of(verdict), found, facts, as_json=as_json)
    raise typer.Exit(answer_of(verdict).exit_code)


def decide(question: Question, config: Config, world: World, now: int) -> tuple[Verdict, Enriched | None]:
    """The verdict, and what it was made from: None when the request was refused before a policy was asked.

    Raises KeySetError when a token is to be verified and the keys cannot be read.
    """
    subject = _subject(question.who, config.identity, now)
    if isinstance(subject, Verdict):
        return subject, None
    request = CheckRequest(subject, question.action, question.resource, question.context, question.device)
    current = CurrentWorld()
    current.world = world
    verdict = Evaluating(current, config.freshness, lambda: now).decide(request)
    try:
        return verdict, enrich(request, world, now, config.freshness)
    except CedarError:
        return verdict, None


def _subject(who: EntityUID | Token, config: IdentityConfig, now: int) -> Subject | Verdict:
    """The subject, or the deny that a server would answer with. Raises KeySetError."""
    if isinstance(who, EntityUID):
        return asserted_subject(who)
    from pdp.identity.keyset import load_key_set  # cryptography is slow to import, and most questions name an entity
    from pdp.identity.tokens import IdentityError, TokenVerifier

    verifier = TokenVerifier(config, load_key_set(config.jwks))
    try:
        return verifier.verify(who.text, now)
    except IdentityError as error:
        return deny(ReasonClass.UNAUTHENTICATED, error.message)


def _instant(text: str) -> int:
    try:
        return parse_datetime(text).milliseconds
    except EvaluationError as error:
        source = Source("--now", text)
        raise options.OptionError(
            "this is no instant",
            span=Span(0, len(text)),
            source=source,
            help="write it as in `2026-03-02T10:00:00Z`",
        ) from error


def _print(shown: Answer, found: list[Considered], facts: Record | None, *, as_json: bool) -> None:
    console = standard_output()
    if as_json:
        policies: list[Json] = [considered.to_json(item) for item in found]
        context = None if facts is None else write_value(facts)
        whole = answer.to_json(shown) | {"considered": policies, "context": context}
        console.out(json.dumps(whole, ensure_ascii=True, indent=2))
        return
    for line in answer.render(shown):
        console.print(line)
    for name, value in {} if facts is None else facts.fields.items():
        console.print(labelled(f"context.{name}", json.dumps(write_value(value), ensure_ascii=False)))
    for item in found:
        console.print()
        for line in considered.render(item):
            console.print(line)
