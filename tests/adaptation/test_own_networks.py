"""Jobs around networks as users bring them, with their weights or without."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from adaptd.adaptation.job import FINE_TUNED, INITIAL, NEIGHBOUR, REOPENED, SHRUNK, Job, Progress
from adaptd.adaptation.rungs import perform
from adaptd.architecture import Architecture, Contract
from adaptd.errors import JobError
from adaptd.observer.predictor import Predictor
from adaptd.space import build
from adaptd.space.export import load_network
from adaptd.space.openable import openable_edges
from adaptd.store.files import sha256_of
from adaptd.stream.schema import features_of
from adaptd.stream.segment import write_segment
from tests.adaptation.conftest import JobMaker, records, released
from tests.networks import FOREIGN, Foreign

NETWORKS = {
    **FOREIGN,
    "half_frozen": Foreign("tests.networks:half_frozen_cnn", (3, 32), 5, {"axes": 1}),
}
SMALL = "plain_cnn_1d"
# Those of which only matrices can be opened, which have nothing but parts to become.
MATRICES_ALONE = ("perceptron", "reflecting")
# Those that classify: the daemon's streams have a class for each record.
CLASSIFIERS = [name for name, one in NETWORKS.items() if not one.is_dense]


def ignore(_progress: Progress) -> None:
    """Nobody looks."""


def contract_of(name: str) -> Contract:
    foreign = NETWORKS[name]
    classes = tuple(f"class {number}" for number in range(foreign.outputs))
    return Contract(features=features_of(foreign.shape[0]), shape=foreign.shape, classes=classes)


def given_weights(name: str, path: Path) -> tuple[nn.Module, dict[str, object]]:
    """A trained network of somebody's, and the fields of a job that has it."""
    network = build(Architecture(NETWORKS[name].factory, NETWORKS[name].settings), seed=99)
    if path.suffix == ".pt":
        torch.save(network.state_dict(), path)
    else:
        save_file({key: one.contiguous() for key, one in network.state_dict().items()}, path)
    return network.eval(), {"weights": path, "weights_digest": sha256_of(path)}


@pytest.fixture
def foreign_job(job: JobMaker, tmp_path: Path) -> JobMaker:
    """An initial job for one of `NETWORKS`, whose network is as its factory makes it."""

    def make(count: int = 240, *, name: str = SMALL, **fields: object) -> Job:
        foreign = NETWORKS[name]
        randomness = np.random.default_rng(0)
        x = randomness.normal(size=(count, *foreign.shape)).astype(np.float32)
        target = np.digitize(x.reshape(count, -1)[:, 0], np.linspace(-1, 1, foreign.outputs - 1))
        batch = replace(records(count), x=x, target=target.astype(np.int64))
        digest, path = write_segment(tmp_path / "foreign", batch)
        given = {
            "architecture": Architecture(foreign.factory, foreign.settings).to_document(),
            "operation": None,
            "contract": contract_of(name).to_document(),
            "records": path,
            "records_digest": digest,
        }
        return job(**{**given, **fields})

    return make


def test_a_network_stays_as_its_factory_makes_it(foreign_job: JobMaker) -> None:
    wanted = foreign_job()
    member = perform(wanted, ignore).members[INITIAL]
    assert Architecture.from_document(member.architecture).operations == {
        "features.0": "conv k3 d1",
        "features.4": "conv k3 d1",
        "features.7": "conv k3 d1",
        "head": "linear",
    }
    assert member.steps == 20


def test_layers_that_cannot_be_opened_are_left_alone(foreign_job: JobMaker) -> None:
    wanted = foreign_job(name="tied", steps=1)
    member = perform(wanted, ignore).members[INITIAL]
    foreign = NETWORKS["tied"]
    network = build(Architecture(foreign.factory, foreign.settings))
    openable = openable_edges(network, foreign.shape)
    assert Architecture.from_document(member.architecture).operations.keys() == openable.keys()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_that_are_given_are_served_as_they_are(
    foreign_job: JobMaker, tmp_path: Path, suffix: str
) -> None:
    network, fields = given_weights(SMALL, tmp_path / f"theirs{suffix}")
    wanted = foreign_job(**fields)
    result = perform(wanted, ignore)
    member = result.members[INITIAL]
    assert member.steps == 0
    x = np.random.default_rng(5).normal(size=(7, *NETWORKS[SMALL].shape)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).softmax(1).numpy()
    directory = wanted.output / member.directory
    served = Predictor.load(directory, contract_of(SMALL)).predict(x)
    np.testing.assert_allclose(served, expected, atol=1e-5)
    # Asked again, it is there already.
    assert perform(wanted, ignore).members[INITIAL].weights == member.weights


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "has changed since"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_file_of_weights_that_is_not_what_was_named_is_refused(
    foreign_job: JobMaker, tmp_path: Path, spoil: object, told: str
) -> None:
    _, fields = given_weights(SMALL, tmp_path / "theirs.pt")
    wanted = foreign_job(**fields)
    spoil(tmp_path / "theirs.pt")  # type: ignore[operator]
    with pytest.raises(JobError, match=f"stream sensors: model.weights: .*{told}"):
        perform(wanted, ignore)


def test_weights_of_another_network_are_refused_by_what_does_not_fit(
    foreign_job: JobMaker, tmp_path: Path
) -> None:
    _, fields = given_weights("residual_1d", tmp_path / "theirs.safetensors")
    with pytest.raises(JobError, match=r"model\.weights: .*does not fit the network: missing"):
        perform(foreign_job(**fields), ignore)


def test_a_check_says_what_the_first_model_would_and_makes_nothing(
    foreign_job: JobMaker, tmp_path: Path
) -> None:
    _, fields = given_weights(SMALL, tmp_path / "theirs.pt")
    asked = foreign_job(kind="check", **fields)
    assert perform(asked, ignore).members == {}
    assert list(asked.output.iterdir()) == []
    _, others = given_weights("residual_1d", tmp_path / "others.pt")
    with pytest.raises(JobError, match=r"model\.weights: .*does not fit the network"):
        perform(foreign_job(kind="check", **others), ignore)


def test_a_network_that_cannot_be_exported_is_told_before_it_is_trained(
    foreign_job: JobMaker,
) -> None:
    architecture = Architecture("tests.networks:branching_cnn", {"axes": 1}).to_document()
    with pytest.raises(
        JobError, match=r"model: tests\.networks:branching_cnn cannot be exported: "
    ):
        perform(foreign_job(kind="check", architecture=architecture), ignore)


def test_another_number_of_logits_is_refused_before_anything_is_trained(
    foreign_job: JobMaker,
) -> None:
    seen: list[Progress] = []
    other = Architecture("tests.networks:plain_cnn", {"axes": 1, "outputs": 3}).to_document()
    with pytest.raises(JobError, match="it gives 3 logits a record, and there are 5 classes"):
        perform(foreign_job(architecture=other), seen.append)
    assert seen == []


@pytest.mark.parametrize(
    ("factory", "settings", "told"),
    [
        ("tests.networks:gone", {}, "no 'gone'"),
        ("nowhere:network", {}, "No module named 'nowhere'"),
        ("tests.networks:plain_cnn", {"axes": 2}, "Given groups=1|expected input|size"),
        ("tests.networks:plain_cnn", {"in_channels": 3}, "unexpected keyword argument"),
    ],
)
def test_a_factory_that_does_not_suit_is_named(
    foreign_job: JobMaker, factory: str, settings: dict[str, int], told: str
) -> None:
    architecture = Architecture(factory, settings).to_document()
    with pytest.raises(JobError, match=rf"stream sensors: model: cannot build {factory}.*({told})"):
        perform(foreign_job(architecture=architecture), ignore)


def adapted_members(foreign_job: JobMaker, name: str, tmp_path: Path) -> dict[str, Architecture]:
    """Of all that an episode tries around the network with its given weights: name -> what it is.
    Each loads again, and predicts what its network does."""
    foreign = NETWORKS[name]
    _, fields = given_weights(name, tmp_path / "theirs.pt")
    member, champion, digest = released(foreign_job(name=name, **fields))
    output = tmp_path / "adapted"
    result = perform(
        foreign_job(
            name=name,
            kind="adapt",
            architecture=member.architecture,
            champion=champion,
            champion_digest=digest,
            macs_cap=int(1.1 * member.macs),
            output=output,
        ),
        ignore,
    )
    assert result.refused is None
    made = {}
    x = np.random.default_rng(5).normal(size=(3, *foreign.shape)).astype(np.float32)
    for remedy, one in result.members.items():
        network, made[remedy] = load_network(output / one.directory)
        with torch.no_grad():
            expected = network(torch.from_numpy(x)).softmax(1).numpy()
        served = Predictor.load(output / one.directory, contract_of(name)).predict(x)
        np.testing.assert_allclose(served, expected, atol=1e-4)
        assert one.macs <= 1.1 * member.macs
    return made


def test_all_remedies_are_tried_around_a_network_of_a_users(
    foreign_job: JobMaker, tmp_path: Path
) -> None:
    made = adapted_members(foreign_job, SMALL, tmp_path)
    assert {FINE_TUNED, SHRUNK, NEIGHBOUR, REOPENED} <= set(made)
    deployed = made[FINE_TUNED]
    assert deployed.operations.keys() == made[REOPENED].operations.keys()
    assert made[NEIGHBOUR] != deployed


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != SMALL])
def test_any_network_is_adapted(foreign_job: JobMaker, tmp_path: Path, name: str) -> None:
    made = adapted_members(foreign_job, name, tmp_path)
    assert FINE_TUNED in made
    assert (REOPENED in made) == (name not in MATRICES_ALONE)


def test_where_no_edge_has_a_choice_there_is_neither_search_nor_neighbour(
    foreign_job: JobMaker, tmp_path: Path
) -> None:
    # As cheap as it can be, all kernels of one tap.
    member, champion, digest = released(foreign_job())
    result = perform(
        foreign_job(
            kind="adapt",
            architecture=member.architecture,
            champion=champion,
            champion_digest=digest,
            # Nobody may take more than a thousandth of what is deployed.
            macs_cap=member.macs // 1_000,
            output=tmp_path / "adapted",
        ),
        ignore,
    )
    assert not {REOPENED, NEIGHBOUR} & set(result.members)
    assert FINE_TUNED in result.members
    assert "no combination of candidates" in result.skipped[REOPENED]
