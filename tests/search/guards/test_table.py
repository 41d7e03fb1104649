"""All guards, by name."""

import torch

from adaptd.search.guards import GUARDS, default_guards
from adaptd.search.method import search
from tests.search.guards.problems import WITHOUT_SKIPS, open_problem


def test_every_guard_has_a_name_and_a_line() -> None:
    for name, kind in GUARDS.items():
        guard = kind()
        assert guard.name == name
        assert guard.summary
        assert guard.report()["acted"] is False


def test_each_default_set_is_new() -> None:
    names = [guard.name for guard in default_guards()]
    assert len(set(names)) == len(names)
    assert not set(map(id, default_guards())) & set(map(id, default_guards()))


def test_the_default_set_changes_nothing_where_there_are_no_skips() -> None:
    problem = open_problem(WITHOUT_SKIPS, steps=40)
    plain, guarded = search(problem), search(problem, guards=default_guards())
    assert plain is not None
    assert guarded is not None
    assert guarded.architecture == plain.architecture
    assert guarded.alphas == plain.alphas
    torch.testing.assert_close(
        guarded.network.state_dict(), plain.network.state_dict(), atol=0, rtol=0
    )
    assert not any(report["acted"] for report in guarded.guards.values())
