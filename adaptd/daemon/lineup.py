"""The networks that predict a stream now: the champion, its predecessor, members of a trial."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adaptd.architecture import Contract
from adaptd.observer.predictor import Predictor
from adaptd.registry import manifest
from adaptd.registry.releases import Release


class Lineup:
    """Holds the loaded predictors. `champion` is None until release 1 is there."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.release: Release | None = None
        self._champion: Predictor | None = None
        self._predecessor: tuple[str, Predictor] | None = None
        self._members: dict[str, Predictor] = {}
        self._episode = ""

    def set_champion(self, release: Release, directory: Path) -> None:
        """Loads a release as the champion and lets all others go.

        Raises ArtifactError if its files are not what was released.
        """
        manifest.verify(directory, digest=release.digest)
        self._champion = Predictor.load(directory, self._contract)
        self.release = release
        self._predecessor = None
        self._members = {}

    def load_predecessor(self, release: Release, directory: Path) -> None:
        """Lets an earlier release predict beside the champion.

        Raises ArtifactError if its files are not what was released.
        """
        manifest.verify(directory, digest=release.digest)
        self._predecessor = (release.digest, Predictor.load(directory, self._contract))

    def drop_predecessor(self) -> None:
        """Lets it go."""
        self._predecessor = None

    def load_members(self, episode: str, members: Mapping[str, Path]) -> None:
        """Loads the members of an episode's trial by name."""
        self._episode = episode
        self._members = {
            name: Predictor.load(path, self._contract) for name, path in members.items()
        }

    def drop_members(self) -> None:
        """Lets the members of a trial go."""
        self._members = {}

    def predict(self, x: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Who predicts -> probabilities [n, classes]: the champion by its digest, its predecessor
        likewise, then the members of the trial. Empty before release 1.

        The names stay true when the line-up changes, so that what was predicted may be judged
        later.
        """
        if self._champion is None or self.release is None:
            return {}
        predecessor = {} if self._predecessor is None else dict([self._predecessor])
        return {
            self.release.digest: self._champion.predict(x),
            **{digest: predictor.predict(x) for digest, predictor in predecessor.items()},
            **{self._key(name): predictor.predict(x) for name, predictor in self._members.items()},
        }

    def of_members(
        self, hits: Mapping[str, npt.NDArray[np.bool_]]
    ) -> dict[str, npt.NDArray[np.bool_]] | None:
        """Of who predicted -> whether that was right: the members of the trial that runs now, by
        their names. None where one of them is missing: the records came before they were ready."""
        keys = {name: self._key(name) for name in self._members}
        if not hits.keys() >= set(keys.values()):
            return None
        return {name: hits[key] for name, key in keys.items()}

    def _key(self, member: str) -> str:
        return f"{self._episode}/{member}"
