"""What was done against forgetting while a challenger was trained, in words."""

from pydantic import BaseModel, ConfigDict, FiniteFloat

from adaptd.server.wording import count, percent


class Rehearsed(BaseModel):
    """Records of old concepts that were trained on again, and their share of each batch."""

    model_config = ConfigDict(frozen=True)

    count: int
    share: FiniteFloat


class Distilled(BaseModel):
    """By how much training was to resemble the champion, and at which temperature."""

    model_config = ConfigDict(frozen=True)

    weight: FiniteFloat
    temperature: FiniteFloat


def remembrance(rehearsal: Rehearsed | None, distillation: Distilled | None) -> str | None:
    """Both in one line; None for neither."""
    said = []
    if rehearsal is not None:
        said.append(
            f"{percent(rehearsal.share)} of each batch rehearsed from {count(rehearsal.count)} "
            "records of old concepts"
        )
    if distillation is not None:
        said.append(
            f"distilled from the champion with weight {distillation.weight:g} at temperature "
            f"{distillation.temperature:g}"
        )
    return "; ".join(said) or None
