from pathlib import Path

import pytest

from adaptd.adaptation.execution.machine import memory_bytes, usable_core_count, usable_cores

GIB = 2**30


def machine(tmp_path: Path, *, groups: str, files: dict[str, str]) -> dict[str, Path]:
    """A machine of 16 GiB as /proc and /sys/fs/cgroup tell it."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\n")
    (proc / "self" / "cgroup").write_text(groups)
    for name, text in files.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(text)
    return {"proc": proc, "cgroups": cgroups}


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"memory.max": "max\n"}, 16),
        ("0::/\n", {"memory.max": f"{4 * GIB}\n"}, 4),
        # The limits of all groups above hold, too.
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{2 * GIB}\n"}, 2),
        # What a container of version 1 says where there is no limit.
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16),
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": f"{3 * GIB}\n"}, 3),
        ("4:cpu,memory:/x\n", {"memory/x/memory.limit_in_bytes": f"{3 * GIB}\n"}, 3),
        ("4:pids:/x\n", {"memory/x/memory.limit_in_bytes": f"{3 * GIB}\n"}, 16),
    ],
)
def test_memory_is_the_least_of_the_machine_and_the_groups(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    assert memory_bytes(**machine(tmp_path, groups=groups, files=files)) == expected * GIB


def test_a_system_that_tells_nothing_gives_no_memory(tmp_path: Path) -> None:
    assert memory_bytes(proc=tmp_path, cgroups=tmp_path) is None


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}),
        ("2:cpu:/\n", {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}),
        ("0::/\n", {"cpu.max": "20000 100000\n"}),
    ],
)
def test_a_quota_counts_as_whole_cores_and_at_least_one(
    tmp_path: Path, groups: str, files: dict[str, str]
) -> None:
    assert usable_core_count(**machine(tmp_path, groups=groups, files=files)) == 1


def test_without_a_quota_all_cores_count(tmp_path: Path) -> None:
    made = machine(
        tmp_path,
        groups="0::/\n2:cpu:/\n",
        files={"cpu.max": "max 100000\n", "cpu/cpu.cfs_quota_us": "-1\n"},
    )
    assert usable_core_count(**made) == len(usable_cores())
