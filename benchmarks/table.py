"""The benchmarks there are. A row stands here once its module does."""

from collections.abc import Mapping
from types import MappingProxyType

from benchmarks.benchmark import Benchmark

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        benchmark.name: benchmark
        for benchmark in (
            Benchmark(
                name="memory",
                line="Activations that a training step of an open network keeps.",
                module="benchmarks.memory",
            ),
            Benchmark(
                name="reopen",
                line="Every policy on every shift: fixed models, searches, weights alone.",
                module="benchmarks.reopen",
            ),
            Benchmark(
                name="foreign",
                line="What is tried around a network of a user's, on shifts of sequences.",
                module="benchmarks.foreign",
            ),
            Benchmark(
                name="sequence",
                line="Chains of drifts, each policy carrying its own model on.",
                module="benchmarks.sequence",
            ),
            Benchmark(
                name="gap",
                line="What folding a supernet back to one operation an edge costs.",
                module="benchmarks.gap",
            ),
            Benchmark(
                name="time",
                line="CPU time to the accuracy of full DARTS and retraining.",
                module="benchmarks.time_to_accuracy",
            ),
            Benchmark(
                name="nas-bench-201",
                line="Moves by one edge against the known optimum of 15,625 trained cells.",
                module="benchmarks.nas_bench_201",
            ),
            Benchmark(
                name="trial",
                line="False promotions and power of the trial, on hits whose truth is known.",
                module="benchmarks.trial",
            ),
            Benchmark(
                name="detection",
                line="How soon drifts are seen, how often wrongly, and what they are taken for.",
                module="benchmarks.detection",
            ),
            Benchmark(
                name="episodes",
                line="Whole episodes of the daemon: what its gate lets through, and its worth.",
                module="benchmarks.episodes",
            ),
            Benchmark(
                name="recall",
                line="How soon a model is back once the concept that it fitted has returned.",
                module="benchmarks.recall",
            ),
            Benchmark(
                name="ingest",
                line="Records a second from a topic to an observation, beside a bare client.",
                module="benchmarks.ingest",
            ),
            Benchmark(
                name="lag",
                line="How long records wait to be observed, idle and beside a search.",
                module="benchmarks.lag",
            ),
        )
    }
)
