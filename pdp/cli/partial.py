"""`pdp partial`: decides from files a question of which a part is not known."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, TypeAlias, final

import typer
from rich.text import Text

from pdp.cedar.errors import ParseError
from pdp.cedar.policy import Policy
from pdp.cedar.schema.hints import guess, listed
from pdp.cedar.schema.model import Schema
from pdp.cedar.text.entity_uids import parse_type_name
from pdp.cedar.text.printer import print_policy
from pdp.cedar.values import EntityUID, Record
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import write_entity_uid, write_value
from pdp.cli import exits, options
from pdp.cli.eval import read_instant, subject_of
from pdp.cli.output import counted, labelled, place_of, plain, standard_output
from pdp.cli.question import Token, read_context, read_entity, read_text, read_who
from pdp.config import Config
from pdp.engine.decider import Verdict
from pdp.engine.partial import Outcome, PartialCheck, PartialDecider, PartialVerdict, Unknown
from pdp.engine.snapshot import World
from pdp.evaluate.partial import PartialRequest, PartialResponse

_MARK: Final = "?"
_CONTEXT: Final = "context"
_CODES: Final = {Outcome.ALLOW: exits.OK, Outcome.DENY: exits.DENIED, Outcome.UNDECIDED: exits.UNDECIDED}
_STYLES: Final = {Outcome.ALLOW: "bold green", Outcome.DENY: "bold red", Outcome.UNDECIDED: "bold yellow"}

_WORDS: Final = {Outcome.ALLOW: "allowed", Outcome.UNDECIDED: "undecided"}

Candidates: TypeAlias = Sequence[tuple[EntityUID, PartialVerdict]]


_Action: TypeAlias = Annotated[
    str, typer.Option("--action", metavar="ENTITY|?", help="What is to be done; [bold]?[/bold] is any action.")
]

_Resource: TypeAlias = Annotated[
    str,
    typer.Option(
        "--resource",
        metavar="ENTITY|?",
        help="To what; [bold]?[/bold] is anything, [bold]?Files::File[/bold] any Files::File. While it or the "
        "action is unknown, so is [bold]context.grant[/bold], unless no grant can cover the request.",
    ),
]

_Principal: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--principal",
        metavar="ENTITY|?",
        help="Who asks, without a credential; [bold]?[/bold] is anybody, [bold]?User[/bold] any User, of whom only "
        "what is stored is believed: a credential could add groups. [bold]context.auth[/bold], "
        "[bold]context.workload[/bold] and [bold]context.grant[/bold] are then unknown, too.",
    ),
]

_Device: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="ENTITY",
        help="The device that the request comes from. Without it there is none, or [bold]context.device[/bold] is "
        "unknown if the principal is.",
    ),
]

_Attributes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--unknown",
        metavar="context[.NAME]",
        help="An attribute of the context that is not known, and may be absent; [bold]context[/bold] alone is all "
        "that a caller may say beyond [bold]--context[/bold]. May be given several times. What is neither known "
        "nor unknown is absent.",
    ),
]

_List: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--list",
        help="List for which stored entities in the place of the one [bold]?[/bold] it is allowed, and for which "
        "it still depends. The whole answer is then about stored entities.",
    ),
]


def partial(
    action: _Action,
    resource: _Resource,
    principal: _Principal = None,
    token: options.Token = None,
    token_file: options.TokenFile = None,
    device: _Device = None,
    context: options.Context = None,
    unknown: _Attributes = None,
    with_list: _List = False,
    config: options.ConfigOrDefault = None,
    policies: options.Policies = None,
    now: options.Now = None,
    as_json: options.AsJson = False,
) -> None:
    """Decide from files what is certain while a part of the question is not known, and show what it depends on.

    The policies that it depends on are printed as Cedar, with all that is known put in: for this question alone.
    """
    asked = _read(principal, token, token_file, action, resource, device, context, unknown or [], stored=with_list)
    if with_list and asked.unknowns != 1:
        raise options.OptionError(
            f"`--list` is about one unknown, and there are {asked.unknowns}",
            help="write `?` for one of principal, action and resource",
        )
    instant = read_instant(now)
    from pdp.cli.offline import build, read_bundle, read_config

    settings = read_config(config, policies, options.CONFIG)
    world = build(settings, read_bundle(settings), instant)
    _refuse_undeclared(asked, world.schema)
    verdict, candidates = _decide(asked, settings, world, instant, with_list=with_list)
    if as_json:
        standard_output().out(json.dumps(_to_json(verdict, candidates, world), ensure_ascii=True, indent=2))
    else:
        console = standard_output()
        for line in _render(verdict, candidates, world):
            console.print(line)
    raise typer.Exit(_CODES[verdict.outcome])


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """The question of the options. `names` are attributes of the context."""

    who: EntityUID | Token | Unknown
    action: EntityUID | Unknown
    resource: EntityUID | Unknown
    device: EntityUID | None
    context: Record
    names: frozenset[str]
    open_context: bool

    @property
    def unknowns(self) -> int:
        """How many of principal, action and resource are not known."""
        return sum(isinstance(each, Unknown) for each in (self.who, self.action, self.resource))


def _read(
    principal: str | None,
    token: str | None,
    token_file: Path | None,
    action: str,
    resource: str,
    device: str | None,
    context: str | None,
    unknown: Sequence[str],
    *,
    stored: bool,
) -> _Asked:
    """The question of these options. Raises OptionError, ParseError or JsonError, with a place where there is one."""
    who: EntityUID | Token | Unknown
    if principal is not None and principal.startswith(_MARK) and token is None and token_file is None:
        who = _read_unknown("--principal", principal, stored=stored)
    else:
        who = read_who(principal, token, token_file)
    asked = _Asked(
        who=who,
        action=_read_entity("--action", action, stored=stored),
        resource=_read_entity("--resource", resource, stored=stored),
        device=None if device is None else read_entity("--device", device),
        context=read_context(context),
        names=frozenset(_name(text) for text in unknown if text != _CONTEXT),
        open_context=_CONTEXT in unknown,
    )
    if twice := sorted(asked.names & asked.context.fields.keys()):
        raise options.OptionError(
            f"`{_CONTEXT}.{twice[0]}` is unknown, and `--context` gives it", help="leave one of them out"
        )
    if "device" in asked.names and asked.device is not None:
        raise options.OptionError("`context.device` is unknown, and `--device` gives it", help="leave one of them out")
    return asked


def _name(text: str) -> str:
    prefix, dot, name = text.partition(".")
    if prefix != _CONTEXT or not dot or not name:
        raise options.OptionError(
            f"`--unknown {text}` is no attribute of the context",
            help="write `context.NAME`, or `context` for all that is not given",
        )
    return name


def _read_entity(option: str, text: str, *, stored: bool) -> EntityUID | Unknown:
    return _read_unknown(option, text, stored=stored) if text.startswith(_MARK) else read_entity(option, text)


def _read_unknown(option: str, text: str, *, stored: bool) -> Unknown:
    source = read_text(option, text)
    if not text[1:].strip():
        return Unknown(stored=stored)
    try:
        # A blank in the mark's place: the places of errors stay those of the argument.
        return Unknown(parse_type_name(f" {text[1:]}", option), stored=stored)
    except ParseError as error:
        raise ParseError(error.message, span=error.span, source=source, help=error.help) from error


def _refuse_undeclared(asked: _Asked, schema: Schema) -> None:
    """An attribute that no context has cannot be unknown: it is a slip of the pen, and would pass unnoticed."""
    contexts = [
        action.context.attributes.keys()
        for uid, action in schema.actions.items()
        if uid == asked.action or (isinstance(asked.action, Unknown) and asked.action.type in (None, uid.type))
    ]
    declared = frozenset[str]().union(*contexts)
    for name in sorted(asked.names - declared if contexts else ()):
        raise options.OptionError(
            f"the context has no attribute `{name}`",
            help=guess(name, declared) or (listed("the attributes are", declared) if declared else None),
        )


def _decide(
    asked: _Asked, config: Config, world: World, now: int, *, with_list: bool
) -> tuple[PartialVerdict, Candidates | None]:
    subject = asked.who if isinstance(asked.who, Unknown) else subject_of(asked.who, config.identity, now)
    if isinstance(subject, Verdict):
        return PartialVerdict(Outcome.DENY, subject.reason, subject.message), [] if with_list else None
    check = PartialCheck(
        subject, asked.action, asked.resource, asked.context, asked.device, asked.names, asked.open_context
    )
    decider = PartialDecider(world, config.freshness, now)
    verdict = decider.decide(check)
    return verdict, list(decider.candidates(check, verdict)) if with_list else None


def _render(verdict: PartialVerdict, candidates: Candidates | None, world: World) -> Iterator[Text]:
    """The answer for people, line by line; the residual policies are Cedar as they stand."""
    reason = "" if verdict.reason is None else f"{verdict.reason.value}: "
    yield Text.assemble(
        (verdict.outcome.value.upper(), _STYLES[verdict.outcome]), f"  {plain(f'{reason}{verdict.message}')}"
    )
    response = verdict.response
    if response is not None:
        yield from (labelled("permit", id) for id in sorted(response.permits))
        yield from (labelled("forbid", id) for id in sorted(response.forbids))
        for error in response.errors:
            yield labelled("error", f"{error.policy_id}: {error.kind.value}: {error.message}", "yellow")
        yield from (labelled("unknown", name) for name in _unknown_parts(response.request))
        yield labelled("policies", f"revision {world.policy_revision}")
        for name, value in response.request.context.known.fields.items():
            yield labelled(f"context.{name}", json.dumps(write_value(value), ensure_ascii=False))
        yield from _residual_lines(verdict, response, world)
    if candidates is not None:
        yield Text("")
        for uid, narrower in candidates:
            policies = ", ".join(policy.id for policy in narrower.depends_on)
            yield labelled(_WORDS[narrower.outcome], f"{uid}  ({policies})" if policies else str(uid))
        counts = {outcome: sum(each.outcome is outcome for _, each in candidates) for outcome in _WORDS}
        yield Text(", ".join(f"{count} {_WORDS[outcome]}" for outcome, count in counts.items()), "bold")


def _unknown_parts(request: PartialRequest) -> Iterator[str]:
    for variable, given in (
        ("principal", request.principal),
        ("action", request.action),
        ("resource", request.resource),
    ):
        if isinstance(given, Unknown):
            yield variable if given.type is None else f"{variable} is {given.type}"
    yield from sorted(f"{_CONTEXT}.{name}" for name in request.context.present | request.context.optional)
    if request.context.others:
        yield _CONTEXT


def _residual_lines(verdict: PartialVerdict, response: PartialResponse, world: World) -> Iterator[Text]:
    residuals = len(response.residuals.static)
    if residuals and verdict.outcome is not Outcome.UNDECIDED:
        depend = counted(residuals, "policy depends", "policies depend")
        yield labelled("residual", f"{depend} on what is not known, and cannot change the decision")
    for policy in verdict.depends_on:
        yield Text("")
        for line in _policy_text(policy, response, world).split("\n"):
            yield Text(plain(line), "cyan" if line.startswith("//") else "")


def _policy_text(policy: Policy, response: PartialResponse, world: World) -> str:
    """The policy below a comment that says where it is from; a grant's has the grant's own id."""
    named = replace(policy, annotations={**policy.annotations, "id": policy.id})
    original = world.program.policy(policy.id)
    place = "" if original.source is None or original.span is None else place_of(original.source, original.span)
    note = "; it never holds, and where it fails it denies" if policy.id in response.hopeless else ""
    return f"// {plain(place)}{note}\n{print_policy(named)}"


def _to_json(verdict: PartialVerdict, candidates: Candidates | None, world: World) -> dict[str, Json]:
    """The answer for programs. Every key is always there; lists are null if they were not asked for."""
    response = verdict.response
    residuals = () if response is None else response.residuals.static.values()
    return {
        "outcome": verdict.outcome.value,
        "reason": None if verdict.reason is None else verdict.reason.value,
        "message": verdict.message,
        "permits": [] if response is None else list[Json](sorted(response.permits)),
        "forbids": [] if response is None else list[Json](sorted(response.forbids)),
        "errors": []
        if response is None
        else [
            {"policy": error.policy_id, "kind": error.kind.value, "message": error.message} for error in response.errors
        ],
        "unknown": [] if response is None else list[Json](_unknown_parts(response.request)),
        "context": None if response is None else write_value(response.request.context.known),
        "residuals": [
            {
                "id": policy.id,
                "effect": policy.effect.value,
                "text": print_policy(policy),
                "may_hold": response is not None and policy.id not in response.hopeless,
            }
            for policy in residuals
        ],
        "policy_revision": world.policy_revision,
        "allowed": _listed(candidates, Outcome.ALLOW),
        "undecided": _listed(candidates, Outcome.UNDECIDED),
    }


def _listed(candidates: Candidates | None, wanted: Outcome) -> Json:
    """The entities of an outcome, each with the policies that it depends on."""
    if candidates is None:
        return None
    return [
        {**write_entity_uid(uid), "policies": [policy.id for policy in narrower.depends_on]}
        for uid, narrower in candidates
        if narrower.outcome is wanted
    ]
