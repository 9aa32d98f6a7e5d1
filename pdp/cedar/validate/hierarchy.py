"""What may be in what, as a schema declares it (`Cedar/Validation/Types.lean`: descendentOf)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Final, final

from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.values import EntityUID


@final
class Hierarchy:
    """The declared ancestors of a schema's entity types and actions, ready to be asked."""

    def __init__(self, schema: Schema) -> None:
        self.actions: Final[Sequence[Action]] = [schema.actions[uid] for uid in sorted(schema.actions)]
        """All actions, in the order of their names."""
        self._actions: Final = schema.actions
        groups: defaultdict[str, set[str]] = defaultdict(set)
        members: defaultdict[EntityUID, set[EntityUID]] = defaultdict(set)
        for uid, action in schema.actions.items():
            # Only single actions have groups: a type of actions may be in whatever type one of them is.
            groups[uid.type].update(group.type for group in action.ancestors)
            for group in (uid, *action.ancestors):
                members[group].add(uid)
        types: dict[str, Set[str]] = {name: declared.ancestors for name, declared in schema.entity_types.items()}
        self._types: Final[Mapping[str, Set[str]]] = {**types, **groups}
        self._members: Final = dict(members)

    def may_be_in(self, entity_type: str, ancestor_type: str) -> bool:
        """Whether an entity of the first type can equal or be below one of the second."""
        return entity_type == ancestor_type or ancestor_type in self._types.get(entity_type, ())

    def is_in(self, action: EntityUID, groups: Iterable[EntityUID]) -> bool:
        """Whether a declared action is one of these, or below one."""
        ancestors = self._actions[action].ancestors
        return any(group == action or group in ancestors for group in groups)

    def named(self, uid: EntityUID) -> Sequence[Action]:
        """The action of this name, if there is one."""
        action = self._actions.get(uid)
        return () if action is None else (action,)

    def members(self, groups: Iterable[EntityUID]) -> Sequence[Action]:
        """The actions that are one of these or below one, in the order of their names."""
        found: set[EntityUID] = set()
        for group in groups:
            found |= self._members.get(group, set())
        return [self._actions[uid] for uid in sorted(found)]
