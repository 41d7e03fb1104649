import pytest
from pydantic import ValidationError

from adaptd.config import RecordConfig

PLAIN = {"shape": [2], "classes": ["calm", "rough"]}
TABLE = {**PLAIN, "encoding": "fields", "features": ["temperature", "payload.pressure"]}


def test_what_most_records_need_is_their_shape_and_classes() -> None:
    record = RecordConfig.model_validate(PLAIN)
    assert (record.id, record.time, record.target, record.x) == ("id", "time", "target", "x")
    assert (record.prediction, record.missing, record.format) == (None, "reject", "json")
    assert record.weight is None
    assert record.maximum_ahead_seconds == 3_600


def test_a_table_names_its_fields() -> None:
    assert RecordConfig.model_validate(TABLE).features == ("temperature", "payload.pressure")
    # Where each number has a field of its own, none is called x.
    assert RecordConfig.model_validate({**TABLE, "weight": "x"}).weight == "x"


@pytest.mark.parametrize(
    ("changed", "key", "said"),
    [
        ({**TABLE, "features": None}, "features", "needed with encoding fields"),
        ({**TABLE, "shape": [2, 3]}, "features", r"for shape \[features\], not \[2, 3\]"),
        ({**TABLE, "features": ["a", "a"]}, "features", "must differ"),
        ({**TABLE, "features": ["a", "time"]}, "time", "is one of record.features"),
        ({**TABLE, "features": ["a", "b"], "target": "b"}, "target", "is one of record.features"),
        ({**TABLE, "features": ["a", "b"], "weight": "b"}, "weight", "is one of record.features"),
        *(
            (
                {**PLAIN, "prediction": "said", "weight": field},
                "weight",
                f"is the field of record.{key}, which holds no weights",
            )
            for key, field in (
                *((name, name) for name in ("id", "time", "target", "x")),
                ("prediction", "said"),
            )
        ),
        ({**PLAIN, "x": "a..b"}, "x", "pattern"),
        ({**PLAIN, "dtype": "float8"}, "dtype", "float16"),
        ({**PLAIN, "missing": "mean"}, "missing", "'reject' or 'zero'"),
        ({**PLAIN, "stand_ins": {"x2": 1}}, "stand_ins", "such as x0"),
        ({**PLAIN, "stand_ins": {"x0": "nan"}}, "stand_ins.x0", "finite"),
        ({**PLAIN, "format": "avro"}, "avro", "needed with format avro"),
        ({**PLAIN, "avro": {"schema_file": "a.avsc"}}, "avro", "no place beside format json"),
        (
            {
                **PLAIN,
                "format": "avro",
                "avro": {"schema_file": "a.avsc", "framing": "none", "schema_id": 3},
            },
            "avro.schema_id",
            "no place beside framing none",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(
    changed: dict[str, object], key: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RecordConfig.model_validate(changed)
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [key]
