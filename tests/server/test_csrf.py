from hypothesis import given
from hypothesis import strategies as st

from adaptd.server.csrf import FormTokens


def test_a_token_that_cookie_and_form_share_is_accepted() -> None:
    tokens = FormTokens()
    token = tokens.issue()
    assert tokens.agree(cookie=token, form=token)


def test_two_tokens_of_ours_do_not_agree() -> None:
    tokens = FormTokens()
    assert not tokens.agree(cookie=tokens.issue(), form=tokens.issue())


def test_a_token_of_another_process_is_refused() -> None:
    foreign = FormTokens().issue()
    assert not FormTokens().agree(cookie=foreign, form=foreign)


@given(st.text())
def test_no_made_up_text_is_a_token(text: str) -> None:
    tokens = FormTokens(b"secret")
    assert not tokens.is_ours(text)
    assert not tokens.agree(cookie=text, form=text)


def test_a_changed_nonce_breaks_the_signature() -> None:
    tokens = FormTokens()
    nonce, _, signature = tokens.issue().partition(".")
    assert not tokens.is_ours(f"{nonce}x.{signature}")
