from pathlib import Path

import pytest
import yaml

from adaptd.config import Config, load


@pytest.fixture(params=["quickstart", "kafka"])
def path(request: pytest.FixtureRequest, root: Path) -> Path:
    return root / "configs" / f"{request.param}.yaml"


def keys_without_comment(text: str) -> list[str]:
    """Lines that set a key which neither a comment on the line above nor a section explains."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        setting = line.strip()
        is_section = setting.endswith(":") and ":" in setting
        if not setting or setting.startswith(("#", "- ")) or is_section:
            continue
        if not lines[number - 1].strip().startswith("#"):
            found.append(setting)
    return found


def test_the_file_loads(path: Path) -> None:
    config = load(path, {})
    assert config.streams[0].approval.policy == "operator"
    assert config.server.enabled


def test_the_environment_reaches_into_the_file(path: Path) -> None:
    config = load(path, {"ADAPTD__STREAMS__0__TRIAL__ALPHA": "0.01", "ADAPTD__SERVER__PORT": "0"})
    assert config.streams[0].trial.alpha == 0.01
    assert config.server.port == 0


def test_quickstart_is_the_paced_scenario_with_a_daily_schedule(root: Path) -> None:
    config = load(root / "configs/quickstart.yaml", {})
    (stream,) = config.streams
    assert stream.source.kind == "scenario"
    assert stream.source.scenario == "lag-shift"
    assert stream.source.pace.records_per_second == 200
    assert stream.schedule.cron is not None
    assert config.state_directory == Path("state")
    assert (config.server.port, config.metrics.port) == (8080, 9464)


def test_quickstart_writes_out_defaults_as_they_are(root: Path) -> None:
    path = root / "configs/quickstart.yaml"
    document = yaml.safe_load(path.read_text())
    # These three are choices of the file; every other value in it says that it is the default.
    chosen = {key: document["streams"][0][key] for key in ("name", "source", "schedule")}
    bare = {"state_directory": document["state_directory"], "streams": [chosen]}
    assert load(path, {}) == Config.model_validate(bare)


def test_quickstart_explains_every_key(root: Path) -> None:
    text = (root / "configs/quickstart.yaml").read_text()
    # One comment stands for kind and scenario, whose values it names.
    allowed = {"kind: scenario", "enabled: true", "host: 127.0.0.1", "port: 9464"}
    assert set(keys_without_comment(text)) <= allowed
