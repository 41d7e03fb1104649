"""`Targets`: from a record's class to its place in the model's output."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.stream.reject import UnfitRecordError, shown

# The place of a class that is not there.
NO_CLASS = -1

# Types of targets that a table can hold.
_USUAL = frozenset({str, int})
_OR_ABSENT = _USUAL | {type(None)}


class Targets:
    """The classes by name, in the model's order."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._places = {name: place for place, name in enumerate(classes)}
        self._has_numbers_for_names = any(_is_integer(name) for name in classes)

    def place_of(self, target: object, *, field: str = "target") -> int:
        """The class's place, 0 to classes - 1.

        A class is given by its name. An integer (or a float without a fraction) is the name where
        class names are integers ("3", "7"), and the place where they are words. `field` names it in
        the error. Raises UnfitRecordError: wrong-type, unknown-class.
        """
        if isinstance(target, str):
            name = target
            if not self._has_numbers_for_names and _is_integer(name):
                return self._checked_place(int(name), field)
        elif isinstance(target, bool) or not isinstance(target, int | float):
            raise UnfitRecordError("wrong-type", f"{field} must be a class, got {shown(target)}")
        elif target != target // 1:
            raise self._unknown(target, field)
        else:
            number = int(target)
            if not self._has_numbers_for_names:
                return self._checked_place(number, field)
            name = str(number)
        place = self._places.get(name)
        if place is None:
            raise self._unknown(target, field)
        return place

    def places_of(
        self, targets: Sequence[Any], *, field: str = "target", may_be_absent: bool = False
    ) -> NDArray[np.int64]:
        """int64 [n], `NO_CLASS` for None where a class may be absent.

        Raises UnfitRecordError if one of them is no class.
        """
        allowed = _OR_ABSENT if may_be_absent else _USUAL
        if allowed.issuperset(map(type, targets)):
            try:
                return np.array([self._usual[target] for target in targets], np.int64)
            except KeyError:
                # One is unknown, or a name of another spelling.
                pass
        return np.array(
            [
                NO_CLASS if may_be_absent and target is None else self.place_of(target, field=field)
                for target in targets
            ],
            np.int64,
        )

    @cached_property
    def _usual(self) -> dict[str | int | None, int]:
        """The spellings that nearly all targets have; a boolean equals an integer, and is none."""
        usual: dict[str | int | None, int] = {None: NO_CLASS}
        for place, name in enumerate(self._classes):
            usual[name] = place
            if not self._has_numbers_for_names:
                usual[place] = place
            elif _is_integer(name) and str(int(name)) == name:
                usual[int(name)] = place
        return usual

    def _checked_place(self, place: int, field: str) -> int:
        if not 0 <= place < len(self._classes):
            raise self._unknown(place, field)
        return place

    def _unknown(self, target: object, field: str) -> UnfitRecordError:
        names = ", ".join(self._classes[:8]) + (", …" if len(self._classes) > 8 else "")
        return UnfitRecordError(
            "unknown-class", f"{field} must be one of {names}, got {shown(target)}"
        )


def _is_integer(text: str) -> bool:
    # 18 digits always fit int64, and int() refuses thousands of them.
    return len(text) <= 18 and text.isascii() and text.removeprefix("-").isdecimal()
