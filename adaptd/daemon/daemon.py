"""`Daemon`: every stream's loop, the schedule, the relay, health and the server, in one process."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack

import structlog
from threadpoolctl import threadpool_limits

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import Clock, SystemClock
from adaptd.config import Config
from adaptd.daemon.health import Health, HealthServer
from adaptd.daemon.process import Process
from adaptd.daemon.schedule import Schedule
from adaptd.daemon.server_process import ServerProcess
from adaptd.daemon.tenure import Tenure
from adaptd.daemon.tenures import Tenures
from adaptd.store import configurations
from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.store.place import place_of
from adaptd.store.sqlite import SqliteFile
from adaptd.telemetry import Metrics

log = structlog.get_logger()

# A round waits this long for records in all, so a stop is seen at least ten times a second.
ROUND_SECONDS = 0.1


class Daemon:
    """Runs until it is told to stop. Everything it knows is in the state directory."""

    def __init__(
        self, config: Config, *, state: StateDirectory, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._state = state
        self._clock = clock or SystemClock()
        self._queue = TriggerQueue()
        self.metrics = Metrics()
        self.health = Health(self._clock)

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set, then ends within seconds with everything checkpointed.

        A stream that fails for good is out of service and shown so; the others go on.
        Raises StateDirectoryError where another daemon holds the directory, its version is newer,
        or its database is damaged or gone, StaleEpochError where another owner took a stream, the
        last stream's PermanentError where none is left, SourceError where a group can never be
        joined, OSError where a port is taken.
        """
        config = self._config
        with ExitStack() as stack:
            stack.enter_context(DaemonLock(self._state.lock, is_shared=config.members is not None))
            place = place_of(config.store, self._state)
            if isinstance(place, SqliteFile):
                self._state.check_database()
            database = Database.open(place)
            stack.callback(database.close)
            with database.write() as connection:
                number = configurations.accept(
                    connection, config.model_dump(mode="json"), now=self._clock.now()
                )
            server = HealthServer(
                self.health, self.metrics, host=config.metrics.host, port=config.metrics.port
            )
            stack.callback(server.close)
            log.info("daemon.started", configuration=number, metrics_port=server.port)
            # The linear algebra of a signal's fit is small: with several threads, beside workers
            # that keep all cores busy, it waits for seconds, and all streams with it.
            stack.enter_context(threadpool_limits(limits=1))
            workers = LocalExecutor(config.workers, clock=self._clock)
            schedule = Schedule(database=database, queue=self._queue, clock=self._clock)
            schedule.start()
            stack.callback(schedule.close)
            process = Process(
                seed=config.seed,
                state=self._state,
                database=database,
                queue=self._queue,
                schedule=schedule,
                executor=workers,
                is_shared=config.members is not None,
                clock=self._clock,
                metrics=self.metrics,
                health=self.health,
            )
            tenures = stack.enter_context(Tenures(config.streams, config.members, process))
            # Closed before the loops: all workers keep where they stand at one time.
            stack.callback(workers.close)
            operator_server = ServerProcess(config, self._clock)
            stack.callback(operator_server.close)
            self.health.clear("daemon")
            while not stop.is_set():
                if config.server.enabled:
                    operator_server.step()
                self._round(tenures.step(), stop)
                workers.tend()
                self.metrics.show_workers(
                    count=workers.count, busy=workers.busy, waiting=workers.waiting
                )
            log.info("daemon.stopping")

    def _round(self, tenures: Sequence[Tenure], stop: threading.Event) -> None:
        has_waited = [
            tenure.step(timeout_seconds=ROUND_SECONDS / len(tenures)) for tenure in tenures
        ]
        self.health.beat()
        failures = [tenure.failure for tenure in tenures if tenure.failure is not None]
        if failures and len(failures) == len(tenures):
            raise failures[-1]
        if not any(has_waited):
            stop.wait(ROUND_SECONDS)
