"""`Section`: what every part of the configuration is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Values under one key. A key that it does not know is an error, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)
