"""A compiled policy set: the decision by index and compiled conditions (`Cedar/Spec/Authorizer.lean`).

Same decision, reasons and errors as `pdp.evaluate.authorize` over the same policies: all determining policies, all
errors. A program is one view of a rulebook: what it answers never changes, and threads share it without a lock.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import Expr, GetAttr, HasAttr, Var, Variable
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import PolicyError, Response
from pdp.cedar.schema.model import Schema
from pdp.cedar.text.depth import children
from pdp.compiler.operations import NOBODY
from pdp.compiler.outcome import NOTHING, Outcome, policy_error, respond
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.rules import Chapter, Rule
from pdp.evaluate.authorize import applies
from pdp.evaluate.operators import Lookup

_NO_SKIP: Final[frozenset[str]] = frozenset()
_NO_RULES: Final[tuple[Rule, ...]] = ()


def compile_policies(policies: PolicySet, schema: Schema | None = None) -> "Program":
    """Compile every static policy and every link. What is wrong in an expression fails at its turn.

    With a `schema`, see `Rulebook`: then requests and entities must conform to it. Raises PolicySetError for what is
    past a limit (`compiler.limits`). A program is quickest once it is prepared: see `Program.prepare`.
    """
    return Program(Rulebook(policies, schema=schema))


@final
class Program:
    """The policies of a rulebook as it is now, by id: a static policy's own, or its link's."""

    def __init__(self, book: Rulebook) -> None:
        self._book: Final = book
        self._view: Final = book.view()
        self._version: Final = self._view.version
        self._plans: Final = self._view.plans
        self._by_action: Final = self._plans.by_action

    @property
    def shapes(self) -> int:
        """How many code objects the policies share."""
        return self._book.linker.shapes

    def policy(self, policy_id: str) -> Policy:
        """The policy of an id, links filled in, with its annotations and source. Raises KeyError."""
        return self._book.policy(policy_id, self._version)

    def candidates(self, request: Request, entities: Entities) -> Iterable[str]:
        """Ids of the policies whose scope, as it was written, matches; at most these are evaluated."""
        lookup, principal, resource = entities.lookup, request.principal, request.resource
        plan = self._plans.open(request.action, lookup).variant(principal.type, resource.type)
        near, far = [(lookup(uid) or NOBODY).ancestors for uid in (principal, resource)]
        narrow = self._book.index.select(plan.chapters, self._version, principal, near, resource, far)
        as_written = [rule.policy_id for rule in (*plan.rules, *narrow) if not rule.body.is_lifted]
        lifted = self._book.lifted(self._version)
        return as_written + [rule.policy_id for rule in lifted if applies(rule.body.policy, request, entities)]

    def authorize(self, request: Request, entities: Entities, skip: frozenset[str] = _NO_SKIP) -> Response:
        """The decision over all policies but those in `skip`. Every failure of a policy is in the response's errors."""
        lookup = entities.lookup
        action = request.action
        plan = self._by_action.get(action)
        if plan is None or (plan.is_checked and lookup(action) is not plan.entity):
            plan = self._plans.open(action, lookup)
        if (variants := plan.variants) is not None:
            types = request.principal.type, request.resource.type
            plan = variants.get(types) or plan.variant(*types)
        outcome, rules, narrow = NOTHING, _NO_RULES, plan.beyond
        if (decide := plan.decide) is None:
            rules, narrow = plan.use(), plan.narrow
        else:
            try:
                result = decide(request, lookup, request.principal, request.resource)
                outcome = plan.outcomes.get(result) or plan.outcome(result)
            except Exception:
                # A defect of this program, not of the policies: one by one, they show which it is.
                rules, narrow = plan.rules, plan.narrow
        if rules or narrow or skip:
            return self._settle(plan.chapters if narrow else None, request, lookup, outcome, rules, skip)
        return outcome.response

    def _settle(
        self,
        chapters: frozenset[Chapter] | None,
        request: Request,
        lookup: Lookup,
        outcome: Outcome,
        rules: Sequence[Rule],
        skip: frozenset[str],
    ) -> Response:
        """The response when there is more than `outcome`: rules still to evaluate, also of the index, or to skip."""
        principal, resource, context = request.principal, request.resource, request.context.fields
        subject, target = lookup(principal) or NOBODY, lookup(resource) or NOBODY
        attrs, ancestors = subject.attrs, subject.ancestors
        resource_attrs, resource_ancestors = target.attrs, target.ancestors
        if chapters is not None:
            select = self._book.index.select
            found = select(chapters, self._version, principal, ancestors, resource, resource_ancestors)
            rules = (*rules, *found) if rules else found
        if skip:
            rules = [rule for rule in rules if rule.policy_id not in skip]
        elif not rules:
            return outcome.response
        satisfied: list[Rule] = []
        errors: list[PolicyError] = []
        for rule in rules:
            condition = rule.body.condition
            try:
                if condition is None or condition(
                    request, lookup, principal, attrs, ancestors, resource, resource_attrs, resource_ancestors, context
                ):
                    satisfied.append(rule)
            except EvaluationError as error:
                errors.append(policy_error(rule, error))
            except Exception:
                # A defect of this program, not of the policy. Evaluated once more in code of its own, the policy shows
                # its file and line in the traceback; shared code shows the first policy of the shape.
                self._book.linker.link_located(rule.body.compiled)(
                    request, lookup, principal, attrs, ancestors, resource, resource_attrs, resource_ancestors, context
                )
                raise
        denying = [rule.policy_id for rule in satisfied if not rule.body.permits]
        if not (denying or errors or skip) and (outcome.denying or not satisfied):
            return outcome.response
        denying += outcome.denying
        allowing = [*outcome.allowing, *[rule.policy_id for rule in satisfied if rule.body.permits]]
        errors += outcome.errors
        if skip:
            allowing, denying = ([id for id in ids if id not in skip] for ids in (allowing, denying))
            errors = [error for error in errors if error.policy_id not in skip]
        return respond(allowing, denying, errors) if errors else self._book.responses.of(allowing, denying)

    def prepare(self, schema: Schema, entities: Entities) -> None:
        """Make code for the kinds of question that a schema declares: once, before the program is used much.

        It takes some milliseconds for each kind, and decisions are up to three times as quick afterwards. Entities are
        asked only which groups actions are in.
        """
        for _ in self.preparing(schema, entities):
            pass

    def preparing(self, schema: Schema, entities: Entities) -> Generator[None, None, None]:
        """As `prepare`, a little at each step: for whoever must not hold up others."""
        return self._plans.preparing(schema, entities.lookup)

    def reads_context(self, policy_id: str, name: str) -> bool:
        """Whether the policy's conditions may read the context's attribute `name`. Raises KeyError."""
        conditions = self._book.rule(policy_id, self._version).body.policy.conditions
        return any(_reads(condition.body, name) for condition in conditions)


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
