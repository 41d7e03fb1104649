from pathlib import Path

import pytest

from benchmarks.recorded import CHECKOUT, VARIABLE, MissingDataError, directory, recorded


def test_the_option_goes_before_the_variable_and_that_before_the_folder_beside_the_checkout() -> (
    None
):
    environment = {VARIABLE: "/of/variable"}
    assert directory(Path("/of/option"), environment) == Path("/of/option")
    assert directory(None, environment) == Path("/of/variable")
    beside = CHECKOUT.parent / "shared"
    assert directory(None, {}) == beside
    assert directory(None, {VARIABLE: ""}) == beside
    assert (CHECKOUT / "pyproject.toml").is_file()


def test_a_file_or_folder_that_is_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "a.parquet").touch()
    assert recorded(tmp_path, "streams/a.parquet") == tmp_path / "streams" / "a.parquet"
    assert recorded(tmp_path, "streams") == tmp_path / "streams"


def test_what_is_missing_is_named_with_the_folder_expected(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as raised:
        recorded(tmp_path, "streams/a.parquet")
    assert f"the folder {tmp_path} to hold streams/a.parquet" in str(raised.value)
    assert VARIABLE in str(raised.value)
