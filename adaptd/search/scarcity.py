"""How many labelled records a search needs, and what to take where there are fewer."""

from adaptd.errors import PermanentError

# Labelled records. A search from nothing has to learn weights and architecture, on two halves of
# them; below, a network of fixed architecture that is trained on all is the safer choice.
MINIMUM_COLD = 10_000
# Labelled records. A search around a trained network has its weights to go out from.
MINIMUM_WARM = 400
# Below so many labelled records for each class a search did harm in every trial we ran.
PER_CLASS = 40


class InsufficientData(PermanentError):
    """Too few labelled records for a search; the text says how many, what is needed, and what to
    take instead.

    count: records there are. needed: the fewest it takes. fallback: such as the name of a network
    of fixed architecture, see `adaptd.space.baseline_for`. shortage: the text without it.
    """

    def __init__(self, count: int, needed: int, fallback: str, shortage: str) -> None:
        super().__init__(count, needed, fallback, shortage)
        self.count = count
        self.needed = needed
        self.fallback = fallback
        self.shortage = shortage

    def __str__(self) -> str:
        return f"{self.shortage}; instead of it take {self.fallback}"


def require_records(
    count: int,
    classes: int | None,
    *,
    is_warm: bool,
    fallback: str,
    minimum_cold: int = MINIMUM_COLD,
    minimum_warm: int = MINIMUM_WARM,
    per_class: int = PER_CLASS,
) -> None:
    """Whether so many labelled records carry a search.

    classes: None for a regression, which needs the minimum alone. is_warm: whether the search goes
    out from trained weights. fallback: what to take where they do not, for a person.
    Raises InsufficientData below the minimum, or below `per_class` for each class if that is more.
    """
    minimum = minimum_warm if is_warm else minimum_cold
    needed = minimum if classes is None else max(minimum, per_class * classes)
    if count >= needed:
        return
    search = "a reopening" if is_warm else "a search from nothing"
    why = (
        f" (at least {minimum:,}, and {per_class} for each of {classes} classes)"
        if classes is not None
        else ""
    )
    shortage = f"{search} needs {needed:,} labelled records{why}, got {count:,}"
    raise InsufficientData(count, needed, fallback, shortage)
