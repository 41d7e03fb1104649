"""Structured log events on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime

import structlog


def configure(*, level: str = "info", format: str = "console") -> None:
    """Sets structlog up for this process. level: a name of `logging`; format: `console` or
    `json`."""
    is_json = format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if is_json:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # Looked up at each line: whoever puts another stream in its place also closes it some day.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module; only what they warn of is worth a line here.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine() if is_json else _OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _OneLine(logging.Formatter):
    """Of a library. A Kafka client logs the traceback of every connection that a broker closes: the
    error itself says as much."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.name}: {_told(record)}"


class _JsonLine(logging.Formatter):
    """The same as an event of ours."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return json.dumps(
            {
                "logger": record.name,
                "event": _told(record),
                "level": record.levelname.lower(),
                "timestamp": moment.isoformat().replace("+00:00", "Z"),
            }
        )


def _told(record: logging.LogRecord) -> str:
    parts = [record.getMessage()]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        parts.append(f"{type(error).__name__}: {error}")
    return " ".join(": ".join(parts).split())
