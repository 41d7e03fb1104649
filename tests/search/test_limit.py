"""How many edges may end with a kind of operation."""

from adaptd.search.limit import Limit, kind_of


def test_a_limit_counts_its_own_edges_and_operations() -> None:
    skips = frozenset({"skip", "identity"})
    limit = Limit({"a": skips, "b": skips}, 1, "skips")
    assert limit.uses(("a", "b", "c"), "skip") == 2
    assert limit.uses(("c",), "identity") == 0
    assert limit.uses(("a",), "dw k3 d1") == 0
    assert str(limit) == "at most 1 skips on a, b"
    assert kind_of("dw k3 d1") == "dw"
