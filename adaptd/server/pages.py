"""The pages of an operator, and what their forms send."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from adaptd.clock import Clock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import proposals, requests
from adaptd.server import decision, proposal_view, stream_state, stream_view
from adaptd.server.changes import version_of
from adaptd.server.csrf import FormTokens
from adaptd.server.decision import ACTOR, DecisionForm, FormProblem
from adaptd.server.rendering import Renderer
from adaptd.server.trigger_wording import answered
from adaptd.server.visible_store import VisibleStore


def create_router(
    store: VisibleStore, renderer: Renderer, tokens: FormTokens, clock: Clock
) -> APIRouter:
    """`/`, `/streams/{name}`, `/proposals/{id}` and the two forms."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/")
    def index() -> Response:
        """All streams."""
        now = clock.now()
        with store.read() as connection:
            views = [
                stream_view.view(connection, stream_state.read(connection, name, now=now), now=now)
                for name in stream_state.streams(connection)
            ]
            seen = version_of(connection)
        awaiting = sum(len(view.proposals) for view in views)
        return renderer.page(
            "index.html", now=now, path="/", seen=seen, streams=views, awaiting=awaiting
        )

    @router.get("/streams/{name}")
    def stream(request: Request, name: str) -> Response:
        """One stream, with the form where a proposal awaits a decision."""
        now = clock.now()
        with store.read() as connection:
            names = stream_state.streams(connection)
            if name not in names:
                raise NotFoundError(f"There is no stream {name!r} here.")
            view = stream_view.view(
                connection, stream_state.read(connection, name, now=now), now=now
            )
            seen = version_of(connection)
        token = _token(request, tokens)
        response = renderer.page(
            "stream.html",
            now=now,
            path=f"/streams/{name}",
            seen=seen,
            names=names,
            view=view,
            token=token,
        )
        return _with_token(request, response, token)

    @router.post("/streams/{name}/requests")
    def ask(
        request: Request,
        name: str,
        *,
        token: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
        over_budget: Annotated[bool, Form()] = False,
    ) -> Response:
        """Takes the form; 303 to the stream, which then shows what waits."""
        back = f"/streams/{name}#triggers"
        if not tokens.agree(cookie=request.cookies.get(_cookie(request), ""), form=token):
            return renderer.problem(
                "Form out of date",
                "This form was shown by an earlier start of the server, or cookies are off. "
                "Nothing was asked for; open the stream again and repeat it.",
                status=403,
                back=back,
                back_text="Open the stream again",
            )
        try:
            with store.write() as connection:
                answer = requests.ask(
                    connection,
                    stream=name,
                    actor=ACTOR,
                    reason=reason.replace("\r\n", "\n").strip(),
                    is_over_budget=over_budget,
                    now=clock.now(),
                )
        except (ConflictError, ValueError) as error:
            return renderer.problem(
                "Not asked for",
                f"{error}. Nothing was asked for.",
                status=409 if isinstance(error, ConflictError) else 422,
                back=back,
                back_text="Open the stream again",
            )
        if not answer.is_new:
            return renderer.problem(
                "Asked for already", answered(answer), status=200, back=back, back_text="What waits"
            )
        return RedirectResponse(back, 303)

    @router.get("/proposals/{identifier}")
    def proposal(request: Request, identifier: str) -> Response:
        """One proposal in whatever state it is."""
        return _proposal_page(request, identifier)

    @router.post("/proposals/{identifier}/decision")
    def decide(
        request: Request,
        identifier: str,
        *,
        token: Annotated[str, Form()] = "",
        verdict: Annotated[str, Form()] = "",
        digest: Annotated[str, Form()] = "",
        comment: Annotated[str, Form()] = "",
    ) -> Response:
        """Takes the form; 303 to the proposal, which then shows the decision."""
        back = f"/proposals/{identifier}"
        if not tokens.agree(cookie=request.cookies.get(_cookie(request), ""), form=token):
            return renderer.problem(
                "Form out of date",
                "This form was shown by an earlier start of the server, or cookies are off. "
                "Nothing was decided; open the proposal again and repeat your decision.",
                status=403,
                back=back,
                back_text="Open the proposal again",
            )
        # Browsers send CR LF for a line's end.
        form = DecisionForm(verdict, digest, comment.replace("\r\n", "\n"))
        try:
            with store.write() as connection:
                decision.carry_out(connection, identifier, form, now=clock.now())
        except FormProblem as problem:
            return _proposal_page(
                request, identifier, comment=form.comment, problem=str(problem), status=422
            )
        except ConflictError as conflict:
            return renderer.problem(
                "Not decided",
                str(conflict),
                status=409,
                back=back,
                back_text="See the proposal as it is now",
            )
        return RedirectResponse(back, 303)

    def _proposal_page(
        request: Request,
        identifier: str,
        *,
        comment: str = "",
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        now = clock.now()
        with store.read() as connection:
            view = proposal_view.view(connection, proposals.get(connection, identifier), now=now)
            seen = version_of(connection)
        token = _token(request, tokens)
        response = renderer.page(
            "proposal.html",
            status=status,
            now=now,
            path=f"/proposals/{view.proposal.id}",
            seen=seen,
            view=view,
            token=token,
            comment=comment,
            problem=problem,
        )
        return _with_token(request, response, token)

    return router


def _cookie(request: Request) -> str:
    # Cookies are shared by all ports of a host; another daemon's server must not overwrite ours.
    return f"adaptd-form-{request.url.port or 80}"


def _token(request: Request, tokens: FormTokens) -> str:
    """The browser's own token while it is ours, so that its other tabs stay valid; or a new one."""
    held = request.cookies.get(_cookie(request), "")
    return held if tokens.is_ours(held) else tokens.issue()


def _with_token(request: Request, response: Response, token: str) -> Response:
    response.set_cookie(_cookie(request), token, path="/", httponly=True, samesite="strict")
    return response
