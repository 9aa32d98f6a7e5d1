"""Validation of policies against a schema, strict mode (`Cedar/Validation/Validator.lean`).

A policy without an error finding cannot meet a type error, nor a missing attribute or tag, in any request and with any
entities that conform to the schema. What can still go wrong: an entity that does not exist, an overflow, arithmetic of
dates.
"""

from collections.abc import Iterator
from typing import final

from pdp.cedar.nodes import Expr
from pdp.cedar.policy import ConditionKind, Policy, PolicySet
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Span
from pdp.cedar.validate.confusables import confusables
from pdp.cedar.validate.environment import Environment, environments, in_scope
from pdp.cedar.validate.findings import Code, Finding, Severity, finding
from pdp.cedar.validate.levels import Levels
from pdp.cedar.validate.literals import Names
from pdp.cedar.validate.typecheck import NOTHING, Capabilities, Typechecker
from pdp.cedar.validate.types import Truth


def validate(policies: PolicySet, schema: Schema, level: int | None = None) -> tuple[Finding, ...]:
    """All findings about all policies, templates and links, in their order; see `Validator`."""
    return tuple(Validator(schema, level).findings(policies))


@final
class Validator:
    """Validates against one schema. With a `level`, policies may read no further than that many entities deep."""

    def __init__(self, schema: Schema, level: int | None = None) -> None:
        self._schema = schema
        self._level = level
        self._names = Names(schema)
        self._environments = tuple(environments(schema))

    def findings(self, policies: PolicySet) -> Iterator[Finding]:
        """What there is to say about a policy set: errors and warnings of each policy, template and link."""
        for policy in (*policies.static.values(), *policies.templates.values()):
            yield from self.policy_findings(policy)
        for link in policies.links.values():
            policy = policies.templates[link.template_id].fill(link.id, link.values)
            yield from self._names.check_slots(policy, link)
            if not any(in_scope(policy, environment, self._schema) for environment in self._environments):
                yield _never_applicable(policy)

    def policy_findings(self, policy: Policy) -> Iterator[Finding]:
        """What there is to say about one policy or template, each thing once and not once per environment."""
        yield from self._names.check(policy)
        applicable = [each for each in self._environments if in_scope(policy, each, self._schema)]
        if not applicable:
            yield _never_applicable(policy)
        seen: set[tuple[Code, Span | None, str]] = set()
        impossible = bool(applicable)
        for environment in applicable:
            found, never = self._check(policy, environment)
            impossible = impossible and never
            for each in found:
                key = (each.code, each.span, each.message)
                if key not in seen:
                    seen.add(key)
                    yield each
        if impossible:
            message, help = "no request can satisfy the policy", "its conditions are false for every kind of request"
            yield finding(policy, Code.IMPOSSIBLE, message, None, help, severity=Severity.WARNING)
        yield from confusables(policy)

    def _check(self, policy: Policy, environment: Environment) -> tuple[list[Finding], bool]:
        """Findings of a policy in one environment, and whether it is never satisfied there."""
        found: list[Finding] = []

        def complain(code: Code, message: str, span: Span | None, help: str | None) -> None:
            found.append(finding(policy, code, message, span, help, environment=environment))

        checker = Typechecker(self._schema, environment, complain)
        known: Capabilities = NOTHING
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
                known |= gained
        if not found and self._level is not None:
            levels = Levels(self._level, checker)
            for body in alive:
                if (too_far := levels.exceeding(body)) is not None:
                    help = "fewer `.`, `has`, `in` or tags in a row, from a variable and not from a reference"
                    complain(Code.LEVEL, f"this reads more than {self._level} entities deep", too_far.span, help)
        return found, never


def _never_applicable(policy: Policy) -> Finding:
    help = "no action of the schema applies to such a principal and such a resource"
    return finding(policy, Code.NEVER_APPLIES, "the scope matches no kind of request", None, help)
