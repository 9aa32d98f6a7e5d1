"""The policies about callers: read, checked, compiled, asked.

An operator's policies stand in one folder, in files `*.cedar`. Their ids begin with `callers/`, they have no slots, and
each passes the strict validator, as in a bundle. Decided is as in `evaluating`: a forbid that fails denies.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, unique
from importlib import resources
from pathlib import Path
from typing import Final, NoReturn, final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError, PolicySetError
from pdp.cedar.policy import Effect, Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.validate.findings import Severity
from pdp.cedar.validate.validator import Validator
from pdp.cedar.values import EntityUID, Record
from pdp.compiler.program import compile_policies
from pdp.documents import list_files, read_source
from pdp.policies.bundle import InvalidPolicy

_PREFIX: Final = "callers/"
_SUFFIX: Final = ".cedar"


class CallerPolicyError(CedarError):
    """A folder or file of policies about callers that cannot be read."""

    code = "caller_policies"


@unique
class CallerAction(Enum):
    """What a caller may do; `schema.cedarschema` says what each is."""

    CHECK = "check"
    ASSERT_SUBJECT = "assertSubject"
    EXPLAIN = "explain"
    SEARCH = "search"
    WATCH = "watch"
    READ_METRICS = "readMetrics"
    ADMINISTER = "administer"


@unique
class CallerDoor(Enum):
    """Where a caller may do it."""

    DECISIONS = "decisions"
    EXT_AUTHZ = "ext_authz"
    CONTEXT = "context"
    AUTHZEN = "authzen"
    FORWARD_AUTH = "forward_auth"
    KUBERNETES = "kubernetes"
    METRICS = "metrics"


@final
@dataclass(frozen=True, slots=True)
class Switches:
    """What the configuration says of callers on this machine."""

    accept_asserted: bool = False
    explain: bool = False


_ACTIONS: Final = {action: EntityUID("Pdp::Action", action.value) for action in CallerAction}
_DOORS: Final = {door: EntityUID("Pdp::Door", door.value) for door in CallerDoor}


@final
class CallerPolicies:
    """All policies about callers, compiled. `revision` is a SHA-256 over an operator's texts, `count` their number."""

    def __init__(self, policies: Iterable[Policy], schema: Schema, revision: str = "", count: int = 0) -> None:
        self.revision: Final = revision
        self.count: Final = count
        self._program = compile_policies(PolicySet(policies))
        self._actions = tuple(schema.action_entities())

    def permits(self, caller: Entity, action: CallerAction, door: CallerDoor, switches: Switches) -> bool:
        """Whether a caller, a `Pdp::Caller`, may do this."""
        context = Record({"accept_asserted": switches.accept_asserted, "explain": switches.explain})
        request = Request(caller.uid, _ACTIONS[action], _DOORS[door], context)
        response = self._program.authorize(request, Entities((caller, *self._actions)))
        if any(self._program.policy(failed).effect is Effect.FORBID for failed in response.erroring):
            return False
        return response.decision is Decision.ALLOW


def load_caller_policies(directory: Path | None) -> CallerPolicies:
    """The built-in policies and those of a directory. Raises CedarError at the first fault.

    In particular CallerPolicyError for a file that cannot be read, PolicySetError for a policy without an id of its
    own, InvalidPolicy for one that does not fit the schema.
    """
    schema, policies = builtin_schema(), builtin_policies()
    own: list[Policy] = []
    digest = hashlib.sha256()
    if directory is not None:
        for path in _files(directory):
            source = read_source(path, CallerPolicyError)
            for part in (path.name.encode("utf-8", "surrogateescape"), source.text.encode()):
                digest.update(len(part).to_bytes(8, "big") + part)
            own += _named(source)
    for policy in own:
        _check(policy)
    _validate((*policies, *own), schema)
    return CallerPolicies((*policies, *own), schema, digest.hexdigest(), len(own))


def builtin_schema() -> Schema:
    """What policies about callers are written for."""
    return parse_schema(_builtin("schema.cedarschema"))


def builtin_policies() -> list[Policy]:
    """The policies that always hold."""
    return _named(_builtin("builtin.cedar"))


def _files(directory: Path) -> tuple[Path, ...]:
    if not directory.is_dir():
        # A folder that was not mounted would take away who may ask, and what an operator forbids.
        raise CallerPolicyError(
            "there is no such folder of policies about callers",
            source=Source(printable(str(directory)), ""),
            help="make it, or remove `callers.policies` from the configuration",
        )
    return list_files(directory, _SUFFIX, CallerPolicyError)


def _builtin(name: str) -> Source:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return Source(f"(built in) {name}", text)


def _named(source: Source) -> list[Policy]:
    """The policies of a text by their annotation `@id`; one without it keeps an id that no policy may have."""
    return [replace(policy, id=policy.annotations.get("id") or "") for policy in parse_policies(source)]


def _check(policy: Policy) -> None:
    if not policy.id.startswith(_PREFIX) or policy.id == _PREFIX:
        _refuse(policy, "the policy has no id of its own", f'begin it with `@id("{_PREFIX}...")`')
    if policy.is_template:
        _refuse(policy, "a policy about callers has no slots", "name the caller, or ask for its attributes")


def _refuse(policy: Policy, message: str, help: str) -> NoReturn:
    raise PolicySetError(message, span=policy.span, source=policy.source, help=help)


def _validate(policies: Iterable[Policy], schema: Schema) -> None:
    validator = Validator(schema)
    for policy in policies:
        for found in validator.policy_findings(policy):
            if found.severity is Severity.ERROR:
                raise InvalidPolicy(found)
