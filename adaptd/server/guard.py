"""`Guard`: what every request must satisfy and every response carries."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Names that reach a loopback listener. Any other name in Host is a page of elsewhere whose DNS
# answer was changed to 127.0.0.1 (DNS rebinding).
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})

# A decision is a comment and a few digests.
MAXIMUM_BODY_BYTES = 65_536

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: that makes browsers send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware, outermost: checks Host, Origin and size, and adds security headers.

    Refusals are one plain sentence: 421 for a Host that is not loopback, 403 for a write from
    another origin, 411 and 413 for a body of unknown or excessive size.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_with_headers)


def _refusal(method: str, headers: Headers) -> PlainTextResponse | None:
    hosts = headers.getlist("host")
    if len(hosts) != 1 or host_name(hosts[0]) not in LOOPBACK_NAMES:
        return PlainTextResponse(
            "This server answers to 127.0.0.1, localhost and [::1] only, "
            "because its pages have no sign-in yet.\n",
            421,
        )
    if method in SAFE_METHODS:
        return None
    if headers.get("origin") != f"http://{hosts[0]}":
        return PlainTextResponse("A decision is taken only by a form of this server itself.\n", 403)
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return PlainTextResponse("The request must state its Content-Length.\n", 411)
    if len(length) > 10 or int(length) > MAXIMUM_BODY_BYTES:
        return PlainTextResponse(f"A form holds at most {MAXIMUM_BODY_BYTES} bytes.\n", 413)
    return None


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError where the port is no number
    except ValueError:
        return None
    if parts.netloc != host or parts.username is not None or parts.path or parts.query:
        return None
    return parts.hostname
