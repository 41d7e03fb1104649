"""What a record looks like."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.section import Section

# `a.b` is the field b of the field a.
FieldName = Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)*$")]


class RecordConfig(Section):
    """What a record looks like. Scenarios know theirs, so it may be left out for them."""

    shape: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        min_length=1, description="of one record, without the batch axis: (channels, length)"
    )
    classes: tuple[str, ...] = Field(min_length=2, description="class names, in the model's order")
    features: tuple[str, ...] | None = Field(
        default=None, description="names of the channels; None: x0, x1, …"
    )
    id: FieldName = Field(default="id", description="the field of the record's name: text, integer")
    time: FieldName = Field(
        default="time",
        description="the field of the event time, POSIX seconds or ISO 8601; records may lack it",
    )
    target: FieldName = Field(default="target", description="the field of the class")
    prediction: FieldName | None = Field(
        default=None, description="the field of a class that was predicted; None: there is none"
    )
    x: FieldName = Field(default="x", description="the field of the numbers")

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
        return features
