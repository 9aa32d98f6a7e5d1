"""The rulebook: policies and links, which come and go, and any number of views of how it was.

Every rule carries the versions between which it is in force, as rows do in a database with multi-version concurrency.
To add one is to put it where it belongs, in force from the next version on; to remove one is to say that it ends there.
So both cost the same however many rules there are, a view takes no copy, and the view of an earlier version answers as
it did. Rules that have ended are taken out when no view is left that could see them.

Readers take no lock and never wait. Writers wait for each other only. What is kept of the past is what views that
live can see.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Final, final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import ActionIn, Link, Policy, PolicySet, Slot
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID
from pdp.compiler.chapters import Chapters
from pdp.compiler.index import Index
from pdp.compiler.limits import MAX_ACTIONS, MAX_RULES, MOST_POLICIES
from pdp.compiler.link import Linker
from pdp.compiler.outcome import Responses
from pdp.compiler.plan import Plans
from pdp.compiler.precompiled import Precompiled, precompile
from pdp.compiler.rules import FEW, Body, Rule
from pdp.compiler.static_types import StaticTypes
from pdp.compiler.views import View, Views

_SWEPT: Final = 4
"""Ended rules that a change looks at, to take them out. More than one, so that they do not pile up."""

_NO_VALUES: Final[Mapping[Slot, EntityUID]] = {}


@final
class _Template:
    """A template's body, which its links share, and how many links there are."""

    __slots__ = ("body", "links", "slots")

    def __init__(self, body: Body) -> None:
        self.body: Final = body
        self.slots: Final = body.policy.slots
        self.links = 0


@final
class Rulebook:
    """Policies, templates and links under one space of ids, compiled and indexed as they come.

    With a `schema`, code leaves out the tests that cannot fail in policies that are valid by it; whoever asks must then
    see to it that the request and all entities conform. Code for whole kinds of question is made by `Program.prepare`;
    with `fuse_after`, also by the request that is the so-manieth of its kind, which waits for it (`plan`). A `linker`
    that another rulebook has, or had, shares the code that it has made.
    """

    def __init__(
        self,
        policies: PolicySet | None = None,
        *,
        schema: Schema | None = None,
        fuse_after: int | None = None,
        linker: Linker | None = None,
    ) -> None:
        self.linker: Final = Linker() if linker is None else linker
        self.index: Final = Index()
        self.responses: Final = Responses()
        self._chapters: Final = Chapters()
        self._static_types: Final = None if schema is None else StaticTypes(schema)
        self._fuse_after: Final = fuse_after
        self._lock: Final = Lock()
        # Written under _lock, but read without it; `_policies` only saves making the same again.
        self._rules: Final[dict[str, Rule]] = {}
        self._former: Final[dict[str, tuple[Rule, ...]]] = {}
        self._lifted: Final[dict[Rule, None]] = {}
        self._policies: Final[dict[Rule, Policy]] = {}
        # guarded by: _lock
        self._templates: Final[dict[str, _Template]] = {}
        self._ended: Final[deque[Rule]] = deque()
        self._views: Final = Views()
        self._version = 0
        self._next = 1
        self._changed = False
        self._plans = self._plans_from(self._version)
        if policies is not None:
            for policy in (*policies.static.values(), *policies.templates.values()):
                self.add(policy)
            for link in policies.links.values():
                self.link(link)

    def __len__(self) -> int:
        """How many static policies and links there are."""
        return len(self._rules)

    def view(self) -> View:
        """The rulebook as it is now."""
        with self._lock:
            if self._changed:
                self._changed = False
                self._version = self._next
                self._next += 1
            return self._views.of(self._version, self._plans)

    def rule(self, policy_id: str, version: int) -> Rule:
        """The rule that an id has at a version of which there is a view. Raises KeyError."""
        # In this order: a rule that ends is in `_former` before it leaves `_rules`.
        rule = self._rules.get(policy_id)
        if rule is not None and rule.since <= version < rule.until:
            return rule
        for former in self._former.get(policy_id, ()):
            if former.since <= version < former.until:
                return former
        raise KeyError(policy_id)

    def policy(self, policy_id: str, version: int) -> Policy:
        """The policy, or the one that a link stands for. Raises KeyError."""
        rule = self.rule(policy_id, version)
        policy = self._policies.get(rule)
        if policy is None:
            if len(self._policies) >= MOST_POLICIES:
                self._policies.clear()
            policy = self._policies[rule] = rule.policy()
        return policy

    def lifted(self, version: int) -> Iterator[Rule]:
        """The rules of that version that were compiled with a narrower scope than was written."""
        for rule in tuple(self._lifted):
            if rule.since <= version < rule.until:
                yield rule

    def add(self, policy: Policy) -> None:
        """Take in a static policy or a template. Raises PolicySetError for an id that is taken, or past a limit."""
        self.take(precompile(policy, self.linker))

    def take(self, given: Precompiled) -> None:
        """Take in a static policy or a template that was compiled before. Raises PolicySetError as `add` does."""
        policy, linker = given.policy, self.linker
        with self._lock:
            self._refuse_taken(policy.id)
            _refuse_wide_scope(given)
            condition = None if given.code is None else linker.bind(given.code, given.constants)
            chapter = self._chapters.open(given.action)
            body = Body(policy, given.compiled, chapter, condition, given.principal, given.resource)
            if given.is_template:
                self._templates[policy.id] = _Template(body)
                chapter.uses += 1
            else:
                self._enter(Rule(policy.id, body, _NO_VALUES, self._next))

    def link(self, link: Link) -> None:
        """Take in a link. Raises PolicySetError for a taken id, an unknown template, or values that do not fit it."""
        with self._lock:
            self._refuse_taken(link.id)
            template = self._templates.get(link.template_id)
            if template is None:
                raise PolicySetError(
                    f"link `{link.id}` names the template `{link.template_id}`, which is not there",
                    help="link a policy whose scope has `?principal` or `?resource`",
                )
            if link.values.keys() != template.slots:
                template.body.policy.fill(link.id, link.values)  # says what is wrong
            template.links += 1
            self._enter(Rule(link.id, template.body, link.values, self._next))

    def remove(self, policy_id: str) -> None:
        """Take out a static policy, a link, or a template without links. Raises PolicySetError for anything else."""
        with self._lock:
            rule = self._rules.get(policy_id)
            if rule is None:
                self._remove_template(policy_id)
                return
            template = self._templates.get(rule.body.policy.id)
            if template is not None:
                template.links -= 1
            self._former[policy_id] = (*self._former.get(policy_id, ()), rule)
            del self._rules[policy_id]
            rule.until = self._next
            self._ended.append(rule)
            self._note_change(usable=not rule.is_wide and rule.body.chapter.few is None)

    def _refuse_taken(self, policy_id: str) -> None:
        if policy_id in self._rules or policy_id in self._templates:
            raise PolicySetError(f"duplicate policy id `{policy_id}`", help="give each policy and each link its own id")
        if len(self._rules) >= MAX_RULES:
            raise PolicySetError(
                f"the policy `{policy_id}` is one too many: {MAX_RULES} policies and links is the limit",
                help="grant to groups and on folders, and not to each person on each document",
            )

    def _remove_template(self, policy_id: str) -> None:
        template = self._templates.get(policy_id)
        if template is None:
            raise PolicySetError(f"there is no policy `{policy_id}` to remove")
        if template.links:
            raise PolicySetError(
                f"the template `{policy_id}` has {template.links} links and cannot be removed",
                help="remove its links first",
            )
        del self._templates[policy_id]
        self._leave(template.body)

    def _enter(self, rule: Rule) -> None:
        self._rules[rule.policy_id] = rule
        chapter = rule.body.chapter
        chapter.uses += 1
        if rule.body.is_lifted:
            self._lifted[rule] = None
        if rule.is_wide:
            chapter.wide[rule] = None
            self._note_change(usable=False)
        else:
            self.index.add(rule)
            # Plans may have made code for these few; and for a first one, they may not ask the index.
            self._note_change(usable=chapter.few is None)
            if chapter.few is not None:
                chapter.few = (*chapter.few, rule) if len(chapter.few) < FEW else None

    def _note_change(self, *, usable: bool) -> None:
        """There is to be a next version; plans that were made for the last one may not be `usable` for it."""
        self._changed = True
        if not usable and self._plans.version < self._next:
            self._plans = self._plans_from(self._next)
        versions = self._views.versions()
        for _ in range(min(_SWEPT, len(self._ended))):
            rule = self._ended.popleft()
            first = bisect_left(versions, rule.since)
            if first < len(versions) and versions[first] < rule.until:
                self._ended.append(rule)
            else:
                self._sweep(rule)

    def _plans_from(self, version: int) -> Plans:
        return Plans(self._chapters, version, self.linker, self._static_types, self._fuse_after)

    def _sweep(self, rule: Rule) -> None:
        """Take out a rule that no view can see any more."""
        policy_id = rule.policy_id
        left = tuple([other for other in self._former[policy_id] if other is not rule])
        if left:
            self._former[policy_id] = left
        else:
            del self._former[policy_id]
        self._lifted.pop(rule, None)
        chapter = rule.body.chapter
        if rule.is_wide:
            del chapter.wide[rule]
        else:
            self.index.discard(rule)
            if chapter.few is not None:
                chapter.few = tuple([other for other in chapter.few if other is not rule])
        self._leave(rule.body)

    def _leave(self, body: Body) -> None:
        body.chapter.uses -= 1
        if body.chapter.uses == 0:
            self._chapters.close(body.chapter)


def _refuse_wide_scope(given: Precompiled) -> None:
    scope = given.action
    if isinstance(scope, ActionIn) and len(scope.entities) > MAX_ACTIONS:
        policy = given.policy
        raise PolicySetError(
            f"the policy `{policy.id}` names {len(scope.entities)} actions, and {MAX_ACTIONS} is the limit",
            span=policy.span,
            source=policy.source,
            help="put the actions into a group, and name the group",
        )
