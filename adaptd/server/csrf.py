"""`FormTokens`: proof that a form was shown by this server to the browser that sends it."""

import hashlib
import hmac
import secrets


class FormTokens:
    """Double submit: the same signed token in a SameSite=Strict cookie and in the form.

    The secret lives as long as the process, so forms of an earlier process are refused.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def issue(self) -> str:
        """A new token: a nonce and its signature, URL-safe."""
        nonce = secrets.token_urlsafe(24)
        return f"{nonce}.{self._signature(nonce)}"

    def is_ours(self, token: str) -> bool:
        """Whether this process issued the token."""
        nonce, dot, signature = token.partition(".")
        return bool(dot) and hmac.compare_digest(
            signature.encode(), self._signature(nonce).encode()
        )

    def agree(self, *, cookie: str, form: str) -> bool:
        """Whether cookie and form carry the same token, and it is ours."""
        return hmac.compare_digest(cookie.encode(), form.encode()) and self.is_ours(form)

    def _signature(self, nonce: str) -> str:
        return hmac.new(self._secret, nonce.encode(), hashlib.sha256).hexdigest()
