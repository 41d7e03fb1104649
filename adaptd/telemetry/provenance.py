"""What a result was made with: versions and the machine, as far as they can change a number."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import adaptd

UNKNOWN = "unknown"

# What computes. Their versions are read from metadata: importing torch would take seconds, and the
# observer never does.
PACKAGES = ("torch", "numpy", "onnxruntime")

# Widest first: which of them a processor has decides which kernels run, and so in which order
# numbers are added up.
_INSTRUCTIONS = {"avx512f": "AVX512", "avx2": "AVX2", "asimd": "NEON"}

# How much of the source's digest is kept: to tell two sources apart, not to prove one.
_SOURCE_DIGITS = 12


@cache
def provenance() -> dict[str, str]:
    """Name -> value, of this process: adaptd and the digest of its source, Python, the packages
    that compute, the system, the processor and its widest instructions. Whoever trains adds its
    device and its threads."""
    cpuinfo = _cpuinfo(Path("/proc/cpuinfo"))
    return {
        "adaptd": adaptd.__version__,
        "source": source_digest(Path(adaptd.__file__).parent),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": cpuinfo.get("model name") or platform.processor() or UNKNOWN,
        "instructions": instructions(cpuinfo.get("flags") or cpuinfo.get("Features") or ""),
    }


def source_digest(package: Path) -> str:
    """Of every Python file of a package: between two releases, the version says nothing."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_SOURCE_DIGITS]


def instructions(flags: str) -> str:
    """The widest vector instructions among a processor's flags, by the name torch has for them."""
    known = set(flags.split())
    return next((name for flag, name in _INSTRUCTIONS.items() if flag in known), UNKNOWN)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return UNKNOWN


def _cpuinfo(path: Path) -> dict[str, str]:
    """Of the first processor; empty where the system has no such file."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found
