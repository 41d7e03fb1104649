import sys
from importlib.util import find_spec
from subprocess import run

from benchmarks.table import BENCHMARKS


def test_every_row_has_its_own_name_a_line_and_a_module() -> None:
    assert BENCHMARKS
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name
        assert benchmark.line.endswith(".")
        assert find_spec(benchmark.module) is not None


def test_every_row_can_be_loaded() -> None:
    for benchmark in BENCHMARKS.values():
        assert callable(benchmark.load())


def test_the_table_and_the_command_import_no_benchmark_and_nothing_heavy() -> None:
    code = (
        "import sys, benchmarks.command; "
        "from benchmarks.table import BENCHMARKS; "
        "heavy = {'torch', 'matplotlib', 'pyarrow', *(row.module for row in BENCHMARKS.values())}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    ended = run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
