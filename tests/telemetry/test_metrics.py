from prometheus_client import generate_latest

from adaptd.telemetry import Metrics


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_two_daemons_fit_in_one_process() -> None:
    one, other = Metrics(), Metrics()
    one.records.labels("s").inc(3)
    assert 'adaptd_records_total{stream="s"} 3.0' in text(one)
    assert 'adaptd_records_total{stream="s"}' not in text(other)


def test_closing_an_episode_counts_it_and_takes_its_gauges_back() -> None:
    metrics = Metrics()
    metrics.episode_active.labels("s").set(1)
    metrics.drift_active.labels("s").set(1)
    metrics.episode_step.labels("s").set(40)
    metrics.trial_log_e_needed.labels("s").set(3.7)
    metrics.trial_log_e_needed.labels("other").set(4.8)
    metrics.close_episode("s", "no-better")
    shown = text(metrics)
    assert 'adaptd_episodes_total{outcome="no-better",stream="s"} 1.0' in shown
    for gauge in ("episode_active", "drift_active", "episode_step"):
        assert f'adaptd_{gauge}{{stream="s"}} 0.0' in shown
    assert 'adaptd_trial_log_e_needed{stream="s"}' not in shown
    assert 'adaptd_trial_log_e_needed{stream="other"} 4.8' in shown


def test_lag_is_shown_for_each_partition() -> None:
    metrics = Metrics()
    metrics.show_lag("s", {0: 5, 3: 0})
    shown = text(metrics)
    assert 'adaptd_stream_lag_records{partition="0",stream="s"} 5.0' in shown
    assert 'adaptd_stream_lag_records{partition="3",stream="s"} 0.0' in shown


def test_the_end_of_a_watch_counts_it_and_takes_its_gauges_back() -> None:
    metrics = Metrics()
    metrics.prepare_watches("s", outcomes=["kept", "rolled-back"])
    assert 'adaptd_watches_total{outcome="rolled-back",stream="s"} 0.0' in text(metrics)
    metrics.watch_active.labels("s").set(1)
    metrics.watch_records.labels("s").set(40)
    metrics.watch_log_e_value.labels("other").set(1.5)
    metrics.close_watch("s", "kept")
    shown = text(metrics)
    assert 'adaptd_watches_total{outcome="kept",stream="s"} 1.0' in shown
    assert 'adaptd_watch_active{stream="s"} 0.0' in shown
    assert 'adaptd_watch_records{stream="s"}' not in shown
    assert 'adaptd_watch_log_e_value{stream="other"} 1.5' in shown
