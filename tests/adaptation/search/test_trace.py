"""How a search went, thin enough to be drawn."""

import json

from adaptd.adaptation.search.job import Arm, SearchMoment
from adaptd.adaptation.search.trace import Trace


def _moments(steps: int) -> list[SearchMoment]:
    searched = steps // 4 + 1
    return [
        SearchMoment(
            "search" if step <= searched else "fold",
            step,
            steps,
            1 / step,
            {"cells.0": {"dw k3 d1": step / steps, "dw k5 d1": 1 - step / steps}},
        )
        for step in range(1, steps + 1)
    ]


def test_points_are_few_and_the_ends_of_phases_are_among_them() -> None:
    trace = Trace()
    for moment in _moments(10_000):
        trace.add(moment)
    steps = [point["step"] for point in trace.state["points"]]
    assert 400 <= len(steps) <= 403
    assert steps == sorted(set(steps))
    assert {2_501, 10_000} <= set(steps)
    assert {point["step"] for point in trace.state["points"] if point["alphas"]} == {
        step for step in steps if step <= 2_501
    }


def test_a_trace_in_two_goes_is_that_in_one() -> None:
    moments = _moments(1_000)
    whole = Trace()
    for moment in moments:
        whole.add(moment)
    for pause in (1, 250, 251, 252, 700):
        first = Trace()
        for moment in moments[:pause]:
            first.add(moment)
        second = Trace(json.loads(json.dumps(first.state)))
        for moment in moments[pause:]:
            second.add(moment)
        assert second.state == whole.state


def test_the_document_has_every_judgement_of_an_arm() -> None:
    arms = [Arm("a", "as given", 3, 1.5), Arm("a", "as given", 6, 1.25)]
    document = Trace().to_document(arms)
    assert [one["steps"] for one in document["judgements"]] == [3, 6]
    assert document["judgements"][1]["loss"] == 1.25
