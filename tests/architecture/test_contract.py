import pytest

from adaptd.architecture import Contract

CONTRACT = Contract(features=("x0", "x1"), shape=(2, 64), classes=("a", "b", "c"))


def test_document_round_trip() -> None:
    assert Contract.from_document(CONTRACT.to_document()) == CONTRACT


def test_schema_digest_depends_on_the_order_of_classes() -> None:
    swapped = Contract(features=("x0", "x1"), shape=(2, 64), classes=("b", "a", "c"))
    assert swapped.schema_digest != CONTRACT.schema_digest


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"shape": None},
        {"shape": ["wide"]},
        {"classes": ["a", "b"]},
        {"schema_digest": "0" * 64},
    ],
)
def test_odd_document_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"contract|schema"):
        Contract.from_document({**CONTRACT.to_document(), **change})


@pytest.mark.parametrize("document", [None, [], "x"])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="object"):
        Contract.from_document(document)
