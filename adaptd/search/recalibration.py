"""`recalibrate`: the cheapest remedy that trains: normalisation and the last layer only."""

from torch import nn

from adaptd.search.course import Course
from adaptd.search.training import Progress, Samples
from adaptd.space.standardise import fit_standardisation

_NORMALISATIONS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def recalibrated_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Scale and shift of every normalisation, and all of the last layer that has parameters.

    The last is the one that the network registers last, its head in every network of adaptd's own.
    """
    own = [
        (module, list(module.parameters(recurse=False)))
        for module in network.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    head = next(
        (held for module, held in reversed(own) if not isinstance(module, _NORMALISATIONS)), []
    )
    scales = [
        parameter
        for module, held in own
        if isinstance(module, _NORMALISATIONS)
        for parameter in held
    ]
    return [*scales, *head]


def recalibrate(
    network: nn.Module,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Fits the standardisation of the inputs anew, then trains `recalibrated_parameters` in place.

    Undoes a gain or an offset of a sensor exactly, and follows what shifts features without
    changing what they are. Running statistics are renewed as in any training.
    Raises ValueError for records that hold NaN or infinity, TrainingDiverged.
    Sources: Li et al. 2018, "Adaptive Batch Normalization"; Kirichenko et al. 2023, "Last Layer
    Re-Training is Sufficient for Robustness to Spurious Correlations".
    """
    begin_recalibration(network, samples, steps=steps, seed=seed, progress=progress).run()


def begin_recalibration(
    network: nn.Module,
    samples: Samples,
    *,
    steps: int,
    seed: int,
    progress: Progress | None = None,
) -> Course:
    """The training of `recalibrate` before its first step, for who pauses and saves it."""
    fit_standardisation(network, samples.x)
    return Course(
        network,
        samples,
        steps=steps,
        seed=seed,
        parameters=recalibrated_parameters(network),
        progress=progress,
    )
