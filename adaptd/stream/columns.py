"""`Columns`: what a recorded table calls the parts of its records."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from adaptd.errors import SourceError
from adaptd.stream.schema import Schema

_NUMBERED = re.compile(r"x(\d+)")


@dataclass(frozen=True)
class Columns:
    """numbers: names in the order of the shape's numbers. target: of the class. weight: None where
    records bring none.

    id, time: taken where the table has them; None: no column is. expected: what there must be, for
    errors. is_numbered: whether the numbers' names are x0, x1, …, of which there may be no more.
    """

    numbers: tuple[str, ...]
    target: str
    weight: str | None
    id: str | None
    time: str | None
    expected: str
    is_numbered: bool

    @classmethod
    def of(cls, schema: Schema) -> "Columns":
        """The features' names where each has a field; else x0, x1, … channel-major, and neither id
        nor time, so that what else stands in a table is nobody's business."""
        layout = schema.layout
        others = " and ".join(name for name in (layout.target, layout.weight) if name is not None)
        if layout.encoding == "fields":
            return cls(
                numbers=schema.features,
                target=layout.target,
                weight=layout.weight,
                id=layout.id,
                time=layout.time,
                expected=f"expected the columns of record.features and {others}",
                is_numbered=False,
            )
        return cls(
            numbers=tuple(f"x{index}" for index in range(schema.size)),
            target=layout.target,
            weight=layout.weight,
            id=None,
            time=None,
            expected=f"expected x0 to x{schema.size - 1} (shape {list(schema.shape)}) and {others}",
            is_numbered=True,
        )

    def check(self, names: Iterable[str], *, origin: str) -> None:
        """Raises SourceError unless there are exactly these columns, each once.

        Columns of other names are nobody's business. `origin` names the file in the error.
        """
        listed = list(names)
        found = set(listed)
        needed = [*self.numbers, self.target, *([] if self.weight is None else [self.weight])]
        wanted = set(needed)
        absent = [name for name in needed if name not in found]
        if absent:
            raise SourceError(f"{origin}: no column {', '.join(absent[:5])}; {self.expected}")
        taken = wanted | ({self.id, self.time} & found)
        doubled = sorted(name for name in taken if name is not None and listed.count(name) > 1)
        if doubled:
            raise SourceError(f"{origin}: two columns are called {doubled[0]}; {self.expected}")
        surplus = sorted(
            (name for name in found - wanted if _NUMBERED.fullmatch(name)),
            key=lambda name: int(name[1:]),
        )
        if surplus and self.is_numbered:
            raise SourceError(
                f"{origin}: column {', '.join(surplus[:5])} is one too many; {self.expected}. "
                "Set record.shape to the shape that was recorded."
            )
