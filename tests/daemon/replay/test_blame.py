import pytest

from adaptd.daemon.replay.blame import (
    NOT_RECORDED,
    NOTHING_KNOWN,
    Stage,
    blame,
    differences,
)

NOW = {
    "adaptd": "0.2.0",
    "source": "abc",
    "torch": "2.13.0",
    "onnxruntime": "1.27.0",
    "numpy": "2.5.0",
    "instructions": "AVX512",
    "device": "cpu",
    "threads": "1",
}


@pytest.mark.parametrize(
    ("then", "stage", "said"),
    [
        ({"torch": "2.12.0"}, "training", "to blame: torch 2.12.0 then, 2.13.0 now"),
        ({"torch": "2.12.0"}, "trial", NOTHING_KNOWN),
        ({"onnxruntime": "1.26.0"}, "training", NOTHING_KNOWN),
        ({"onnxruntime": "1.26.0"}, "trial", "to blame: onnxruntime 1.26.0 then, 1.27.0 now"),
        ({"instructions": "AVX2"}, "training", "to blame: CPU capability AVX2 then, AVX512 now"),
        ({"threads": "4"}, "training", "to blame: thread count 4 then, 1 now"),
        ({"adaptd": "0.1.0"}, "training", "to blame: adaptd 0.1.0 then, 0.2.0 now"),
        ({"source": "def"}, "trial", "to blame: adaptd's source def then, abc now"),
        ({}, "training", NOTHING_KNOWN),
    ],
)
def test_what_was_something_else_in_that_stage_is_to_blame(
    then: dict[str, str], stage: Stage, said: str
) -> None:
    assert blame({**NOW, **then}, NOW, stage=stage) == said


def test_of_several_the_likelier_cause_comes_first() -> None:
    then = {**NOW, "numpy": "2.4.0", "torch": "2.12.0"}
    assert blame(then, NOW, stage="training") == (
        "to blame, one of these, the likelier first: "
        "torch 2.12.0 then, 2.13.0 now; numpy 2.4.0 then, 2.5.0 now"
    )


def test_another_version_stands_for_its_source() -> None:
    then = {**NOW, "adaptd": "0.1.0", "source": "def"}
    assert [one.name for one in differences(then, NOW, stage="training")] == ["adaptd"]


def test_what_was_not_recorded_cannot_be_blamed() -> None:
    assert blame({}, NOW, stage="training") == NOT_RECORDED
    assert differences({"adaptd": "0.2.0"}, NOW, stage="training") == []
