"""What is known where: held against sets that are copied at every place."""

from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.nodes import Expr, GetAttr, Literal, Var, Variable
from pdp.cedar.validate.capabilities import NOTHING, Capability, Known

P: Expr = Variable(Var.PRINCIPAL)
POOL: tuple[Capability, ...] = (
    (P, "a"),
    (P, Literal("a")),
    (Variable(Var.RESOURCE), "a"),
    (GetAttr(P, "a"), "b"),
    (P, Literal(1)),
    (P, Literal(True)),
)


@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, len(POOL) - 1))), max_size=30))
def test_places_inside_of_places(steps: list[tuple[int, set[int]]]) -> None:
    """Step (0, ..) goes inside, (1, ..) comes out; the others learn."""
    places = [Known()]
    models: list[set[Capability]] = [set()]
    learned: list[set[Capability]] = [set()]
    for kind, numbers in steps:
        capabilities = {POOL[number] for number in numbers}
        if kind == 0:
            places.append(Known(places[-1]))
            models.append(set(models[-1]))
            learned.append(set())
        elif kind == 1 and len(places) > 1:
            places.pop()
            models.pop()
            learned.pop()
        else:
            places[-1].learn(capabilities)
            models[-1] |= capabilities
            learned[-1] |= capabilities
        assert [capability in places[-1] for capability in POOL] == [each in models[-1] for each in POOL]
        assert places[-1].learned == learned[-1]


def test_nothing_is_known_at_first() -> None:
    assert not any(capability in Known() for capability in POOL)
    assert Known().learned == NOTHING
