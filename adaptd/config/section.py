"""`Section`: what every part of the configuration is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Values under one key. A key that it does not know is an error, and nothing changes later."""

    # An error's own text repeats what was given, which may be a secret; `load` shows what may be.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )
