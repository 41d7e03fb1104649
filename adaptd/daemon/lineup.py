"""The networks that predict a stream now: the champion, and the members of a trial."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adaptd.architecture import Contract
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.registry import manifest
from adaptd.registry.releases import Release


class Lineup:
    """Holds the loaded predictors. `champion` is None until release 1 is there."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.release: Release | None = None
        self._champion: Predictor | None = None
        self._members: dict[str, Predictor] = {}

    def set_champion(self, release: Release, directory: Path) -> None:
        """Loads a release as the champion and lets the members of a trial go.

        Raises ArtifactError if its files are not what was released.
        """
        manifest.verify(directory, digest=release.digest)
        self._champion = Predictor.load(directory, self._contract)
        self.release = release
        self._members = {}

    def load_members(self, members: Mapping[str, Path]) -> None:
        """Loads the members of a trial by name."""
        self._members = {
            name: Predictor.load(path, self._contract) for name, path in members.items()
        }

    def drop_members(self) -> None:
        """Lets the members of a trial go."""
        self._members = {}

    def predict(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The champion's probabilities [n, classes]. Raises RuntimeError before release 1."""
        if self._champion is None:
            raise RuntimeError("no champion predicts yet")
        return self._champion.predict(x)

    def hits(
        self, x: npt.NDArray[np.float32], target: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Which records each member of the trial gets right, bool [n] each."""
        return {
            name: score(predictor.predict(x), target)[0]
            for name, predictor in self._members.items()
        }
