"""The rows of old concepts."""

from dataclasses import replace

from adaptd.clock import FakeClock
from adaptd.registry import old_concepts
from adaptd.registry.old_concepts import OldConcept
from adaptd.store.database import Database


def concept(clock: FakeClock, weights: str, *, stream: str = "s", end: int) -> OldConcept:
    return OldConcept(
        stream=stream,
        weights=weights * 64,
        release=1,
        first_record=0,
        end_record=end,
        offered=80,
        accuracy=0.9,
        records=40,
        digest=weights * 64,
        path=f"reservoir/{stream}/{weights}.arrow",
        at=clock.now(),
    )


def test_concepts_come_in_the_order_in_which_they_ended(
    database: Database, clock: FakeClock
) -> None:
    late, early = concept(clock, "a", end=900), concept(clock, "b", end=500)
    with database.write() as connection:
        for one in (late, early, concept(clock, "c", stream="other", end=1)):
            old_concepts.keep(connection, one)
        assert old_concepts.listing(connection, "s") == [early, late]
        old_concepts.drop(connection, early)
        assert old_concepts.listing(connection, "s") == [late]


def test_a_model_has_one_concept_that_is_replaced(database: Database, clock: FakeClock) -> None:
    first = concept(clock, "a", end=500)
    later = replace(first, end_record=900, offered=200, digest="f" * 64)
    with database.write() as connection:
        old_concepts.keep(connection, first)
        old_concepts.keep(connection, later)
        assert old_concepts.listing(connection, "s") == [later]
