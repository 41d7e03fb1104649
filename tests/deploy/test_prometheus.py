import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def promtool(tool: Callable[[str], str]) -> Run:
    program = tool("promtool")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def rules(root: Path) -> Path:
    return root / "deploy/prometheus/alerts.yaml"


def test_the_rules_ask_only_for_metrics_that_the_daemon_has(
    rules: Path, sample_names: frozenset[str]
) -> None:
    for group in yaml.safe_load(rules.read_text())["groups"]:
        for rule in group["rules"]:
            asked = set(re.findall(r"\badaptd_\w+", rule["expr"]))
            assert asked, rule["alert"]
            assert asked <= sample_names, rule["alert"]


def test_every_rule_has_a_case_that_fires_and_one_that_stays_silent(
    root: Path, rules: Path
) -> None:
    document = yaml.safe_load((root / "deploy/prometheus/alerts_test.yaml").read_text())
    cases = [case for test in document["tests"] for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    stays_silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    groups = yaml.safe_load(rules.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert alerts == fires == stays_silent


def test_promtool_accepts_the_rules(promtool: Run, rules: Path) -> None:
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_and_stay_silent_when_they_should(promtool: Run, rules: Path) -> None:
    done = promtool("test", "rules", rules.with_name("alerts_test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_drift_alert_that_never_fires_would_be_noticed(
    promtool: Run, rules: Path, tmp_path: Path
) -> None:
    broken = rules.read_text().replace("(adaptd_drift_active) == 1", "(adaptd_drift_active) == 2")
    assert broken != rules.read_text()
    (tmp_path / "alerts.yaml").write_text(broken)
    cases = tmp_path / "alerts_test.yaml"
    cases.write_text(rules.with_name("alerts_test.yaml").read_text())
    assert promtool("test", "rules", cases).returncode != 0
