import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from adaptd.config import Config, parse
from adaptd.errors import ConfigError, StateDirectoryError
from adaptd.server.process import ADDRESS_FILE, serve
from adaptd.store.database import Database

# Not a bound under test: how long a loaded machine may take to start an interpreter.
PATIENCE_SECONDS = 60.0


def config(directory: Path, port: int = 0) -> Config:
    return parse(
        {
            "state_directory": str(directory),
            "streams": [{"name": "press-4", "source": {"kind": "scenario"}}],
            "server": {"port": port},
        },
        origin="test",
    )


def address(directory: Path) -> dict[str, object]:
    """What the server says of itself, once it listens."""
    path = directory / ADDRESS_FILE
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.02)
    document: dict[str, object] = json.loads(path.read_bytes())
    return document


def hand_over(process: subprocess.Popen[bytes], config: Config) -> None:
    """Gives the process its configuration and leaves its input open."""
    assert process.stdin is not None
    process.stdin.write(config.model_dump_json().encode() + b"\n")
    process.stdin.flush()


def test_it_waits_for_the_database_listens_and_ends_when_told(tmp_path: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(config(tmp_path),), kwargs={"stop": stop})
    thread.start()
    try:
        assert not (tmp_path / ADDRESS_FILE).exists()
        Database.open(tmp_path / "adaptd.db").close()
        document = address(tmp_path)
        assert document["schema_version"] == 1
        assert document["pid"] == os.getpid()
        assert httpx.get(f"{document['url']}/healthz").text == "ok\n"
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert not (tmp_path / ADDRESS_FILE).exists()


def test_it_ends_while_it_waits(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    serve(config(tmp_path), stop=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_ours_is_an_error_that_names_the_key(
    tmp_path: Path, database: Database
) -> None:
    foreign = config(tmp_path)
    # Documentation range (RFC 5737); the configuration itself would not take it.
    server = foreign.server.model_copy(update={"host": "192.0.2.1"})
    with pytest.raises(ConfigError, match=r"server\.port"):
        serve(foreign.model_copy(update={"server": server}), stop=threading.Event())


def test_a_database_of_another_version_is_an_error(tmp_path: Path, database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    with pytest.raises(StateDirectoryError, match="newer"):
        serve(config(tmp_path), stop=threading.Event())


@pytest.mark.slow
def test_a_port_in_use_is_an_error_that_names_it(tmp_path: Path, database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*server\.port"):
            serve(config(tmp_path, port), stop=threading.Event())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_although_a_page_listens(
    tmp_path: Path, database: Database, number: signal.Signals
) -> None:
    process = subprocess.Popen([sys.executable, "-m", "adaptd.server"], stdin=subprocess.PIPE)
    hand_over(process, config(tmp_path))
    try:
        url = str(address(tmp_path)["url"])
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/events")
        response = connection.getresponse()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.readline().startswith(b"id: ")
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
        # It was ended in order, and not cut off.
        assert response.read().endswith(b"\n\n")
        assert not (tmp_path / ADDRESS_FILE).exists()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_the_command_ends_when_its_input_does(tmp_path: Path, database: Database) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "adaptd.server"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            hand_over(process, config(tmp_path))
            assert process.stdin is not None
            assert process.stderr is not None
            assert httpx.get(f"{address(tmp_path)['url']}/healthz").status_code == 200
            process.stdin.close()
            assert process.wait(PATIENCE_SECONDS) == 0
            assert b"server.listening" in process.stderr.read()
        finally:
            process.kill()


@pytest.mark.slow
def test_an_orphan_lets_go_of_its_port(tmp_path: Path, database: Database) -> None:
    parent = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'adaptd.server']\n"
        "process = subprocess.Popen(command, stdin=subprocess.PIPE)\n"
        "process.stdin.write(sys.argv[1].encode() + b'\\n')\n"
        "process.stdin.flush()\n"
        "process.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, config(tmp_path).model_dump_json()]
    ) as process:
        server = address(tmp_path)["pid"]
        assert server != process.pid
        process.kill()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (tmp_path / ADDRESS_FILE).exists():
        assert time.monotonic() < deadline, f"process {server} outlives its parent"
        time.sleep(0.02)
