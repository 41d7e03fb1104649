"""`WorkersConfig`: the processes that learn, and how much of the machine they may take."""

from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field, TypeAdapter, field_validator

from adaptd.config.section import Section

# A worker without any network takes about this much: torch alone is some 400 MB.
LEAST_MEMORY_BYTES = 512 * 2**20

_BYTES: TypeAdapter[ByteSize] = TypeAdapter(ByteSize)


def _bytes(value: object) -> object:
    """512MiB, 2GiB, 1.5 GB or a plain number of bytes."""
    if not isinstance(value, str):
        return value
    try:
        return int(_BYTES.validate_python(value))
    except ValueError:
        raise ValueError("a size such as 2GiB, 512MiB, or a number of bytes") from None


class WorkersConfig(Section):
    """All streams share them; each trains what one stream asks for, in a process of its own."""

    count: int | None = Field(
        default=None,
        ge=1,
        description="workers at a time; more work waits its turn. None: the cores that there are, "
        "less one for the observer, over `threads`, or as many as find memory; at least one",
    )
    memory_bytes: Annotated[int, BeforeValidator(_bytes)] | None = Field(
        default=None,
        ge=LEAST_MEMORY_BYTES,
        description="resident memory of a worker, such as 2GiB; it is killed above. None: three "
        "quarters of the machine's, or of the container's, shared by all workers",
    )
    nice: int = Field(
        default=10, ge=0, le=19, description="of a worker; 0: it counts as much as the observer"
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="of torch, in each worker; networks of this size gain nothing from a second. "
        "Another number rounds differently: the same seed no longer gives the very same networks",
    )
    cores: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="numbers of the processors that workers may run on; None: all",
    )
    hang_seconds: float = Field(
        default=300,
        gt=0,
        description="a worker that has made no step for so long hangs, and is killed",
    )
    checkpoint_seconds: float = Field(
        default=10,
        gt=0,
        description="how often a worker writes down where it stands: what is lost when it is "
        "killed. It is written less often where writing would take a twentieth of the time",
    )

    @field_validator("cores")
    @classmethod
    def _are_cores(cls, cores: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if cores is not None and (min(cores) < 0 or len(set(cores)) < len(cores)):
            raise ValueError("numbers of processors from 0 on, each once")
        return cores
