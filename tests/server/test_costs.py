import pytest

from adaptd.server import costs
from adaptd.server.costs import Cost
from adaptd.server.wording import NO_BREAK, TIMES

MACS = Cost(champion=100, challenger=110, cap=110)


def said(*given: Cost | None) -> list[tuple[bool, str]]:
    return [(holds, text.replace(NO_BREAK, " ")) for holds, text in costs.checks(*given)]


@pytest.mark.parametrize(("parameters", "holds"), [(1_500, True), (1_501, False)])
def test_a_cap_is_kept_up_to_the_number_itself(parameters: int, *, holds: bool) -> None:
    found = said(MACS, Cost(champion=1_000, challenger=parameters, cap=1_500), None)
    assert [one for one, _ in found] == [True, holds]
    assert f"It has {parameters:,} parameters, 1.50" in found[1][1]
    assert found[1][1].endswith("of the champion's 1,000; the cap is 1,500.")


def test_a_prediction_is_told_in_milliseconds() -> None:
    ((holds, text),) = said(None, None, Cost(champion=0.001, challenger=0.00525, cap=0.005))
    assert not holds
    assert text == (
        f"One prediction takes 5.25 ms on one thread of the daemon's machine, 5.250{TIMES} of the "
        "champion's 1 ms; the cap is 5 ms."
    )


def test_what_has_no_cap_or_was_not_measured_is_no_check() -> None:
    assert said(None, Cost(champion=10, challenger=12), Cost(cap=0.001)) == []


def test_facts_name_what_is_known() -> None:
    given = (MACS, Cost(challenger=12), Cost(champion=0.001, challenger=0.002))
    found = {title: text.replace(NO_BREAK, " ") for title, text in costs.facts(*given)}
    assert found == {
        "Multiply-accumulates": "110 (champion 100, cap 110)",
        "Parameters": "12",
        "One prediction": "2 ms (champion 1 ms)",
    }
    assert list(costs.facts(None, Cost(), None)) == []
