"""Where a process listens, and what it logs."""

from typing import Literal

from pydantic import Field, field_validator

from adaptd.config.section import Section


class HttpConfig(Section):
    """Where a process listens. Loopback only, until the server has sign-in."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535, description="0: any free port, written to the log")


class ServerConfig(HttpConfig):
    """API and operator page."""

    enabled: bool = True
    port: int = Field(default=8_080, ge=0, le=65_535)

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a loopback address, since the operator page has no sign-in yet")
        return host


class MetricsConfig(HttpConfig):
    """/metrics, /healthz and /readyz of the daemon. Read-only, so it may listen beyond loopback."""

    port: int = Field(default=9_464, ge=0, le=65_535)


class LogConfig(Section):
    """What is logged to standard error, and for whom: a person or a log collector."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
