from collections.abc import Callable
from pathlib import Path

import pytest

from adaptd.config import StreamConfig, load
from adaptd.errors import ConfigError
from adaptd.space.operation import parse_operation

MINIMAL = """
state_directory: state
streams:
  - name: sensors
    source: {kind: scenario}
"""
RECORDED = MINIMAL.replace("{kind: scenario}", "{kind: replay, path: gone.parquet}")
RECORD = "    record: {shape: [1, 2], classes: [calm, rough]}\n"


def within(text: str) -> str:
    """The minimal file with one more line in its stream."""
    return f"{MINIMAL}    {text}\n"


def kafka(section: str, topic: str) -> str:
    """A stream of the topic `t`, but that this section names another."""
    topics = {"source": "t", section: topic}
    source = f"{{kind: kafka, bootstrap_servers: [a], topic: {topics.pop('source')!r}}}"
    lines = [f"    {name}: {{topic: {other!r}}}\n" for name, other in topics.items()]
    return MINIMAL.replace("{kind: scenario}", source) + RECORD + "".join(lines)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_minimal_file_takes_every_default(tmp_path: Path) -> None:
    config = load(written(tmp_path, MINIMAL), {})
    assert config.streams[0].source.kind == "scenario"
    assert config.streams[0].approval.policy == "operator"
    assert config.server.host == "127.0.0.1"


def test_environment_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    config = load(
        path,
        {
            "ADAPTD__SERVER__PORT": "8081",
            "ADAPTD__STREAMS__0__NAME": "other",
            "ADAPTD__STREAMS__0__EPISODE__STEPS": "50",
            "UNRELATED": "x",
        },
    )
    assert config.server.port == 8081
    assert config.streams[0].name == "other"
    assert config.streams[0].episode.steps == 50


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (MINIMAL + "colour: red\n", ["colour", "no such key", "red"]),
        (MINIMAL + "seed: -1\n", ["seed", "greater than or equal to 0", "-1"]),
        (MINIMAL.replace("kind: scenario", "kind: pigeon"), ["streams.0.source", "pigeon"]),
        (MINIMAL.replace("sensors", "Sensors!"), ["streams.0.name", "Sensors!"]),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: scenario, drift_at: soon}"),
            ["streams.0.source.drift_at", "soon"],
        ),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: replay, path: x.parquet}"),
            ["streams.0.record", "replay", "got nothing"],
        ),
        (MINIMAL + "server: {host: 0.0.0.0}\n", ["server.host", "loopback", "0.0.0.0"]),
        (MINIMAL + "server: {port: 9464}\n", ["metrics.port: server.port is the same", "9464"]),
        ("state_directory: state\nstreams: []\n", ["streams", "at least 1"]),
        ("state_directory: state\n", ["streams", "required", "got nothing"]),
        (
            within("schedule: {cron: every day}"),
            ["streams.0.schedule.cron: expected the five fields of crontab(5), got 'every day'"],
        ),
        (
            within('schedule: {cron: "61 * * * *"}'),
            ["streams.0.schedule.cron", "maximum", "'61 * * * *'"],
        ),
        (
            within('schedule: {every_seconds: 5, cron: "0 3 * * *"}'),
            ["streams.0.schedule.cron", "not both", "'0 3 * * *'"],
        ),
        (
            within("window_records: 1000"),
            ["streams.0.window_records: expected at least 2000, which is initial.records, got 100"],
        ),
        (
            within("episode: {records: 6001}"),
            ["streams.0.window_records: expected at least 6001, which is episode.records, got 600"],
        ),
        (
            within(
                "window_records: 6000\n    episode: {records: 6000, minimum_records: 5937}",
            ),
            ["streams.0.window_records: expected at least 6001", "two blocks", "got 6000"],
        ),
        (
            within("episode: {minimum_records: 1501}"),
            ["streams.0.episode.records: expected at least 1501", "minimum_records", "got 1500"],
        ),
        (
            within("trial: {minimum_records: 500, maximum_records: 499}"),
            ["streams.0.trial.maximum_records: expected at least 500", "minimum_records", "499"],
        ),
        (
            within("watch: {minimum_records: 500, maximum_records: 499}"),
            ["streams.0.watch.maximum_records: expected at least 500", "minimum_records", "499"],
        ),
        (
            within("trial: {minimum_records: 6001}"),
            ["streams.0.trial.maximum_records: expected at least 6001", "got 6000"],
        ),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: scenario, records: 1999}"),
            ["streams.0.source.records: expected at least 2000, which is initial.records", "1999"],
        ),
        (
            within('publish: {topic: "{releases}"}'),
            ["streams.0.publish.topic", "kafka", "scenario", "got '{releases}'"],
        ),
        (
            within("labels: {topic: classes}"),
            ["streams.0.labels.topic: only a kafka source has one", "scenario", "got 'classes'"],
        ),
        (
            within("labels: {wait_seconds: 60}"),
            ["streams.0.labels: delay_records is needed for a scenario source"],
        ),
        (
            within("labels: {delay_records: 1000, maximum_records: 1500}"),
            ["streams.0.labels.maximum_records: expected at least 2000", "delay_records", "1500"],
        ),
        (
            MINIMAL + RECORD.replace("shape", "prediction: target, shape"),
            ["streams.0.record.prediction: is the field of record.target", "got 'target'"],
        ),
        (within("labels: {delay_records: 0}"), ["streams.0.labels.delay_records", "got 0"]),
        (
            within("model: {operation: dw k4 d1}"),
            ["streams.0.model.operation", "odd", "'dw k5 d1'", "got 'dw k4 d1'"],
        ),
        (
            MINIMAL + RECORD.replace("rough", "calm"),
            ["streams.0.record.classes", "differ", "['calm', 'calm']"],
        ),
        (
            MINIMAL + RECORD.replace("shape", "features: [a, b], shape"),
            [
                "streams.0.record.features: expected one name for each channel of shape [1, 2]",
                "['a', 'b']",
            ],
        ),
        (
            MINIMAL + RECORD.replace("shape", "format: arrow, shape"),
            ["streams.0.record.format", "only a kafka source", "of kind scenario", "got 'arrow'"],
        ),
        (
            MINIMAL.replace("{kind: scenario}", "{kind: kafka, bootstrap_servers: [a], topic: t}")
            + RECORD.replace("shape", "format: avro, avro: {schema_file: gone.avsc}, shape"),
            ["streams.0.record.avro.schema_file: expected an existing file", "gone.avsc"],
        ),
        (
            kafka("source", "bad topic!"),
            ["streams.0.source.topic: expected the name", "'bad topic!'"],
        ),
        (kafka("source", ".."), ["streams.0.source.topic: expected the name of a Kafka topic"]),
        (
            kafka("publish", "no such!"),
            ["streams.0.publish.topic: expected the name", "'no such!'"],
        ),
        (kafka("rejects", "t"), ["streams.0.rejects.topic", "are read from there (source.topic)"]),
        (
            kafka("source", "t" * 237),
            ["streams.0.rejects.topic", "none is named it is 'ttt", "got nothing"],
        ),
        (kafka("labels", "a b"), ["streams.0.labels.topic: expected the name of a Kafka topic"]),
        (kafka("labels", "t"), ["streams.0.labels.topic: source.topic is the same", "got 't'"]),
        (kafka("labels", "t.drift"), ["streams.0.labels.topic: publish.drift_topic is the same"]),
        (
            within("trial: {alpha: 0.01}\n    trial: {minimum_records: 300}"),
            ["not valid YAML: the key 'trial' is given twice", "line 7"],
        ),
        (
            kafka("source", "t").replace("[a]", "a"),
            ["streams.0.source.bootstrap_servers: input should be a list, got 'a'"],
        ),
        (
            kafka("source", "t").replace(
                "topic: 't'", "topic: t, sasl: {mechanism: PLAIN, username: u}"
            ),
            ["streams.0.source.sasl.password: needed with mechanism PLAIN, got nothing"],
        ),
        (RECORDED + RECORD, ["streams.0.source.path: expected an existing file", "gone.parquet"]),
        ("- 1\n", ["top level"]),
        ("a: [1\n", ["not valid YAML"]),
        (
            MINIMAL + MINIMAL.split("streams:")[1],
            ["streams.1.name", "differ", "streams.0", "got 'sensors'"],
        ),
    ],
)
def test_error_names_file_key_value_and_what_was_expected(
    tmp_path: Path, text: str, named: list[str]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert message.startswith(str(path))
    for part in named:
        assert part in message
    assert message.count(" got ") <= 1


def test_every_error_has_its_own_line(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + "seed: x\ncolour: red\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(str(caught.value).splitlines()) == 2


def test_an_error_in_a_stream_does_not_claim_that_there_are_none(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL.replace("sensors", "Sensors!"))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml", {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADAPTD__STREAMS__7__NAME", "x"),
        ("ADAPTD__STREAMS__FIRST__NAME", "x"),
        ("ADAPTD__STATE_DIRECTORY__X", "x"),
        ("ADAPTD__SEED", "[1"),
    ],
)
def test_environment_that_leads_nowhere_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load(written(tmp_path, MINIMAL), {name: value})


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("ADAPTD__SERVER__PORT", "99999", ["server.port", "99999"]),
        ("ADAPTD__STREAMS__0__SOURCE__DRIFT_AT", "soon", ["streams.0.source.drift_at", "soon"]),
        ("ADAPTD__STREAMS__0__SOURCE", "{kind: kafka, topic: t}", ["bootstrap_servers", "nothing"]),
        ("ADAPTD__STREAMS__0__RECORD__SHAPE", "[1, 4]", ["streams.0.record.classes", "nothing"]),
        ("ADAPTD__COLOUR__HUE", "red", ["colour", "no such key"]),
        ("ADAPTD__STREAMS__0__WINDOW_RECORDS", "500", ["streams.0.window_records", "500"]),
        # The value that it contradicts is a default.
        ("ADAPTD__STREAMS__0__INITIAL__RECORDS", "7000", ["initial.records", "7000"]),
        ("ADAPTD__STREAMS__0__TRIAL__MINIMUM_RECORDS", "9000", ["maximum_records", "9000"]),
    ],
)
def test_a_wrong_value_of_the_environment_names_the_variable_and_not_the_file(
    tmp_path: Path, name: str, value: str, named: list[str]
) -> None:
    path = written(tmp_path, MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load(path, {name: value, "ADAPTD__SEED": "1"})
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"environment: {name}: ")
    assert str(path) not in message
    for part in named:
        assert part in message


def test_a_wrong_value_of_the_file_is_not_blamed_on_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + "server: {port: 99999}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {"ADAPTD__SERVER__HOST": "127.0.0.1", "ADAPTD__SEED": "1"})
    assert str(caught.value).startswith(f"{path}: server.port: ")


def test_a_missing_recording_of_the_environment_names_the_variable(tmp_path: Path) -> None:
    recording = tmp_path / "a.csv"
    recording.touch()
    path = written(tmp_path, RECORDED.replace("gone.parquet", str(recording)) + RECORD)
    load(path, {})
    name = "ADAPTD__STREAMS__0__SOURCE__PATH"
    with pytest.raises(ConfigError, match=rf"environment: {name}: streams\.0\.source\.path"):
        load(path, {name: str(tmp_path / "b.csv")})


def test_values_on_the_edge_are_sound() -> None:
    stream = StreamConfig.model_validate(
        {
            "name": "s",
            "source": {"kind": "scenario", "records": 150},
            "initial": {"records": 150},
            "episode": {"records": 150, "minimum_records": 150},
            "trial": {"minimum_records": 9, "maximum_records": 9},
            "window_records": 150,
        }
    )
    assert stream.window_records == 150


def test_where_no_sensor_is_watched_the_whole_window_may_be_learnt_from() -> None:
    stream = StreamConfig.model_validate(
        {
            "name": "s",
            "source": {"kind": "scenario"},
            "alarm": {"signals": ["errors"], "reference_blocks": 20},
            "episode": {"records": 2_000, "minimum_records": 1_990},
            "window_records": 2_000,
        }
    )
    assert stream.window_records == 2_000


def test_a_kafka_stream_has_a_topic_of_releases() -> None:
    stream = StreamConfig.model_validate(
        {
            "name": "s",
            "source": {"kind": "kafka", "bootstrap_servers": ["a:9092"], "topic": "t"},
            "record": {"shape": [1, 2], "classes": ["calm", "rough"]},
            "publish": {"topic": "r"},
        }
    )
    assert stream.publish.topic == "r"


@pytest.mark.parametrize(
    "text",
    [
        "dw k1 d1",
        "dw k15 d20",
        "dw k4 d1",
        "dw k05 d1",
        "dw k5 d0",
        "dw k d1",
        "dw k5 d1\n",
        "Avg",
        "lowrank r0",
    ],
)
def test_an_operation_that_loads_is_one_that_can_be_built(text: str) -> None:
    def fits(check: Callable[[], object]) -> bool:
        try:
            check()
        except ValueError:
            return False
        return True

    document = {"name": "s", "source": {"kind": "scenario"}, "model": {"operation": text}}
    assert fits(lambda: StreamConfig.model_validate(document)) == fits(
        lambda: parse_operation(text)
    )
