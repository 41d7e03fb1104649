"""What a record looks like, and how messages hold it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.section import Section

# `a.b` is the field b of the field a.
FieldName = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")]

Encoding = Literal["array", "fields", "bytes"]
NumberType = Literal[
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
]
TimeUnit = Literal["seconds", "milliseconds", "microseconds", "nanoseconds"]
# What is finite as float32 too.
Finite = Annotated[float, Field(allow_inf_nan=False, gt=-3.4e38, lt=3.4e38)]


class AvroConfig(Section):
    """How Avro messages were written."""

    schema_file: Path = Field(description="the records' schema, JSON as in a .avsc file")
    labels_schema_file: Path | None = Field(
        default=None,
        description="the schema of messages that hold labels only; None: that of the records",
    )
    framing: Literal["confluent", "none"] = Field(
        default="confluent",
        description="confluent: a zero byte and 4 bytes of schema id stand before each record and "
        "are skipped; none: nothing does",
    )
    schema_id: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description="messages with another id do not fit; None: the id is not looked at",
    )

    @field_validator("schema_id")
    @classmethod
    def _is_there(cls, schema_id: int | None, info: ValidationInfo) -> int | None:
        if schema_id is not None and info.data.get("framing") == "none":
            raise ValueError("has no place beside framing none: messages carry no id")
        return schema_id


class RecordConfig(Section):
    """What a record looks like. Scenarios know theirs, so it may be left out for them.

    Names of fields may be paths: `payload.x` is the field x of the field payload.
    """

    shape: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        min_length=1, description="of one record, without the batch axis: (channels, length)"
    )
    classes: tuple[str, ...] = Field(min_length=2, description="class names, in the model's order")
    encoding: Encoding = Field(
        default="array",
        description="how the numbers lie. array: nested in the field x as the shape is; fields: "
        "one number in each of the fields that `features` names, for tables; bytes: in the field "
        "x, little-endian, in C order (in JSON as base64)",
    )
    features: tuple[str, ...] | None = Field(
        default=None,
        validate_default=True,
        description="names of the channels; None: x0, x1, … With encoding fields they are the "
        "fields of a message and the columns of a recording",
    )
    x: FieldName = Field(default="x", description="the field of the numbers, unless each has one")
    dtype: NumberType = Field(
        default="float32", description="of one number in bytes; others are decimal anyway"
    )
    id: FieldName = Field(
        default="id",
        validate_default=True,
        description="the field of the record's name: text or an integer",
    )
    time: FieldName = Field(
        default="time",
        validate_default=True,
        description="the field of the event time: a number since 1970, ISO 8601, or a timestamp "
        "of Avro or Arrow; records may lack it",
    )
    time_unit: TimeUnit = Field(
        default="seconds", description="of an event time that is a plain number"
    )
    maximum_ahead_seconds: float | None = Field(
        default=3_600,
        ge=0,
        description="a record of a topic whose event time is further ahead of our clock does not "
        "fit (time-ahead); None: any fits. Recordings, whose times are past or made up, are not "
        "checked",
    )
    target: FieldName = Field(
        default="target", validate_default=True, description="the field of the class"
    )
    prediction: FieldName | None = Field(
        default=None,
        description="the field of the class that the deployed model answered; that is observed in "
        "place of what the release says. None: the release is deployed as it is",
    )
    weight: FieldName | None = Field(
        default=None,
        description="the field of how much a record counts in training: a number above 0. One of "
        "weight 2 is drawn twice as often as one of weight 1; absent or null: 1. Error rates, "
        "alarms and trials count each record once. None: all weigh the same",
    )
    missing: Literal["reject", "zero"] = Field(
        default="reject",
        description="what becomes of a record with a number that is NaN, null or absent. reject: "
        "it does not fit; zero: 0 stands in for the number. Infinity never fits",
    )
    stand_ins: Mapping[str, Finite] = Field(
        default={},
        description="by feature, what stands in for a number that is missing, whatever `missing` "
        "says of the others: such as its mean over the training data, which the network "
        "standardises to 0",
    )
    format: Literal["json", "avro", "arrow"] = Field(
        default="json",
        description="of a topic's messages. arrow: an IPC stream with one record in each message",
    )
    avro: AvroConfig | None = Field(
        default=None, validate_default=True, description="needed with format avro"
    )

    @field_validator("classes")
    @classmethod
    def _differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class names must differ from each other")
        return classes

    @field_validator("features")
    @classmethod
    def _one_a_channel(
        cls, features: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        shape = info.data.get("shape")
        if features is not None and shape is not None and len(features) != shape[0]:
            raise ValueError(f"expected one name for each channel of shape {list(shape)}")
        if info.data.get("encoding") == "fields":
            if features is None:
                raise ValueError("needed with encoding fields: the names of the fields")
            if shape is not None and len(shape) != 1:
                raise ValueError(f"encoding fields is for shape [features], not {list(shape)}")
            if len(set(features)) != len(features):
                raise ValueError("names of fields must differ from each other")
        return features

    @field_validator("id", "time", "target", "prediction", "weight")
    @classmethod
    def _is_no_feature(cls, name: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("encoding") == "fields" and name in (info.data.get("features") or ()):
            raise ValueError("is one of record.features, whose fields hold numbers")
        if info.field_name == "prediction" and name == info.data.get("target"):
            raise ValueError("is the field of record.target: every prediction would be right")
        return name

    @field_validator("weight")
    @classmethod
    def _is_its_own(cls, weight: str | None, info: ValidationInfo) -> str | None:
        for other in ("id", "time", "target", "prediction", "x"):
            is_read = other != "x" or info.data.get("encoding") != "fields"
            if weight is not None and is_read and weight == info.data.get(other):
                raise ValueError(f"is the field of record.{other}, which holds no weights")
        return weight

    @field_validator("stand_ins")
    @classmethod
    def _names_features(
        cls, stand_ins: Mapping[str, float], info: ValidationInfo
    ) -> Mapping[str, float]:
        if "features" not in info.data or "shape" not in info.data:
            return stand_ins
        features = info.data["features"] or tuple(f"x{n}" for n in range(info.data["shape"][0]))
        for name in stand_ins:
            if name not in features:
                raise ValueError(f"expected the names of features, such as {features[0]}")
        return stand_ins

    @field_validator("avro")
    @classmethod
    def _suits_format(cls, avro: AvroConfig | None, info: ValidationInfo) -> AvroConfig | None:
        form = info.data.get("format")
        if form == "avro" and avro is None:
            raise ValueError("needed with format avro (schema_file)")
        if form in ("json", "arrow") and avro is not None:
            raise ValueError(f"has no place beside format {form}")
        return avro
