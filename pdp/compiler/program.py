"""A compiled policy set: the decision by index and compiled conditions (`Cedar/Spec/Authorizer.lean`).

Same decision, reasons and errors as `pdp.evaluate.authorize` over the same policies: all determining policies, all
errors. Nothing here changes after compilation but a memo of responses, so threads share a program without a lock.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import Expr, GetAttr, HasAttr, Var, Variable
from pdp.cedar.policy import Effect, Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, PolicyError, Response
from pdp.cedar.text.depth import children
from pdp.cedar.values import EntityUID, Value
from pdp.compiler.index import Index
from pdp.compiler.link import ConditionFunction, Linker
from pdp.evaluate.authorize import combine

_NOT_PERMITTED: Final = Response(Decision.DENY, frozenset())
_NO_ATTRIBUTES: Final[Mapping[str, Value]] = {}
_NO_UIDS: Final[frozenset[EntityUID]] = frozenset()
_NO_SKIP: Final[frozenset[str]] = frozenset()

_MEMO_SIZE: Final = 4096
"""Responses without errors that are kept: building one costs as much as evaluating a policy, and few differ."""


def compile_policies(policies: PolicySet) -> "Program":
    """Compile every static policy and every link. Cannot fail: what is wrong in an expression fails at its turn."""
    return Program(policies)


@final
class Program:
    """Policies compiled and indexed. Policies are known by id: a static policy's own, or its link's."""

    def __init__(self, policies: PolicySet) -> None:
        self._linker = Linker()
        self._index = Index()
        self._policies: dict[str, Policy] = {}
        self._memo: dict[tuple[str, ...], Response] = {}
        conditions: dict[str, ConditionFunction | None] = {}
        for policy in (*policies.static.values(), *policies.templates.values()):
            conditions[policy.id] = self._linker.link(policy)
        for policy in policies.linked():
            link = policies.links.get(policy.id)
            condition = conditions[policy.id if link is None else link.template_id]
            self._policies[policy.id] = policy
            self._index.add(policy, condition, permits=policy.effect is Effect.PERMIT)

    @property
    def shapes(self) -> int:
        """How many code objects the policies share."""
        return self._linker.shapes

    def policy(self, policy_id: str) -> Policy:
        """The policy of an id, links filled in, with its annotations and source. Raises KeyError."""
        return self._policies[policy_id]

    def candidates(self, request: Request, entities: Entities) -> Iterable[str]:
        """Ids of the policies whose scope matches; only these are evaluated."""
        lookup, principal, resource = entities.lookup, request.principal, request.resource
        ancestors = [_NO_UIDS if stored is None else stored.ancestors for stored in map(lookup, (principal, resource))]
        rules = self._index.plan(request.action, lookup).select(principal, ancestors[0], resource, ancestors[1])
        return [policy_id for policy_id, _, _ in rules]

    def authorize(self, request: Request, entities: Entities, skip: frozenset[str] = _NO_SKIP) -> Response:
        """The decision over all policies but those in `skip`. Every failure of a policy is in the response's errors."""
        lookup, principal, resource = entities.lookup, request.principal, request.resource
        attrs = resource_attrs = _NO_ATTRIBUTES
        ancestors = resource_ancestors = _NO_UIDS
        if (stored := lookup(principal)) is not None:
            attrs, ancestors = stored.attrs, stored.ancestors
        if (stored := lookup(resource)) is not None:
            resource_attrs, resource_ancestors = stored.attrs, stored.ancestors
        context = request.context.fields
        plan = self._index.plan(request.action, lookup)
        rules = plan.always
        if plan.narrow:
            rules = plan.select(principal, ancestors, resource, resource_ancestors)
        allowing: list[str] = []
        denying: list[str] = []
        errors: list[PolicyError] = []
        for policy_id, permits, condition in rules:
            if skip and policy_id in skip:
                continue
            try:
                if condition is None or condition(
                    request, lookup, principal, attrs, ancestors, resource, resource_attrs, resource_ancestors, context
                ):
                    (allowing if permits else denying).append(policy_id)
            except EvaluationError as error:
                errors.append(PolicyError(policy_id, error.kind, error.message))
            except Exception:
                # A defect of this program, not of the policy. Evaluated once more in code of its own, the policy shows
                # its file and line in the traceback; shared code shows the first policy of the shape.
                self._linker.link_located(self._policies[policy_id])(
                    request, lookup, principal, attrs, ancestors, resource, resource_attrs, resource_ancestors, context
                )
                raise
        if errors:
            return combine(allowing, denying, sorted(errors, key=lambda error: error.policy_id))
        if not allowing and not denying:
            return _NOT_PERMITTED
        # One memo for both effects: an id belongs to a permit or to a forbid, never to both.
        determining = tuple(denying or allowing)
        return self._memo.get(determining) or self._remember(determining, allowing, denying)

    def _remember(self, determining: tuple[str, ...], allowing: list[str], denying: list[str]) -> Response:
        response = combine(allowing, denying, ())
        if len(self._memo) < _MEMO_SIZE:
            self._memo[determining] = response
        return response

    def reads_context(self, policy_id: str, name: str) -> bool:
        """Whether the policy's conditions may read the context's attribute `name`. Raises KeyError."""
        return any(_reads(condition.body, name) for condition in self._policies[policy_id].conditions)


def _reads(root: Expr, name: str) -> bool:
    return any(read is None or read == name for read in _context_reads(root))


def _context_reads(root: Expr) -> Iterator[str | None]:
    """Names of the context's attributes that an expression mentions; None where it uses the context as a whole."""
    pending = [root]
    while pending:
        match pending.pop():
            case GetAttr(Variable(Var.CONTEXT), name) | HasAttr(Variable(Var.CONTEXT), (name, *_)):
                yield name
            case Variable(Var.CONTEXT):
                yield None
            case expr:
                pending.extend(children(expr))
