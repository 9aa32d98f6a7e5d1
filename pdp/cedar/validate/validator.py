"""Validation of policies against a schema, strict mode (`Cedar/Validation/Validator.lean`).

A policy without an error finding cannot meet a type error, nor a missing attribute or tag, in any request and with any
entities that conform to the schema. What can still go wrong: an entity that does not exist, an overflow, arithmetic of
dates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, final

from pdp.cedar.nodes import Expr
from pdp.cedar.policy import ActionIn, ConditionKind, Policy, PolicySet, ScopeEq, ScopeIn, ScopeIsIn
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Span
from pdp.cedar.validate.capabilities import Known
from pdp.cedar.validate.confusables import confusable_texts, hidden_characters
from pdp.cedar.validate.environment import Environment, Environments, reads
from pdp.cedar.validate.findings import Code, Fault, Finding, Severity, finding
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.validate.levels import Levels, too_far
from pdp.cedar.validate.names import Names, walk
from pdp.cedar.validate.typecheck import Typechecker
from pdp.cedar.validate.types import Truth
from pdp.cedar.values import EntityUID

_MANY: Final = 50
"""Environments in which a policy is found to be at fault before we have said enough about it."""

_NEVER_APPLIES: Final = Fault(
    Code.NEVER_APPLIES,
    "the scope matches no kind of request",
    "no action of the schema applies to such a principal and such a resource",
)
_IMPOSSIBLE: Final = Fault(
    Code.IMPOSSIBLE, "no request can satisfy the policy", "its conditions are false for every kind of request"
)


def validate_policies(policies: PolicySet, schema: Schema, level: int | None = None) -> tuple[Finding, ...]:
    """All findings about all policies, templates and links, in their order; see `Validator`."""
    return tuple(Validator(schema, level).findings(policies))


@final
class Validator:
    """Validates against one schema. With a `level`, policies may read no further than that many entities deep."""

    def __init__(self, schema: Schema, level: int | None = None) -> None:
        self._schema: Final = schema
        self._level: Final = level
        self._names: Final = Names(schema)
        self._hierarchy: Final = Hierarchy(schema)
        self._environments: Final = Environments(self._hierarchy)

    def findings(self, policies: PolicySet) -> Iterator[Finding]:
        """What there is to say about a policy set: of each policy, template and link, and hidden characters last."""
        written = (*policies.static.values(), *policies.templates.values())
        for policy in written:
            yield from self.policy_findings(policy)
        for link in policies.links.values():
            template = policies.templates[link.template_id]
            policy = template.fill(link.id, link.values)
            misnamed = tuple(self._names.in_slots(policy, template, link))
            yield from misnamed
            if all(each.severity is Severity.WARNING for each in misnamed) and not self._applies(policy):
                yield self._never_applies(policy)
        yield from hidden_characters(written)

    def policy_findings(self, policy: Policy) -> Iterator[Finding]:
        """What there is to say about one policy or template, each thing once and not once per environment."""
        nodes = tuple(walk([condition.body for condition in policy.conditions]))
        misnamed = tuple(self._names.in_scope(policy))
        yield from misnamed
        misread = tuple(self._names.in_conditions(policy, nodes))
        yield from misread
        if self._applies(policy):
            yield from self._scope_level_findings(policy)
            yield from self._condition_findings(policy, nodes, is_named=not misread)
        elif not misnamed:
            yield self._never_applies(policy)
        yield from confusable_texts(policy, nodes)

    def _applies(self, policy: Policy) -> bool:
        return any(True for _ in self._environments.matching(policy, frozenset()))

    def _never_applies(self, policy: Policy) -> Finding:
        for variable, changed, spans in _with_in(policy):
            if self._applies(changed):
                help = (
                    f"did you mean `{variable} in ...`? what is named is a group, and `==` is not true of its members"
                )
                return finding(policy, replace(_NEVER_APPLIES, help=help), spans[0] if spans else None)
        return finding(policy, _NEVER_APPLIES)

    def _scope_level_findings(self, policy: Policy) -> Iterator[Finding]:
        """At level 0 nobody gives the groups that an entity is in, so that no scope may ask for them."""
        if self._level == 0:
            for scope in (policy.principal, policy.action, policy.resource):
                if isinstance(scope, ScopeIn | ScopeIsIn | ActionIn):
                    yield finding(policy, too_far(1, 0), scope.spans[-1] if scope.spans else None)

    def _condition_findings(self, policy: Policy, nodes: Sequence[Expr], *, is_named: bool) -> Iterator[Finding]:
        """What the types say; a policy in which all is declared may turn out to be satisfied by nothing."""
        seen: set[tuple[Code, Span | None, str]] = set()
        faulty = 0
        impossible = is_named
        for environment in self._environments.matching(policy, reads(nodes, self._schema)):
            found, never = self._check(policy, environment)
            impossible = impossible and never and not found
            for each in found:
                key = (each.code, each.span, each.message)
                if key not in seen:
                    seen.add(key)
                    yield each
            faulty += bool(found)
            if faulty == _MANY:
                return
        if impossible:
            yield finding(policy, _IMPOSSIBLE, severity=Severity.WARNING)

    def _check(self, policy: Policy, environment: Environment) -> tuple[list[Finding], bool]:
        """Findings of a policy in one environment, and whether it is never satisfied there."""
        found: list[Finding] = []

        def complain(fault: Fault, span: Span | None) -> None:
            found.append(finding(policy, fault, span, environment=environment))

        checker = Typechecker(self._schema, self._hierarchy, environment, complain)
        known = Known()
        alive: list[Expr] = []
        never = False
        for condition in policy.conditions:
            type, gained = checker.check_bool(condition.body, known)
            alive.append(condition.body)
            # `unless` is a negation: what its body knows when true is not known behind it.
            if type is (Truth.FALSE if condition.kind is ConditionKind.WHEN else Truth.TRUE):
                never = True
                break
            if condition.kind is ConditionKind.WHEN:
                known.learn(gained)
        if not found and self._level is not None:
            levels = Levels(self._level, self._schema, environment.action.uid, checker.types, complain)
            for body in alive:
                levels.check(body)
        return found, never


def _with_in(policy: Policy) -> Iterator[tuple[str, Policy, tuple[Span, ...]]]:
    """A policy with an `in` for one `==` of its scope: the variable, the policy, and where the name stands."""
    principal, action, resource = policy.principal, policy.action, policy.resource
    if isinstance(principal, ScopeEq):
        yield "principal", replace(policy, principal=ScopeIn(principal.entity)), principal.spans
    if isinstance(action, ScopeEq) and isinstance(action.entity, EntityUID):
        yield "action", replace(policy, action=ActionIn((action.entity,))), action.spans
    if isinstance(resource, ScopeEq):
        yield "resource", replace(policy, resource=ScopeIn(resource.entity)), resource.spans
