"""Changes of facts while the world answers: checked, kept, and answering before they are acknowledged.

A write costs what it changes, however many facts there are: the new world shares with the one before it all that is
alike, the compiled policies included.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock
from typing import final

from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID
from pdp.compiler.program import Program
from pdp.context.changes import Change, EntityKey, GrantKey, PostureKey, key_of
from pdp.context.conforming import Conformity
from pdp.context.facts import Grant
from pdp.context.state import State
from pdp.context.store import ContextSnapshot, ContextStore, StoreError
from pdp.engine import changes as worlds
from pdp.engine.grants import GrantLinks, link_of, reindexed
from pdp.engine.snapshot import CurrentWorld, World, refuse_unlinkable


@final
class Writing:
    """Writes to the store, and publishes what is believed then. `lock` is the one under which worlds are replaced."""

    def __init__(self, current: CurrentWorld, store: ContextStore, lock: Lock) -> None:
        self._current = current
        self._store = store
        self._lock = lock
        self._conformity: Conformity | None = None

    def write(self, changes: Sequence[Change], source: str, observed_at: int) -> ContextSnapshot:
        """Make the changes, all or none. On return they are durable, and every answer from now on knows of them.

        Raises CedarError with nothing changed: ConformanceError and what `conforming` raises for facts that do not fit
        the schema, PolicySetError for a grant without its template, and what `ContextStore.write` raises.
        """
        with self._lock:
            world = self._current.world
            if world is None:
                raise StoreError("nothing is loaded yet", help="write when the decision point is ready")
            before = self._store.snapshot()
            keys = dict.fromkeys(map(key_of, changes))
            granted = [key.id for key in keys if isinstance(key, GrantKey)]
            relinking, conformity = _Relinking(world), self._conformity_to(world.schema)

            def check(snapshot: ContextSnapshot) -> None:
                for key in keys:
                    if (belief := snapshot.state.believed(key)) is not None:
                        conformity.check(belief)
                gone, come = _of(before.state, granted), _of(snapshot.state, granted)
                for grant in come:
                    refuse_unlinkable(world.policies, grant)
                relinking.do(gone, come)

            try:
                after = self._store.write(changes, source, observed_at, check)
            except BaseException:
                relinking.undo()
                raise
            facts = after.facts
            entities = [key.uid for key in keys if isinstance(key, EntityKey)]
            self._current.publish(
                replace(
                    world,
                    context_revision=after.revision,
                    facts=facts,
                    policies=world.policies.with_links(GrantLinks(facts.grants)),
                    program=Program(world.book) if relinking.done else world.program,
                    grants=reindexed(world.grants, relinking.gone, relinking.come),
                ),
                worlds.Change(
                    entities=_affected(before.state, after.state, entities),
                    posture=frozenset(key.subject for key in keys if isinstance(key, PostureKey)),
                    grants=frozenset(grant.principal for grant in (*relinking.gone, *relinking.come)),
                ),
            )
            return after

    def _conformity_to(self, schema: Schema) -> Conformity:
        if self._conformity is None or self._conformity.schema is not schema:
            self._conformity = Conformity(schema)
        return self._conformity


@final
class _Relinking:
    """Puts the links of grants into the rulebook, and takes them out again when the write fails.

    Nobody sees the rulebook in between: what is seen of it is the view that the next `Program` takes.
    """

    def __init__(self, world: World) -> None:
        self._book = world.book
        self.gone: tuple[Grant, ...] = ()
        self.come: tuple[Grant, ...] = ()

    @property
    def done(self) -> bool:
        """Whether there is anything new in the rulebook."""
        return bool(self.gone or self.come)

    def do(self, gone: Iterable[Grant], come: Iterable[Grant]) -> None:
        """Raises PolicySetError past a limit of the rulebook; `undo` then takes back what was done until then."""
        for grant in gone:
            self._book.remove(grant.id)
            self.gone = (*self.gone, grant)
        for grant in come:
            self._book.link(link_of(grant))
            self.come = (*self.come, grant)

    def undo(self) -> None:
        for grant in self.come:
            self._book.remove(grant.id)
        for grant in self.gone:
            self._book.link(link_of(grant))


def _of(state: State, ids: Iterable[str]) -> tuple[Grant, ...]:
    return tuple(state.grants[id] for id in ids if id in state.grants)


def _affected(before: State, after: State, uids: Iterable[EntityUID]) -> frozenset[EntityUID]:
    """The entities that are others now: those that were written, and all below one that moved."""
    moved = [uid for uid in uids if _place(before, uid) != _place(after, uid)]
    return frozenset((*uids, *before.hierarchy.below(moved), *after.hierarchy.below(moved)))


def _place(state: State, uid: EntityUID) -> frozenset[EntityUID] | None:
    entity = state.hierarchy.get(uid)
    return None if entity is None else entity.parents
