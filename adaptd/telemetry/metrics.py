"""Every metric of the daemon, declared in one place. They live in the parent process only."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info


class Metrics:
    """The metrics of one daemon, in a registry of their own so that two daemons fit in a
    process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        by_stream = ("stream",)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, (*by_stream, *labels), registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, (*by_stream, *labels), registry=self.registry)

        self.records = counter("adaptd_records", "Records that counted")
        self.rejected_records = counter(
            "adaptd_rejected_records",
            "Records set aside because they do not fit the schema",
            "reason",
        )
        self.accuracy = gauge(
            "adaptd_accuracy", "Prequential accuracy over the latest 1,000 records"
        )
        self.loss = gauge("adaptd_loss", "Mean clipped log loss of the latest block, in nats")
        self.alarms = counter("adaptd_alarms", "Drift alarms", "signal")
        self.drift_active = gauge(
            "adaptd_drift_active", "1 from a drift alarm until its episode is closed"
        )
        self.episode_active = gauge("adaptd_episode_active", "1 while an episode is open")
        self.episode_step = gauge("adaptd_episode_step", "Step that the running phase has reached")
        self.episode_steps = gauge("adaptd_episode_steps", "Steps of the running phase")
        self.episodes = counter("adaptd_episodes", "Closed episodes", "outcome")
        self.trial_log_e_value = gauge(
            "adaptd_trial_log_e_value",
            "Natural log of the trial's e-value against a rival",
            "rival",
        )
        self.trial_log_e_needed = gauge(
            "adaptd_trial_log_e_needed",
            "Natural log of the e-value that the running trial needs against each rival",
        )
        self.proposals_awaiting = gauge("adaptd_proposals_awaiting", "Proposals without a decision")
        self.releases = counter("adaptd_releases", "Releases published by this process")
        self.release = Info(
            "adaptd_release", "The release that predicts now", by_stream, registry=self.registry
        )
        self.lag_records = gauge(
            "adaptd_stream_lag_records", "Records that wait in the source", "partition"
        )
        self.checkpoint_seconds = Histogram(
            "adaptd_checkpoint_seconds",
            "Duration of a checkpoint, in seconds",
            by_stream,
            registry=self.registry,
        )
        self.store_unavailable = counter(
            "adaptd_store_unavailable", "Checkpoints that the store could not take"
        )

    def prepare(
        self,
        stream: str,
        *,
        signals: Iterable[str],
        reasons: Iterable[str],
        outcomes: Iterable[str],
    ) -> None:
        """Shows every series of a stream as 0 from the start: an alert on a rate needs the first
        step too."""
        for counter in (self.records, self.releases, self.store_unavailable):
            counter.labels(stream)
        for gauge in (
            self.drift_active,
            self.episode_active,
            self.episode_step,
            self.episode_steps,
            self.proposals_awaiting,
        ):
            gauge.labels(stream).set(0)
        for signal in signals:
            self.alarms.labels(stream, signal)
        for reason in reasons:
            self.rejected_records.labels(stream, reason)
        for outcome in outcomes:
            self.episodes.labels(stream, outcome)

    def show_lag(self, stream: str, lag: Mapping[int, int]) -> None:
        """lag: partition -> records behind its end."""
        for partition, records in lag.items():
            self.lag_records.labels(stream, str(partition)).set(records)

    def close_episode(self, stream: str, outcome: str) -> None:
        """Counts the outcome and takes the episode's gauges back."""
        self.episodes.labels(stream, outcome).inc()
        self.trial_log_e_value.remove_by_labels({"stream": stream})
        self.trial_log_e_needed.remove_by_labels({"stream": stream})
        for gauge in (
            self.episode_active,
            self.drift_active,
            self.episode_step,
            self.episode_steps,
        ):
            gauge.labels(stream).set(0)
