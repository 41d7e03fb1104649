"""What the released model makes of the stream: predictions, scores, blocks, alarms."""

from adaptd.observer.observer import Observation, Observer
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score

__all__ = ["Observation", "Observer", "Predictor", "score"]
