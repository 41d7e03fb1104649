"""What an episode's search must not exceed."""

import pytest

from adaptd.adaptation.caps import counted_caps, latency_cap, measured_latency
from adaptd.adaptation.job import Job
from adaptd.observer.latency import prediction_seconds
from adaptd.observer.predictor import Predictor
from adaptd.search.caps import within
from adaptd.space.cost import count_macs, count_parameters
from adaptd.space.export import load_network
from tests.adaptation.conftest import JobMaker, released


@pytest.fixture
def asked(job: JobMaker) -> Job:
    first = job(steps=5)
    member, champion, digest = released(first)
    return job(
        kind="adapt",
        champion=champion,
        champion_digest=digest,
        architecture=member.architecture,
        macs_cap=member.macs,
    )


def test_what_is_counted_is_capped_exactly(asked: Job) -> None:
    assert asked.champion is not None
    network, architecture = load_network(asked.champion)
    shape = tuple(asked.contract["shape"])
    (macs,) = counted_caps(asked, network, architecture)
    assert macs.most == macs.cost.total(architecture) == count_macs(network, shape)
    limit = count_parameters(network)
    for most, is_within in ((limit, True), (limit - 1, False)):
        limited = asked.model_copy(update={"maximum_parameters": most})
        caps = counted_caps(limited, network, architecture)
        assert caps[1].cost.total(architecture) == limit
        assert within(caps, architecture) is is_within


def test_the_time_that_is_allowed_is_that_of_the_exported_network(asked: Job) -> None:
    assert asked.champion is not None
    network, architecture = load_network(asked.champion)
    around = architecture, network
    (exported,) = prediction_seconds({"champion": Predictor.load(asked.champion)}).values()
    for times, is_within in ((100, True), (0.01, False)):
        limited = asked.model_copy(update={"maximum_latency_seconds": times * exported})
        cap = latency_cap(measured_latency(limited, around, around))
        assert cap.admits(architecture) is is_within
    network.train()
    measured_latency(limited, around, around)
    assert network.training
