"""A search from its first step to its report; what is refused before the first step."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from adaptd.adaptation.search.directory import SearchDirectory
from adaptd.adaptation.search.job import SearchJob, SearchMoment
from adaptd.adaptation.search.plan import Plan, plan
from adaptd.adaptation.search.records import read_records
from adaptd.adaptation.search.session import SearchSession, guards, methods
from adaptd.adaptation.search.start import start_of
from adaptd.architecture import Architecture
from adaptd.clock import SystemClock
from adaptd.errors import ConfigError
from adaptd.observer.predictor import Predictor
from adaptd.registry import manifest
from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.guards import default_guards
from adaptd.search.ladder import MemoryBudgetExceeded
from adaptd.search.scarcity import InsufficientData
from adaptd.space.cost import count_macs
from adaptd.space.export import load_network
from adaptd.stream.scenario import SCENARIOS, generate
from tests.searches import Given, write_given

RECORDS, STEPS = 120, 24


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return write_given(tmp_path_factory.mktemp("given"))


def job_for(given: Given, **changes: Any) -> SearchJob:
    fields: dict[str, Any] = {
        "stream": "lag-shift",
        "start": str(given.document),
        "weights": given.weights,
        "budget": f"steps={STEPS}",
        "records": RECORDS,
        "minimum_records": 1,
        **changes,
    }
    return SearchJob(**fields)


def opened(job: SearchJob, path: Path) -> SearchSession:
    directory = SearchDirectory(path)
    path.mkdir(exist_ok=True)
    return SearchSession(job, directory, directory.claimed("resume"), clock=SystemClock())


def plan_of(job: SearchJob) -> Plan:
    start = start_of(job)
    batch = read_records(job, start.schema, clock=SystemClock()).batch
    return plan(job, start, batch, clock=SystemClock())


def paused(session: SearchSession, *, after: int) -> None:
    reached = [session.step]

    def watch(moment: SearchMoment) -> None:
        reached[0] = moment.step

    assert session.run(watch, lambda: reached[0] >= after) is None


def test_a_search_draws_records_by_their_weights(given: Given) -> None:
    job = job_for(given)
    start = start_of(job)
    weight = np.linspace(1, 2, RECORDS, dtype=np.float32)
    batch = replace(read_records(job, start.schema, clock=SystemClock()).batch, weight=weight)
    drawn = plan(job, start, batch, clock=SystemClock()).problem.samples.weight
    assert drawn is not None
    np.testing.assert_array_equal(drawn.numpy(), weight[: len(drawn)])


def test_all_methods_and_guards_are_listed() -> None:
    assert guards()["drop-path-on-skips"].endswith("usual")
    assert {"bounded", "race", "darts-1st", "darts-2nd", "random", "evolution"} <= set(methods())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "drats"}, "--method 'drats': expected one of\n  bounded"),
        ({"goal": "speed"}, "--objective 'speed': got 'speed', expected accuracy"),
        ({"goal": "accuracy+macs:10"}, "--objective .*has at most 10 multiply-accumulates"),
        ({"budget": "steps"}, "--budget: budget 'steps': got 'steps', expected steps=COUNT"),
        ({"budget": "steps=19"}, "--budget steps=19: .*at least 20 steps, got 19"),
        ({"guards": ("hope",)}, "--guard 'hope': expected none, or some of\n  drop-path"),
        ({"weights": None}, "--method bounded goes out from trained weights"),
        ({"weights": None, "method": "race"}, "--method race goes out from trained weights"),
        ({"weights": Path("absent.safetensors")}, r"--weights absent\.safetensors"),
        ({"stream": "lag-drift"}, "STREAM 'lag-drift': expected one of lag-shift"),
        ({"candidates": ("dw k3 d1", "foo")}, "--candidates: no operation is called 'foo'"),
        ({"candidates": ("dw k5 d1",)}, "--candidates dw k5 d1: leaves no edge"),
        ({"start": "nothing"}, "--from 'nothing': expected a release directory"),
        ({"start": "nothing.json"}, r"--from nothing\.json: no architecture document"),
        ({"start": "no.such:thing"}, "--from no.such:thing: .*cannot import"),
        ({"start": "adaptd.space.sequence:convnet"}, "--from adaptd.space.sequence:convnet: "),
        ({"settings": {"width": 4}}, r"--from .*given\.json has its own settings"),
        ({"shape": (3, 4)}, "--shape 3x4: records of lag-shift are 1x64"),
    ],
)
def test_what_cannot_be_done_is_refused_by_option_and_nothing_is_written(
    given: Given, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        opened(job_for(given, **changes), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_search_that_could_choose_nothing_else_is_refused(given: Given, tmp_path: Path) -> None:
    changes = {
        "stream": "sea",
        "start": "adaptd.space.tabular:network",
        "settings": {"features": 3, "classes": 2, "width": 16},
        "weights": None,
        "method": "darts-1st",
        "goal": "accuracy+macs:1.1x",
    }
    with pytest.raises(ConfigError, match=r"--objective .* no edge has another candidate"):
        opened(job_for(given, **changes), tmp_path / "out")
    # What is named is searched among all the same.
    named = job_for(given, **changes, candidates=("linear", "lowrank r4", "block b2"))
    assert opened(named, tmp_path / "named").facts.steps == STEPS


def test_a_network_of_other_classes_than_the_stream_is_refused(tmp_path: Path) -> None:
    other = write_given(tmp_path, classes=7)
    with pytest.raises(ConfigError, match="gives 7 logits a record, but lag-shift has 4 classes"):
        opened(job_for(other), tmp_path / "out")


def test_weights_that_do_not_fit_are_named(given: Given, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = write_given(tmp_path / "other", classes=7)
    with pytest.raises(ConfigError, match=r"--weights .*does not fit the network: shapes"):
        opened(job_for(given, weights=other.weights), tmp_path / "out")


def test_a_budget_of_memory_that_no_relaxation_keeps_is_refused(
    given: Given, tmp_path: Path
) -> None:
    job = job_for(given, budget=f"steps={STEPS},memory=0.5")
    with pytest.raises(MemoryBudgetExceeded, match="may keep"):
        opened(job, tmp_path / "out")
    job = job_for(given, budget=f"steps={STEPS},memory=2", method="darts-1st")
    with pytest.raises(MemoryBudgetExceeded, match="every candidate by itself"):
        opened(job, tmp_path / "out")


def test_facts_tell_what_is_known_before_the_first_step(given: Given, tmp_path: Path) -> None:
    facts = opened(job_for(given, budget=f"steps={STEPS},memory=1.05"), tmp_path / "out").facts
    macs = count_macs(given.architecture, (1, 64))
    assert (facts.records, facts.held_out, facts.steps) == (90, 30, STEPS)
    assert (facts.macs, facts.caps) == (macs, {"multiply-accumulates": int(1.1 * macs)})
    assert facts.deployed == {"cells.0": "dw k5 d1", "cells.1": "dw k5 d1"}
    assert facts.relaxation == "merged"
    assert facts.supernet_bytes is not None
    assert 1 <= facts.supernet_bytes / facts.deployed_bytes <= 1.05
    assert facts.resumed_at is None
    assert any("400 labelled records" in warning for warning in facts.warnings)


def test_the_usual_guards_watch_over_a_supernet_unless_others_are_named(
    given: Given, tmp_path: Path
) -> None:
    for changes, names in (
        ({}, {guard.name for guard in default_guards()}),
        ({"guards": ()}, set()),
        ({"guards": ("skip-penalty",)}, {"skip-penalty"}),
        ({"method": "race"}, set()),
    ):
        assert set(plan_of(job_for(given, **changes)).guards) == names


def test_a_cold_method_needs_no_weights_and_says_so(given: Given, tmp_path: Path) -> None:
    facts = opened(job_for(given, weights=None, method="darts-1st"), tmp_path / "out").facts
    assert any("begins from nothing" in warning for warning in facts.warnings)


def test_a_bound_of_memory_on_a_method_without_a_supernet_is_remarked(
    given: Given, tmp_path: Path
) -> None:
    job = job_for(given, method="race", budget=f"steps={STEPS},memory=1.05")
    facts = opened(job, tmp_path / "out").facts
    assert any("bounds a supernet, and race opens none" in warning for warning in facts.warnings)
    assert facts.supernet_bytes is None


def test_a_wall_budget_becomes_steps_that_a_later_session_keeps(
    given: Given, tmp_path: Path
) -> None:
    job = job_for(given, budget="wall=20")
    session = opened(job, tmp_path / "out")
    assert session.facts.steps > 20
    paused(session, after=1)
    assert opened(job, tmp_path / "out").facts.steps == session.facts.steps


def test_a_factory_is_opened_where_it_can_be(tmp_path: Path) -> None:
    job = SearchJob(
        stream="lag-shift",
        start="tests.networks:plain_cnn",
        settings={"channels": 1, "outputs": 4, "axes": 1},
        method="darts-1st",
        budget="steps=20",
        records=40,
        minimum_records=1,
    )
    session = opened(job, tmp_path / "out")
    assert set(session.facts.groups) >= {"features.0", "features.4"}
    assert all(edges == (group,) for group, edges in session.facts.groups.items())


def test_a_file_without_a_shape_needs_one_and_classes_are_the_networks_outputs(
    given: Given, tmp_path: Path
) -> None:
    path = tmp_path / "recorded.parquet"
    x, target = generate(SCENARIOS["lag-shift"], seed=0, first=0, count=60, drift_at=0)
    columns = {f"x{place}": pa.array(x[:, 0, place]) for place in range(64)}
    pq.write_table(pa.table({**columns, "target": pa.array(target)}), path)
    with pytest.raises(ConfigError, match="give --shape"):
        opened(job_for(given, stream=str(path), records=None), tmp_path / "out")
    job = job_for(given, stream=str(path), records=None, shape=(1, 64))
    facts = opened(job, tmp_path / "out").facts
    assert (facts.stream, facts.records, facts.held_out) == ("recorded", 45, 15)


def test_another_job_or_version_does_not_go_on(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "out"
    paused(opened(job_for(given), path), after=2)
    with pytest.raises(ConfigError, match=r"--seed is 1, but the search in .* begun with 0"):
        opened(job_for(given, seed=1), path)
    kept = Checkpoint.load(path / "checkpoint.safetensors")
    kept.values["session"]["versions"]["torch"] = "1.0"
    kept.save(path / "checkpoint.safetensors")
    with pytest.raises(ConfigError, match=r"begun with torch 1\.0"):
        opened(job_for(given), path)


def test_a_network_that_has_changed_since_does_not_go_on(tmp_path: Path) -> None:
    own = write_given(tmp_path)
    paused(opened(job_for(own), tmp_path / "out"), after=2)
    own.weights.write_bytes(own.weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ConfigError, match="no longer the network"):
        opened(job_for(own), tmp_path / "out")


def test_a_damaged_checkpoint_is_named(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "out"
    paused(opened(job_for(given), path), after=2)
    checkpoint = path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        opened(job_for(given), path)
    kept = Checkpoint(values={"phase": "search"})
    kept.save(checkpoint)
    with pytest.raises(CheckpointError, match="no search of this command"):
        opened(job_for(given), path)


def test_records_stay_those_it_was_begun_with(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "recorded.parquet"

    def record(count: int) -> None:
        x, target = generate(SCENARIOS["lag-shift"], seed=0, first=0, count=count, drift_at=0)
        columns = {f"x{place}": pa.array(x[:, 0, place]) for place in range(64)}
        pq.write_table(
            pa.table(
                {**columns, "target": pa.array(target)},
                metadata={"shape": "1x64 channel-major", "classes": "4"},
            ),
            path,
        )

    record(60)
    job = job_for(given, stream=str(path), records=None)
    paused(opened(job, tmp_path / "out"), after=2)
    record(80)
    facts = opened(job, tmp_path / "out").facts
    assert facts.records + facts.held_out == 60
    assert facts.resumed_at == 2


@pytest.fixture(scope="module")
def finished(
    given: Given, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[SearchDirectory, dict[str, Any]]]:
    """Uninterrupted searches."""
    found = {}
    for method in ("bounded", "race"):
        directory = SearchDirectory(tmp_path_factory.mktemp("finished") / method)
        report = opened(job_for(given, method=method), directory.path).run()
        assert report is not None
        found[method] = directory, report
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "pauses"), [("bounded", (0, 3, 6, 7, 20)), ("race", (2, 5, 15))]
)
def test_however_often_it_is_paused_it_leaves_the_same_release(
    given: Given,
    finished: dict[str, tuple[SearchDirectory, dict[str, Any]]],
    tmp_path: Path,
    method: str,
    pauses: tuple[int, ...],
) -> None:
    path, whole = tmp_path / "out", finished[method]
    for after in pauses:
        paused(opened(job_for(given, method=method), path), after=after)
    assert (path / "checkpoint.safetensors").exists()
    report = opened(job_for(given, method=method), path).run()
    assert report is not None
    # The digest is of all files, weights and graph among them.
    assert report["release"] == whole[1]["release"]
    for name in ("weights.safetensors", "model.onnx", "architecture.json"):
        assert (path / "release" / name).read_bytes() == (whole[0].release / name).read_bytes()
    assert (path / "trace.json").read_bytes() == whole[0].trace.read_bytes()
    assert (path / "architecture.svg").read_bytes() == whole[0].svg.read_bytes()


@pytest.mark.slow
def test_the_report_says_what_was_measured_on_records_that_nothing_was_trained_on(
    given: Given, finished: dict[str, tuple[SearchDirectory, dict[str, Any]]]
) -> None:
    directory, report = finished["bounded"]
    assert orjson.loads(directory.report.read_bytes()) == json.loads(json.dumps(report))
    x, target = generate(SCENARIOS["lag-shift"], seed=0, first=4_090, count=30, drift_at=4_000)
    served = Predictor.load(directory.release).predict(x).argmax(1)
    assert report["found"]["accuracy"] == pytest.approx(float(np.mean(served == target)))
    assert manifest.release_digest(manifest.verify(directory.release)) == report["release"]
    network, architecture = load_network(directory.release)
    assert architecture == Architecture.from_document(report["found"]["architecture"])
    assert report["found"]["macs"] == count_macs(network, (1, 64)) <= report["caps"]["macs"]
    assert report["given"]["macs"] == count_macs(given.architecture, (1, 64))
    assert report["records"]["trained"] == 90
    assert report["steps"] == STEPS
    assert report["memory"]["ratio"] == pytest.approx(
        report["memory"]["supernet_bytes"] / report["memory"]["deployed_bytes"], rel=0.01
    )
    assert all(sum(of.values()) == pytest.approx(1) for of in report["alphas"].values())
    assert {each.name for each in directory.path.iterdir()} == {
        "release",
        "search.json",
        "trace.json",
        "architecture.svg",
        "architecture.dot",
    }


@pytest.mark.slow
def test_a_race_traces_its_judgements_and_opens_no_supernet(
    finished: dict[str, tuple[SearchDirectory, dict[str, Any]]],
) -> None:
    directory, report = finished["race"]
    assert report["alphas"] == {}
    assert report["memory"]["supernet_bytes"] is None
    judgements = directory.read_trace()["judgements"]
    assert len(judgements) > 2
    assert judgements[0]["name"] == "as given"


@pytest.mark.slow
def test_a_release_is_what_the_next_search_goes_out_from(
    given: Given,
    finished: dict[str, tuple[SearchDirectory, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    directory, report = finished["bounded"]
    job = job_for(given, start=str(directory.release), weights=None)
    again = opened(job, tmp_path / "out").run()
    assert again is not None
    assert again["given"]["digest"] == report["release"]
    assert again["given"]["accuracy"] == report["found"]["accuracy"]
    lineage = manifest.verify(tmp_path / "out" / "release")["lineage"]
    assert lineage == {"parent": report["release"], "episode": None}
    for changes, told in (
        ({"stream": "sampling-rate"}, "takes records of 1x64 with the classes"),
        ({"weights": given.weights}, "leave --set and --weights out"),
    ):
        with pytest.raises(ConfigError, match=told):
            opened(job.model_copy(update=changes), tmp_path / "other")


def test_all_three_caps_hold_and_a_measured_latency_is_kept_for_the_way_on(
    given: Given, tmp_path: Path
) -> None:
    goal = "accuracy+macs:1.1x+parameters:1.02x+latency:1.5x"
    job = job_for(given, goal=goal, budget=f"steps={STEPS}")
    session = opened(job, tmp_path / "out")
    assert set(session.facts.caps) == {"multiply-accumulates", "parameters", "seconds"}
    paused(session, after=5)
    resumed = opened(job, tmp_path / "out")
    assert resumed.facts.caps == session.facts.caps
    report = resumed.run()
    assert report is not None
    for name in ("macs", "parameters", "latency_seconds"):
        assert 0 < report["found"][name] <= report["caps"][name]
    assert report["caps"]["latency_seconds"] == pytest.approx(
        1.5 * report["given"]["latency_seconds"]
    )


def test_of_many_edges_only_the_most_sensitive_group_is_opened(
    given: Given, tmp_path: Path
) -> None:
    session = opened(job_for(given, edges=4, budget=f"steps={STEPS}"), tmp_path / "out")
    assert len(session.facts.groups) == 1
    report = session.run()
    assert report is not None
    (group,) = session.facts.groups
    assert report["opened"] == list(session.facts.groups[group])
    assert len(report["sensitivity"]) == 6
    by_group = {
        cell: sum(
            max(of_edge.values()) ** 2
            for edge, of_edge in report["sensitivity"].items()
            if edge.startswith(cell)
        )
        for cell in ("cells.0", "cells.1")
    }
    assert group == max(by_group, key=by_group.__getitem__)
    assert all(edit.startswith(group) for edit in report["found"]["edits"])


def test_a_latency_below_every_candidate_is_refused_before_the_first_step(
    given: Given, tmp_path: Path
) -> None:
    job = job_for(given, goal="accuracy+latency:0.000001ms")
    with pytest.raises(ConfigError, match=r"at most 1e-09 seconds; the deployed .* takes .*second"):
        opened(job, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, r"a reopening needs 400 .*got 90; .*take the given network as it is; or give --min"),
        (
            {"method": "darts-1st"},
            r"needs 10,000 .*take adaptd\.space\.baselines:resnet18",
        ),
        ({"minimum_records": 91}, "needs 91 labelled records"),
    ],
)
def test_too_few_records_are_refused_with_what_to_take_instead(
    given: Given, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InsufficientData, match=told):
        opened(job_for(given, **{"minimum_records": None, **changes}), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_activations_in_bfloat16_give_a_network_of_float32(given: Given, tmp_path: Path) -> None:
    job = job_for(given, precision="bf16")
    plain, half = plan_of(job_for(given)), plan_of(job)
    assert half.deployed_bytes < plain.deployed_bytes
    report = opened(job, tmp_path).run()
    assert report is not None
    assert report["versions"]["device"] == "cpu" or torch.cuda.is_available()
    network, _ = load_network(tmp_path / "release")
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


def test_a_device_that_is_not_there_is_refused(given: Given, tmp_path: Path) -> None:
    for device in ("abacus", "cuda:99", "meta"):
        with pytest.raises(ConfigError, match=f"--device '{device}'"):
            opened(job_for(given, device=device), tmp_path)
