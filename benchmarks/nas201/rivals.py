"""The searches that moves are compared with."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from benchmarks.nas201.encoding import Cell
from benchmarks.nas201.evaluation import Search
from benchmarks.nas201.neighbourhood import perturbed, random_cell

# Kept small for a budget of a hundred; the paper's 100 and 25 are meant for twenty thousand.
POPULATION = 20
SAMPLE = 15


def random_search(
    incumbent: Cell, *, operations: Sequence[str], randomness: np.random.Generator
) -> Search:
    """Cells drawn alike from the whole space. Of the incumbent it takes the number of edges only.

    Source: Li & Talwalkar 2019, "Random search and reproducibility for neural architecture search".
    """
    while True:
        yield random_cell(len(incumbent), operations, randomness=randomness)


def regularised_evolution(
    incumbent: Cell, *, operations: Sequence[str], randomness: np.random.Generator
) -> Search:
    """The best of a sample has a child with one edge changed, and the oldest of the population
    dies, however good. Population 20, the incumbent and 19 random cells at first; sample 15.

    Both numbers are the best on this benchmark of those tried (populations of 10, 20 and 30,
    samples of a quarter to three quarters), so as to be no straw man.
    Source: Real et al. 2019, "Regularized evolution for image classifier architecture search".
    """
    founders = (
        random_cell(len(incumbent), operations, randomness=randomness)
        for _ in range(POPULATION - 1)
    )
    population: deque[tuple[Cell, float]] = deque()
    for cell in (incumbent, *founders):
        population.append((cell, (yield cell)))
    while True:
        sample = randomness.permutation(len(population))[:SAMPLE]
        parent, _ = max((population[place] for place in sample), key=lambda member: member[1])
        child = perturbed(parent, operations, edits=1, randomness=randomness)
        population.append((child, (yield child)))
        population.popleft()
