"""A bundle of policies: a schema, central guardrails, the teams' own policies, templates of entitlements.

    schema.cedarschema
    guardrails/*.cedar        forbids; ids `guardrail/...`; one file at least
    teams/<team>/*.cedar      permits and forbids about the team's own actions; ids `<team>/...`
    entitlements/*.cedar      templates that permit, for one principal on one resource; ids `entitlement/...`

A policy's id is its annotation `@id`. The folder says what a policy may be, so that a team can open its own doors and
no others: the team `partner_api` names actions of the namespace `PartnerApi` alone. Every policy passes the strict
validator.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NoReturn, assert_never, final

from pdp.cedar.errors import CedarError, PolicySetError
from pdp.cedar.policy import ActionIn, ActionScope, Effect, Policy, PolicySet, ScopeAny, ScopeEq, Slot
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.validate.findings import Finding, Severity
from pdp.cedar.validate.validator import Validator
from pdp.cedar.values import EntityUID, brief
from pdp.compiler.precompiled import Precompiled
from pdp.documents import list_files, list_folder, read_source

SCHEMA: Final = "schema.cedarschema"
"""The name of the schema's file."""

_SUFFIX: Final = ".cedar"
_LAYOUT: Final = f"a bundle holds `{SCHEMA}`, `guardrails/*.cedar`, `teams/<team>/*.cedar` and `entitlements/*.cedar`"
_TEAM: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*")
_NOT_TEAMS: Final = frozenset({"guardrail", "entitlement", "grant", "api"})
"""What other ids begin with, and the namespace of requests that no route knows (`Api::Action::"unknown"`)."""
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_MAX_ID: Final = 200


class BundleError(CedarError):
    """A bundle that cannot be read, or holds what is not at its place."""

    code = "bundle"


class InvalidPolicy(CedarError):
    """A policy that does not fit the schema: it could meet a type error or a missing attribute when it is asked."""

    code = "policy_validation"

    def __init__(self, found: Finding) -> None:
        super().__init__(f"policy `{found.policy_id}`: {found.message}", span=found.span, source=found.source)
        where = f"found for {found.environment}" if found.environment is not None else None
        self.help = "; ".join(text for text in (found.help, where) if text) or None


@final
@dataclass(frozen=True, slots=True)
class Bundle:
    """Policies with the ids that they give themselves, and the schema that they are written for.

    `revision` is a SHA-256, in hexadecimal digits, over the names and bytes of all files; it is the same wherever the
    bundle lies. `compiled` is what every policy was compiled to, if that was done before (`pdp.policies.built`).
    """

    policies: PolicySet
    schema: Schema
    revision: str
    compiled: tuple[Precompiled, ...] | None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a bundle, read and not yet parsed. `policies` are in the order in which they are to be parsed."""

    schema: Source
    policies: tuple[tuple[Path, "_Rule", Source], ...]
    revision: str


def read_sources(directory: Path) -> Sources:
    """The files of a directory. Raises BundleError for one that cannot be read or is at no place of a bundle."""
    schema = read_source(directory / SCHEMA, BundleError, _LAYOUT)
    policies = tuple([(path, rule, read_source(path, BundleError)) for path, rule in _files(directory)])
    _refuse_strays(directory, [path for path, _, _ in policies])
    files = [(directory / SCHEMA, schema), *[(path, source) for path, _, source in policies]]
    revision = _revision((os.fsencode(path.relative_to(directory)), source) for path, source in files)
    return Sources(schema, policies, revision)


def load_bundle(directory: Path) -> Bundle:
    """The bundle of a directory. Raises CedarError at the first fault; see `parse_bundle`."""
    return parse_bundle(read_sources(directory))


def parse_bundle(sources: Sources) -> Bundle:
    """The bundle that some files are. Raises CedarError at the first fault.

    In particular PolicySetError for a policy that may not stand where it does, has no good id, or has one that is
    taken, InvalidPolicy for one that does not pass strict validation.
    """
    schema = parse_schema(sources.schema)
    policies: list[Policy] = []
    for _, rule, source in sources.policies:
        for policy in parse_policies(source):
            rule(policy)
            policies.append(replace(policy, id=policy.annotations["id"] or ""))
    policy_set = PolicySet(policies)
    _validate(policies, schema)
    return Bundle(policy_set, schema, sources.revision)


_Rule = Callable[[Policy], None]
"""Returns for a policy that may stand in a file, or raises PolicySetError."""


def _files(directory: Path) -> Iterator[tuple[Path, _Rule]]:
    """Every policy file, and the rule for its policies."""
    guardrails = list_files(directory / "guardrails", _SUFFIX, BundleError)
    if not guardrails:
        # A folder that was not mounted is missing or empty, and a bundle without guardrails opens doors.
        raise BundleError(
            "the bundle has no guardrails",
            source=Source(printable(str(directory / "guardrails")), ""),
            help="write them in files `*.cedar`; if there shall be none, a file with a comment says so",
        )
    for path in guardrails:
        yield path, _check_guardrail
    for folder in list_folder(directory / "teams", BundleError):
        team = folder.name
        if _TEAM.fullmatch(team) is None or team in _NOT_TEAMS:
            raise BundleError(
                f"{brief(team)} cannot be a team's name",
                source=Source(printable(str(folder)), ""),
                help="a team is a folder, named with lower-case letters, digits and single `_` between words",
            )
        for path in list_files(folder, _SUFFIX, BundleError):
            yield path, _team_rule(team)
    for path in list_files(directory / "entitlements", _SUFFIX, BundleError):
        yield path, _check_entitlement


def _check_guardrail(policy: Policy) -> None:
    _check_id(policy, "guardrail")
    if policy.effect is not Effect.FORBID or policy.is_template:
        _refuse(policy, "a guardrail is a `forbid` without slots", "move permits to a team, templates to entitlements")


def _check_entitlement(policy: Policy) -> None:
    _check_id(policy, "entitlement")
    if policy.effect is not Effect.PERMIT:
        _refuse(policy, "an entitlement permits", "move forbids to the guardrails or to a team")
    if missing := [f"`{slot.value}`" for slot in Slot if slot not in policy.slots]:
        # A grant names both; a template that ignores one of them would give more than the grant says.
        _refuse(policy, f"an entitlement has no {' and no '.join(missing)}", "use both slots in the scope")


def _team_rule(team: str) -> _Rule:
    action_type = f"{namespace(team)}::Action"

    def check(policy: Policy) -> None:
        _check_id(policy, team)
        if policy.is_template:
            _refuse(policy, "a team's policy has no slots", "move templates to entitlements")
        actions = _named_actions(policy.action)
        if actions is None:
            _refuse(policy, "a team's policy must name its actions", f'write `action == {action_type}::".."`')
        for action in actions:
            if action.type != action_type:
                _refuse(
                    policy,
                    f"the team `{team}` cannot decide about `{action}`",
                    f"its actions are those of the namespace `{namespace(team)}`",
                )

    return check


def namespace(team: str) -> str:
    """The namespace of a team's actions: `PartnerApi` for the team `partner_api`. No two teams share one."""
    return "".join(word.capitalize() for word in team.split("_"))


def _named_actions(scope: ActionScope) -> tuple[EntityUID, ...] | None:
    """The actions that a scope names; None when it is about all of them."""
    match scope:
        case ScopeAny():
            return None
        case ScopeEq():
            return (scope.entity,) if isinstance(scope.entity, EntityUID) else None
        case ActionIn():
            return scope.entities
        case _:
            assert_never(scope)


def _check_id(policy: Policy, prefix: str) -> None:
    id = policy.annotations.get("id")
    example = f'`@id("{prefix}/...")`'
    if "id" not in policy.annotations:
        _refuse(policy, "the policy has no `@id`", f"begin it with {example}")
    if id is None or len(id) > _MAX_ID or _ID.fullmatch(id) is None:
        _refuse(
            policy,
            f"{brief(id or '')} is no policy id",
            f"write {example}, of letters, digits, `-`, `_`, `.` and `/`, at most {_MAX_ID} of them",
        )
    if not id.startswith(f"{prefix}/"):
        _refuse(policy, f"the id `{id}` does not begin with `{prefix}/`", f"in this folder, ids are written {example}")


def _refuse(policy: Policy, message: str, help: str) -> NoReturn:
    raise PolicySetError(message, span=policy.span, source=policy.source, help=help)


def _refuse_strays(directory: Path, known: Iterable[Path]) -> None:
    """Refuses policy files that no rule has read: a guardrail in a misspelt folder must not silently be missing."""
    read = set(known)
    for pattern in ("*.cedar", "*/*.cedar", "*/*/*.cedar"):
        for path in sorted(directory.glob(pattern)):
            if path not in read and not any(part.startswith(".") for part in path.relative_to(directory).parts):
                raise BundleError(
                    "this policy file is at no place of a bundle", source=Source(printable(str(path)), ""), help=_LAYOUT
                )


def _validate(policies: Iterable[Policy], schema: Schema) -> None:
    validator = Validator(schema)
    for policy in policies:
        for found in validator.policy_findings(policy):
            if found.severity is Severity.ERROR:
                raise InvalidPolicy(found)


def _revision(files: Iterable[tuple[bytes, Source]]) -> str:
    """The hash of files by their names; each name and each content goes in with a tag and its length before it."""
    digest = hashlib.sha256()
    for name, source in sorted(files, key=lambda file: file[0]):
        for tag, value in ((b"N", name), (b"C", source.text.encode())):
            digest.update(tag + len(value).to_bytes(8, "big") + value)
    return digest.hexdigest()
