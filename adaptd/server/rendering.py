"""`Renderer`: templates to HTML, with everything escaped."""

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from adaptd import __version__
from adaptd.clock import Clock
from adaptd.registry.requests import MAXIMUM_REASON
from adaptd.server import trigger_wording, wording
from adaptd.server.decision import ACTOR, MAXIMUM_COMMENT
from adaptd.server.stream_state import LATEST_RECORDS

FILTERS = (
    wording.percent,
    wording.count,
    wording.scaled,
    wording.ratio,
    wording.short,
    wording.instant,
    wording.duration,
)

TRIGGER_FILTERS = (trigger_wording.what, trigger_wording.why, trigger_wording.until)


class Renderer:
    """The package's templates. A name that a template lacks is an error, not an empty string."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("adaptd.server"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for function in FILTERS:
            self._environment.filters[function.__name__] = function
        for words in TRIGGER_FILTERS:
            self._environment.filters[f"trigger_{words.__name__}"] = words
        self._environment.globals.update(
            version=__version__,
            actor=ACTOR,
            maximum_comment=MAXIMUM_COMMENT,
            maximum_reason=MAXIMUM_REASON,
            latest_records=LATEST_RECORDS,
        )

    def page(
        self, template: str, *, status: int = 200, now: datetime | None = None, **context: Any
    ) -> HTMLResponse:
        """A whole page. now: what it is as of; the clock's, if the page reads nothing."""
        html = self._environment.get_template(template).render(
            now=now or self._clock.now(), **{"path": "", "seen": "", **context}
        )
        return HTMLResponse(html, status)

    def problem(
        self,
        title: str,
        sentence: str,
        *,
        status: int,
        back: str = "/",
        back_text: str = "All streams",
    ) -> HTMLResponse:
        """A page that says in a sentence what is wrong, and leads back."""
        return self.page(
            "problem.html",
            status=status,
            title=title,
            sentence=sentence,
            back=back,
            back_text=back_text,
        )
