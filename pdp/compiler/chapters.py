"""Chapters: the rules by action scope, and which of these scopes a request's action falls under."""

from collections.abc import Sequence
from typing import Final, final

from pdp.cedar.policy import ActionIn, ActionScope, ScopeAny, ScopeEq
from pdp.cedar.values import EntityUID
from pdp.compiler.rules import Chapter

_NO_CHAPTERS: Final[dict[Chapter, None]] = {}


@final
class Chapters:
    """All chapters of a rulebook. One writer at a time; reading needs no lock."""

    __slots__ = ("_by_member", "_by_scope", "_members")

    def __init__(self) -> None:
        self._by_scope: Final[dict[ActionScope, Chapter]] = {}
        # Chapters of `in` by each entity named. `_members` repeats the keys: two sets meet without hashing anew.
        self._by_member: Final[dict[EntityUID, dict[Chapter, None]]] = {}
        self._members: Final[set[EntityUID]] = set()

    @property
    def ask_groups(self) -> bool:
        """Whether the groups that an action is in matter to any scope."""
        return bool(self._members)

    def open(self, scope: ActionScope) -> Chapter:
        """The chapter of a scope, made if it is new."""
        chapter = self._by_scope.get(scope)
        if chapter is None:
            chapter = self._by_scope[scope] = Chapter(scope)
            for member in _members(scope):
                self._by_member.setdefault(member, {})[chapter] = None
                self._members.add(member)
        return chapter

    def close(self, chapter: Chapter) -> None:
        """Forget a chapter that has no rules left."""
        del self._by_scope[chapter.scope]
        for member in _members(chapter.scope):
            chapters = self._by_member[member]
            del chapters[chapter]
            if not chapters:
                del self._by_member[member]
                self._members.discard(member)

    def under(self, action: EntityUID, ancestors: frozenset[EntityUID]) -> Sequence[Chapter]:
        """The chapters whose scope an action with these ancestors matches, each once."""
        found: dict[Chapter, None] = {}
        for scope in (ScopeAny(), ScopeEq(action)):
            chapter = self._by_scope.get(scope)
            if chapter is not None:
                found[chapter] = None
        for member in (action, *(self._members & ancestors)):
            found |= self._by_member.get(member, _NO_CHAPTERS)
        return tuple(found)


def _members(scope: ActionScope) -> Sequence[EntityUID]:
    """The entities of an `in`, each once."""
    return tuple(dict.fromkeys(scope.entities)) if isinstance(scope, ActionIn) else ()
