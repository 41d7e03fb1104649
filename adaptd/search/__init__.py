"""Training, the bounded search, and the random rival."""

from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.neighbour import random_neighbour
from adaptd.search.reopening import Reopened, SearchProgress, reopen
from adaptd.search.training import Progress, Samples, TrainingDiverged, accuracy, train

__all__ = [
    "Cap",
    "Progress",
    "Reopened",
    "Samples",
    "SearchProgress",
    "TrainingDiverged",
    "accuracy",
    "random_neighbour",
    "reopen",
    "reopening_of",
    "train",
]
