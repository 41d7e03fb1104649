"""Every metric of the daemon, declared in one place. They live in the parent process only."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

# Seconds, from a click to a month.
_DELAYS = (1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)


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

        self.owned = gauge(
            "adaptd_stream_owned", "1 where this process works on the stream, 0 where it stands by"
        )
        self.read_records = counter(
            "adaptd_read_records",
            "Records that came from the source, also those that do not fit or wait for a label",
        )
        self.records = counter("adaptd_records", "Records that counted: those with a label")
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
        self.sensor_broken = gauge(
            "adaptd_sensor_broken", "1 while a channel is missing, constant or stuck, labels or not"
        )
        self.broken_records = counter(
            "adaptd_broken_records",
            "Labelled records that came while a sensor was broken: nobody counts them or learns",
        )
        self.signals_watching = gauge(
            "adaptd_signals_watching",
            "1 once the signals beside the loss have learnt what is ordinary",
        )
        self.signal_evidence = gauge(
            "adaptd_signal_evidence",
            "Log evidence that a signal has changed, over the log of what an alarm takes",
            "signal",
        )
        self.alarms_per_day = gauge(
            "adaptd_signal_alarms_per_day",
            "Alarms of the signals beside the loss, a day of event time that was watched",
        )
        self.alarm_budget_per_day = gauge(
            "adaptd_alarm_budget_per_day", "False alarms that all signals may raise a day"
        )
        self.episode_active = gauge("adaptd_episode_active", "1 while an episode is open")
        self.episode_step = gauge("adaptd_episode_step", "Step that the running phase has reached")
        self.episode_steps = gauge("adaptd_episode_steps", "Steps of the running phase")
        self.episodes = counter("adaptd_episodes", "Closed episodes", "outcome")
        self.worker_failures = counter(
            "adaptd_worker_failures", "Workers that ended without a result", "cause"
        )
        self.workers = Gauge(
            "adaptd_workers",
            "Workers of this daemon, all its streams together, by what they do",
            ("state",),
            registry=self.registry,
        )
        self.jobs_waiting = Gauge(
            "adaptd_jobs_waiting",
            "Trainings and searches that wait for a worker",
            registry=self.registry,
        )
        self.triggers_waiting = gauge(
            "adaptd_triggers_waiting",
            "Triggers that wait for an episode, by what holds them back",
            "kind",
            "reason",
        )
        self.compute_seconds = counter(
            "adaptd_compute_seconds", "Processor seconds of the stream's workers"
        )
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
        self.watch_active = gauge(
            "adaptd_watch_active", "1 while a fresh release is watched beside its predecessor"
        )
        self.watch_records = gauge(
            "adaptd_watch_records", "Records on which the two have been compared"
        )
        self.watch_log_e_value = gauge(
            "adaptd_watch_log_e_value",
            "Natural log of the e-value that the release is worse than its predecessor",
        )
        self.watch_log_e_needed = gauge(
            "adaptd_watch_log_e_needed", "Natural log of the e-value at which it is rolled back"
        )
        self.watches = counter("adaptd_watches", "Watches that have ended", "outcome")
        self.releases = counter("adaptd_releases", "Releases published by this process")
        self.release = Info(
            "adaptd_release", "The release that predicts now", by_stream, registry=self.registry
        )
        self.lag_records = gauge(
            "adaptd_stream_lag_records", "Records that wait in the source", "partition"
        )
        self.labels = counter(
            "adaptd_labels", "Labels that came by themselves, by what became of them", "fate"
        )
        self.rejected_labels = counter(
            "adaptd_rejected_labels",
            "Labels set aside: they do not fit, or say something else than the first one did",
            "reason",
        )
        self.unjoined_records = counter(
            "adaptd_unjoined_records", "Records that no label was put to, by the reason", "fate"
        )
        self.join_held = gauge(
            "adaptd_join_held",
            "Ids in the store: records that wait for a label, labels that are early, both met",
            "state",
        )
        self.label_lag = gauge(
            "adaptd_label_lag_records", "Labels that wait in their source", "partition"
        )
        self.label_delay_seconds = Histogram(
            "adaptd_label_delay_seconds",
            "From a record's own time to that of its label, in seconds",
            by_stream,
            buckets=_DELAYS,
            registry=self.registry,
        )
        self.checkpoint_seconds = Histogram(
            "adaptd_checkpoint_seconds",
            "Duration of a checkpoint, in seconds",
            by_stream,
            registry=self.registry,
        )
        self.store_unavailable = counter(
            "adaptd_store_unavailable", "Writes of checkpoints and releases that failed"
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
        for counter in (
            self.read_records,
            self.records,
            self.broken_records,
            self.releases,
            self.store_unavailable,
            self.compute_seconds,
        ):
            counter.labels(stream)
        for gauge in (
            self.drift_active,
            self.sensor_broken,
            self.signals_watching,
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

    def prepare_watches(self, stream: str, *, outcomes: Iterable[str]) -> None:
        """As `prepare`, of the watches over its releases."""
        self.watch_active.labels(stream).set(0)
        for outcome in outcomes:
            self.watches.labels(stream, outcome)

    def prepare_labels(
        self,
        stream: str,
        *,
        label_fates: Iterable[str],
        record_fates: Iterable[str],
        reasons: Iterable[str],
    ) -> None:
        """As `prepare`, of a stream whose labels come by themselves."""
        for fate in label_fates:
            self.labels.labels(stream, fate)
        for fate in record_fates:
            self.unjoined_records.labels(stream, fate)
        for reason in reasons:
            self.rejected_labels.labels(stream, reason)
        self.label_delay_seconds.labels(stream)

    def show_workers(self, *, count: int, busy: int, waiting: int) -> None:
        """waiting: jobs for which there is no worker."""
        self.workers.labels("busy").set(busy)
        self.workers.labels("free").set(max(0, count - busy))
        self.jobs_waiting.set(waiting)

    def show_label_lag(self, stream: str, lag: Mapping[int, int]) -> None:
        """lag: partition -> labels behind its end."""
        for partition, labels in lag.items():
            self.label_lag.labels(stream, str(partition)).set(labels)

    def show_lag(self, stream: str, lag: Mapping[int, int]) -> None:
        """lag: partition -> records behind its end."""
        for partition, records in lag.items():
            self.lag_records.labels(stream, str(partition)).set(records)

    def disown(self, stream: str) -> None:
        """Shows the stream as another process's: what its owner says of it now is not for this one
        to say. Counters stay, since they count what this process did."""
        self.owned.labels(stream).set(0)
        for gauge in (
            self.accuracy,
            self.loss,
            self.drift_active,
            self.episode_active,
            self.episode_step,
            self.episode_steps,
            self.trial_log_e_value,
            self.trial_log_e_needed,
            self.proposals_awaiting,
            self.release,
            self.lag_records,
            self.label_lag,
            self.join_held,
            self.triggers_waiting,
            self.watch_active,
            self.watch_records,
            self.watch_log_e_value,
            self.watch_log_e_needed,
            self.sensor_broken,
            self.signals_watching,
            self.signal_evidence,
            self.alarms_per_day,
            self.alarm_budget_per_day,
        ):
            gauge.remove_by_labels({"stream": stream})

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

    def close_watch(self, stream: str, outcome: str) -> None:
        """Counts the outcome and takes the watch's gauges back."""
        self.watches.labels(stream, outcome).inc()
        self.watch_active.labels(stream).set(0)
        for gauge in (self.watch_records, self.watch_log_e_value, self.watch_log_e_needed):
            gauge.remove_by_labels({"stream": stream})
