"""`adaptd scenarios list`."""

import json

from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.stream.scenario import SCENARIOS


def test_every_scenario_says_what_happens_and_where(runner: CliRunner) -> None:
    shown = runner.invoke(app, ["scenarios", "list"])
    assert shown.exit_code == 0
    for scenario in SCENARIOS.values():
        assert scenario.name in shown.stdout
        assert scenario.summary in shown.stdout
    told = runner.invoke(
        app, ["scenarios", "list", "--json", "--drift-at", "500", "--records", "2000"]
    )
    found = {one["name"]: one for one in json.loads(told.stdout)["scenarios"]}
    assert found["recurring"]["drifts"] == [500, 1_000, 1_500]
    assert found["outage"]["drifts"] == [500, 1_100]
    assert found["camera-swap"]["shape"] == [1, 20, 20]
