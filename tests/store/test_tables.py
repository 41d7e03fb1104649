"""What goes into a column comes out of it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from adaptd.store.tables import Document, Instant

DIALECT = SQLiteDialect()

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Bounds carry no zone: hypothesis puts it on.
first, last = datetime(1900, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001
instants = st.datetimes(first, last, timezones=zones)
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(instants)
def test_an_instant_comes_back_in_utc(value: datetime) -> None:
    text = Instant().process_bind_param(value, DIALECT)
    back = Instant().process_result_value(text, DIALECT)
    assert back == value
    assert back is not None
    assert back.tzinfo == UTC


@given(instants, instants)
def test_instants_sort_as_their_text(first: datetime, second: datetime) -> None:
    texts = [str(Instant().process_bind_param(value, DIALECT)) for value in (first, second)]
    assert (first < second) == (texts[0] < texts[1])


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Instant().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001


@given(documents)
def test_a_document_comes_back(value: object) -> None:
    text = Document().process_bind_param(value, DIALECT)
    assert Document().process_result_value(text, DIALECT) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_equal_documents_are_equal_text(value: dict[str, int]) -> None:
    turned = dict(reversed(value.items()))
    assert Document().process_bind_param(value, DIALECT) == Document().process_bind_param(
        turned, DIALECT
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_document_without_json_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Document().process_bind_param({"e_value": value}, DIALECT)


def test_an_odd_object_in_a_document_is_named() -> None:
    with pytest.raises(TypeError, match="datetime"):
        Document().process_bind_param({"at": datetime.now(UTC)}, DIALECT)
