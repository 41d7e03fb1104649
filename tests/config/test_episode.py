"""What an episode's options ask of each other."""

import pytest
from pydantic import ValidationError

from adaptd.config.episode import EpisodeConfig


def test_nothing_is_done_against_forgetting_unless_it_is_asked_for() -> None:
    config = EpisodeConfig()
    assert (config.rehearsal_share, config.distillation) == (0, 0)
    assert config.reservoir.concepts > 0


def test_what_is_rehearsed_has_to_be_kept() -> None:
    with pytest.raises(ValidationError, match=r"reservoir\.concepts is 0"):
        EpisodeConfig.model_validate({"rehearsal_share": 0.2, "reservoir": {"concepts": 0}})
    EpisodeConfig.model_validate({"distillation": 0.2, "reservoir": {"concepts": 0}})
