"""`pdp eval`: decides from files, without a server, and explains."""

import json
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
from pdp.cli.traces import Detail
from pdp.clock import now_ms
from pdp.config import Config, IdentityConfig
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict, deny
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity.mapping import asserted_subject
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject


def evaluate(
    action: options.Action,
    resource: options.Resource,
    principal: options.Principal = None,
    token: options.Token = None,
    token_file: options.TokenFile = None,
    device: options.Device = None,
    context: options.Context = None,
    config: options.ConfigOrDefault = None,
    policies: options.Policies = None,
    now: options.Now = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Show of every policy that is for such a request which part of it made it apply or not. That is every "
            "policy whose scope matches, and every one for this action that only the principal or only the resource "
            "keeps out of scope (of grants, only the principal's own).",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="With [bold]--explain[/bold]: every part with its value, and what was not evaluated."
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Decide from files, without a server, and show the policies that mattered with their place and text.

    Of a request that nothing permits, the permits that came near are shown, with the part that did not hold.
    """
    if full and not explain:
        raise options.OptionError("`--full` says how to explain", help="give it together with `--explain`")
    question = read_question(
        principal, token, token_file, action=action, resource=resource, device=device, context=context
    )
    instant = read_instant(now)
    from pdp.cli.offline import build, read_bundle, read_config

    settings = read_config(config, policies, options.CONFIG)
    world = build(settings, read_bundle(settings), instant)
    verdict, enriched = decide(question, settings, world, instant)
    detail = (Detail.FULL if full else Detail.DECIDING) if explain else None
    if detail is None or enriched is None:
        found = considered.considered(world, verdict, enriched, instant)
    else:
        found = considered.explained(world, verdict, enriched, instant)
    facts = None if enriched is None else enriched.request.context
    _print(answer_of(verdict), found, facts, detail, as_json=as_json)
    raise typer.Exit(answer_of(verdict).exit_code)


def decide(question: Question, config: Config, world: World, now: int) -> tuple[Verdict, Enriched | None]:
    """The verdict, and what it was made from: None when the request was refused before a policy was asked.

    Raises KeySetError when a token is to be verified and the keys cannot be read.
    """
    subject = subject_of(question.who, config.identity, now)
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


def subject_of(who: EntityUID | Token, config: IdentityConfig, now: int) -> Subject | Verdict:
    """The subject, or the deny that a server would answer with. Raises KeySetError."""
    if isinstance(who, EntityUID):
        return asserted_subject(who)
    from pdp.identity.errors import IdentityError
    from pdp.identity.service import verify_once  # cryptography is slow to import, and most questions name an entity

    try:
        return verify_once(config, Presented(who.text), now)
    except IdentityError as error:
        return deny(ReasonClass.UNAUTHENTICATED, error.message)


def read_instant(text: str | None) -> int:
    """The instant (ms) of `--now`, or this one. Raises OptionError."""
    if text is None:
        return now_ms()
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


def _print(
    shown: Answer, found: list[Considered], facts: Record | None, detail: Detail | None, *, as_json: bool
) -> None:
    console = standard_output()
    if as_json:
        policies: list[Json] = [considered.to_json(item, detail) for item in found]
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
        for line in considered.render(item, detail):
            console.print(line)
