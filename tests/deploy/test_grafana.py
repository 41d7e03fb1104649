import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def dashboard(root: Path) -> dict[str, Any]:
    document = json.loads((root / "deploy/grafana/dashboard.json").read_text())
    assert isinstance(document, dict)
    return document


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each panel's title with each of its queries."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def data_sources(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if "datasource" in node:
            yield node["datasource"]
        for value in node.values():
            yield from data_sources(value)
    elif isinstance(node, list):
        for value in node:
            yield from data_sources(value)


def test_the_panels_ask_only_for_metrics_that_the_daemon_has(
    dashboard: dict[str, Any], sample_names: frozenset[str]
) -> None:
    for title, expression in expressions(dashboard):
        asked = set(re.findall(r"\badaptd_\w+", expression))
        assert asked, title
        assert asked <= sample_names, title


def test_drift_accuracy_episode_trial_and_lag_have_their_panels(dashboard: dict[str, Any]) -> None:
    titles = {panel["title"] for panel in dashboard["panels"]}
    assert titles >= {"Drift", "Accuracy", "Episode", "Trial", "Lag"}


def test_every_query_goes_to_the_data_source_that_the_viewer_chose(
    dashboard: dict[str, Any],
) -> None:
    found = list(data_sources(dashboard))
    assert found
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in found)
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"


def test_every_panel_keeps_to_the_chosen_streams(dashboard: dict[str, Any]) -> None:
    for title, expression in expressions(dashboard):
        asked = re.findall(r"\badaptd_\w+", expression)
        assert expression.count('{stream=~"$stream"}') == len(asked), title


def test_panels_neither_overlap_nor_share_an_id(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)


def test_promtool_can_read_every_query(
    dashboard: dict[str, Any], tool: Callable[[str], str], tmp_path: Path
) -> None:
    # As recording rules, since promtool reads whole rules; Grafana's own interval made one.
    rules = [
        {
            "record": f"panel:query:{number}",
            "expr": re.sub(r"\$__\w*interval", "1m", expression),
        }
        for number, (_, expression) in enumerate(expressions(dashboard))
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
