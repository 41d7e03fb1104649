"""What a test may spend of its stream's alpha: said once, at its beginning, and written down."""

import structlog

from adaptd.adaptation.spending import share_of
from adaptd.daemon.context import StreamContext
from adaptd.registry import spendings

log = structlog.get_logger()


def spend(context: StreamContext, *, episode: str, kind: str) -> float:
    """The alpha of a test that begins now; its row goes through the ledger, with what begins it.

    Tests of all kinds are numbered together, so that none takes the share of another. Of which
    alpha it is a share depends on what the test may lead to: a release, or the way back from one.
    """
    config = context.config
    whole = config.watch.alpha if kind == "watch" else config.trial.alpha
    with context.database.read() as connection:
        test = spendings.next_test(connection, context.stream)
    alpha, now = whole * share_of(test), context.clock.now()
    context.ledger.add(
        lambda connection: spendings.add(
            connection,
            stream=context.stream,
            test=test,
            kind=kind,
            episode_id=episode,
            alpha=alpha,
            now=now,
        ),
        # The next test reads its number from the store.
        is_urgent=True,
    )
    log.info(
        "alpha.spent", stream=context.stream, episode=episode, test=test, kind=kind, alpha=alpha
    )
    return alpha
