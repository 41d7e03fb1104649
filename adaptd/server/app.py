"""`create_app`: the server as an ASGI application."""

from pathlib import Path

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from adaptd import __version__
from adaptd.clock import Clock
from adaptd.errors import ConflictError, NotFoundError, StateDirectoryError, StoreUnavailable
from adaptd.server import api, pages
from adaptd.server.changes import Changes
from adaptd.server.csrf import FormTokens
from adaptd.server.guard import HEADERS, Guard
from adaptd.server.rendering import Renderer
from adaptd.server.stream_state import streams
from adaptd.server.visible_store import VisibleStore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory

STATIC = Path(__file__).parent / "static"

log = structlog.get_logger()


def create_app(*, database: Database, state: StateDirectory, clock: Clock) -> FastAPI:
    """The API and the pages over one store.

    `app.state.changes.close()` ends the open event streams; call it before the server is stopped.
    """
    store = VisibleStore(database, state)
    renderer = Renderer(clock)
    changes = Changes(store, clock)
    # No interactive documentation: it loads script from elsewhere.
    app = FastAPI(
        title="adaptd",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.changes = changes
    app.add_middleware(Guard)
    app.include_router(api.create_router(store, clock))
    app.include_router(pages.create_router(store, renderer, FormTokens(), clock))
    app.mount("/static", _Static(directory=STATIC), name="static")

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        """200 where the store can be read."""
        with store.read() as connection:
            streams(connection)
        return PlainTextResponse("ok\n")

    @app.get("/events", include_in_schema=False)
    async def events(request: Request, seen: str = "") -> Response:
        """Server-sent events. seen: the version a page is of; a reconnect brings a later one."""
        last = request.headers.get("last-event-id", seen)
        return StreamingResponse(changes.events(last), media_type="text/event-stream")

    _handle_errors(app, renderer)
    return app


class _Static(StaticFiles):
    """Files that browsers keep, and ask about before each use."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def _handle_errors(app: FastAPI, renderer: Renderer) -> None:
    """Every error as a sentence: JSON below /api, plain text for probes, a page elsewhere."""

    def answer(request: Request, title: str, sentence: str, status: int) -> Response:
        path = request.url.path
        if path.startswith("/api/"):
            return JSONResponse({"detail": sentence}, status)
        if path in ("/healthz", "/events") or path.startswith("/static/"):
            return PlainTextResponse(f"{sentence}\n", status)
        return renderer.problem(title, sentence, status=status)

    def not_found(request: Request, error: Exception) -> Response:
        return answer(request, "Not found", _sentence(str(error)), 404)

    def conflicting(request: Request, error: Exception) -> Response:
        return answer(request, "Not possible", _sentence(str(error)), 409)

    def unavailable(request: Request, error: Exception) -> Response:
        log.warning("server.store_unavailable", path=request.url.path, error=str(error))
        response = answer(
            request,
            "Store not available",
            f"The state of the daemon cannot be read or written now: {error}. Nothing was changed; "
            "try again in a moment.",
            503,
        )
        response.headers["retry-after"] = "2"
        return response

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 422
        if status == 404:
            return answer(request, "Not found", "There is no such page here.", 404)
        detail = error.detail if isinstance(error, HTTPException) else _first(error)
        response = answer(request, "Not possible", _sentence(str(detail)), status)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    def broken(request: Request, error: Exception) -> Response:
        # The server logs the traceback. This answer passes by the guard, so it brings its headers.
        log.error("server.error", path=request.url.path, error=repr(error))
        return PlainTextResponse("An error of the server; its log says more.\n", 500, HEADERS)

    app.add_exception_handler(NotFoundError, not_found)
    app.add_exception_handler(ConflictError, conflicting)
    app.add_exception_handler(StoreUnavailable, unavailable)
    app.add_exception_handler(StateDirectoryError, unavailable)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(Exception, broken)


def _first(error: Exception) -> str:
    if not isinstance(error, RequestValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{first['loc'][-1]}: {first['msg']}, got {first['input']!r}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
