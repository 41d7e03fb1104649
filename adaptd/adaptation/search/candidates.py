"""Which operations the edges of a given network are opened to."""

from collections.abc import Mapping, Sequence

from adaptd.architecture import Architecture
from adaptd.errors import ConfigError
from adaptd.search.candidates import reopening_of, tied
from adaptd.space.edges import Edge
from adaptd.space.operation import parse_operation
from adaptd.space.spaces import SPACES
from adaptd.space.supernet import Reopening


def reopening_for(
    architecture: Architecture,
    openable: Sequence[str],
    edges: Mapping[str, Edge],
    shape: tuple[int, ...],
    given: Sequence[str] | None,
) -> Reopening:
    """These edges open, tied as `tied` does; those that are left without a choice stay closed.

    shape: of a record. given: operations as texts, or the name of a space in their place, of which
    an edge gets those that fit; None: what suits the network and the record.
    Raises ConfigError for a text that is no operation, and where no edge has a choice.
    """
    if given is None:
        found = reopening_of(architecture, shape, only=tuple(openable))
    else:
        texts = _parsed(given)
        found = tied({edge: edges[edge] for edge in openable}, dict.fromkeys(openable, texts))
    candidates = {edge: texts for edge, texts in found.candidates.items() if len(texts) > 1}
    if not candidates:
        option = "--candidates" if given is None else f"--candidates {','.join(given)}"
        deployed = sorted({architecture.operations[edge] for edge in openable})
        raise ConfigError(
            f"{option}: leaves no edge of {architecture.network} with a choice; "
            f"they hold {', '.join(deployed[:5])}"
        )
    return Reopening(candidates, {edge: found.groups[edge] for edge in candidates})


def _parsed(given: Sequence[str]) -> tuple[str, ...]:
    if len(given) == 1 and given[0] in SPACES:
        return SPACES[given[0]].candidates
    try:
        return tuple(dict.fromkeys(str(parse_operation(text)) for text in given))
    except ValueError as error:
        raise ConfigError(
            f"--candidates: {error}; or the name of a space: {', '.join(SPACES)}"
        ) from error
