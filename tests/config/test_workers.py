import pytest
from pydantic import ValidationError

from adaptd.config import WorkersConfig, parse
from adaptd.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "expected"),
    [("2GiB", 2 * 2**30), ("900 MiB", 900 * 2**20), ("1.5GB", 1_500_000_000), (2**30, 2**30)],
)
def test_memory_is_a_size_with_its_unit_or_bytes(given: object, expected: int) -> None:
    assert WorkersConfig.model_validate({"memory_bytes": given}).memory_bytes == expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"memory_bytes": "lots"}, "a size such as 2GiB"),
        ({"memory_bytes": "10MiB"}, "greater than or equal to 536870912"),
        ({"memory_bytes": "-2GiB"}, "a size such as 2GiB"),
        ({"cores": [0, 0]}, "each once"),
        ({"cores": [-1]}, "from 0 on"),
        ({"cores": []}, "at least 1"),
        ({"nice": -1}, "greater than or equal to 0"),
        ({"count": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WorkersConfig.model_validate(changes)


def test_the_key_is_named_in_the_file_s_words() -> None:
    document = {
        "state_directory": "s",
        "streams": [{"name": "a", "source": {"kind": "scenario"}}],
        "workers": {"memory_bytes": "much"},
    }
    with pytest.raises(ConfigError, match=r"c\.yaml: workers\.memory_bytes: .*2GiB.*, got 'much'"):
        parse(document, origin="c.yaml")
