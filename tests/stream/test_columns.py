import pytest

from adaptd.config import RecordConfig
from adaptd.errors import SourceError
from adaptd.stream.columns import Columns
from adaptd.stream.schema import Schema

TABLE = RecordConfig(
    shape=(2,),
    classes=("calm", "rough"),
    encoding="fields",
    features=("temperature", "pressure"),
    target="label",
)


def test_columns_are_numbered_where_features_have_no_fields(schema: Schema) -> None:
    columns = Columns.of(schema)
    right = ["x0", "x1", "x2", "x3", "x4", "x5", "target"]
    columns.check([*right, "segment", "xylophone", "id", "id"], origin="a.csv")
    for wrong, seen in (
        (right[1:], "x0"),
        (right[:-1], "target"),
        ([*right, "x6"], "x6"),
        ([*right, "x2"], "x2"),
    ):
        with pytest.raises(SourceError, match=seen) as caught:
            columns.check(wrong, origin="a.csv")
        assert "a.csv" in str(caught.value)


def test_a_weight_has_a_column_of_its_own_whatever_numbers_are_called() -> None:
    for record in (TABLE, RecordConfig(shape=(1, 2), classes=("calm", "rough"), target="label")):
        columns = Columns.of(Schema.of(record.model_copy(update={"weight": "w"})))
        right = [*columns.numbers, "label", "w"]
        columns.check(right, origin="a.csv")
        with pytest.raises(SourceError, match=r"no column w; expected .* and label and w"):
            columns.check(right[:-1], origin="a.csv")
        with pytest.raises(SourceError, match="two columns are called w"):
            columns.check([*right, "w"], origin="a.csv")


def test_columns_have_the_names_of_the_features_where_those_are_fields() -> None:
    columns = Columns.of(Schema.of(TABLE))
    right = ["label", "pressure", "temperature"]
    columns.check([*right, "x9", "segment"], origin="a.csv")
    for wrong, seen in (
        (right[1:], "no column label"),
        (right[:-1], "no column temperature"),
        ([*right, "pressure"], "two columns are called pressure"),
        ([*right, "id", "id"], "two columns are called id"),
    ):
        with pytest.raises(SourceError, match=seen):
            columns.check(wrong, origin="a.csv")
