import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture, to_svg
from adaptd.architecture.drawing import WIDTH

SVG = "{http://www.w3.org/2000/svg}"
BEFORE = Architecture(
    "pack.module:factory",
    {"width": 16},
    {"cells.0.edges.0": "dw k3 d1", "cells.0.edges.1": "dw k3 d1", "stem": "dw k3 d1"},
)
AFTER = Architecture(
    "pack.module:factory",
    {"width": 24},
    {"cells.0.edges.0": "dw k9 d4", "cells.0.edges.2": "dw k5 d1", "stem": "dw k3 d1"},
)
TEXT = st.text(st.characters(codec=None), max_size=40)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def lines(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def frame_of(svg: str, line: str) -> ElementTree.Element:
    """The box that a line of text stands in."""
    elements = list(parsed(svg))
    place = next(n for n, e in enumerate(elements) if e.tag == f"{SVG}text" and e.text == line)
    return next(e for e in reversed(elements[:place]) if e.tag == f"{SVG}rect")


def test_every_setting_and_edge_is_there_in_order() -> None:
    assert lines(to_svg(BEFORE)) == [
        "pack.module:factory",
        "3 edges",
        *("settings", "width", "16"),
        *("cells.0.edges", "cells.0.edges.0", "dw k3 d1", "cells.0.edges.1", "dw k3 d1"),
        *("top level", "stem", "dw k3 d1"),
    ]


def test_edits_are_told_by_words_and_frames_beside_colour() -> None:
    svg = to_svg(AFTER, BEFORE)
    assert lines(svg)[1].startswith("3 edges, 4 edits.")
    shown = lines(svg)
    place = shown.index("cells.0.edges.0")
    assert shown[place : place + 3] == ["cells.0.edges.0", "was dw k3 d1", "now dw k9 d4"]
    assert shown[shown.index("cells.0.edges.1") + 1] == "gone dw k3 d1"
    assert shown[shown.index("cells.0.edges.2") + 1] == "new dw k5 d1"
    assert {"was 16", "now 24"} <= set(shown)
    plain = float(frame_of(svg, "stem").attrib["stroke-width"])
    assert float(frame_of(svg, "cells.0.edges.0").attrib["stroke-width"]) > plain
    assert float(frame_of(svg, "cells.0.edges.2").attrib["stroke-width"]) > plain
    assert "stroke-dasharray" in frame_of(svg, "cells.0.edges.1").attrib
    assert "stroke-dasharray" not in frame_of(svg, "stem").attrib


def test_a_comparison_of_equals_says_that_there_are_no_edits() -> None:
    assert lines(to_svg(BEFORE, BEFORE))[1] == "3 edges, no edits"
    assert "Edits: none." in to_svg(BEFORE, BEFORE)


def test_title_and_description_tell_a_screen_reader_all_of_it() -> None:
    root = parsed(to_svg(AFTER, BEFORE))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == title.attrib["id"]
    assert root.attrib["aria-describedby"] == description.attrib["id"]
    assert title.text == "pack.module:factory, 3 edges, 4 edits"
    assert description.text == (
        "Edits: setting width: 16 becomes 24; cells.0.edges.0: dw k3 d1 becomes dw k9 d4; "
        "cells.0.edges.1: removed, it held dw k3 d1; cells.0.edges.2: added with dw k5 d1. "
        "Settings: width: 24. "
        "Operations: cells.0.edges.0: dw k9 d4; cells.0.edges.2: dw k5 d1; stem: dw k3 d1."
    )


def test_two_drawings_on_one_page_share_no_id() -> None:
    drawings = [to_svg(BEFORE), to_svg(AFTER), to_svg(AFTER, BEFORE), to_svg(BEFORE, AFTER)]
    ids = [name for svg in drawings for name in re.findall(r' id="([^"]+)"', svg)]
    assert len(set(ids)) == len(ids) == 8


def test_nothing_is_fetched_and_no_inline_style_needs_leave() -> None:
    svg = to_svg(AFTER, BEFORE)
    assert not re.search(r"<style|style=|<script|href|url\(|<image", svg)


@pytest.mark.parametrize("cells", [1, 5, 12])
def test_boxes_lie_within_the_picture_and_apart(cells: int) -> None:
    edges = {f"cells.{c}.edges.{e}": "dw k3 d1" for c in range(cells) for e in range(5)}
    before = Architecture("a.b:c", {"width": 8, "classes": 3}, edges)
    svg = to_svg(before.with_operations({"cells.0.edges.3": "dw k9 d4"}), before)
    root = parsed(svg)
    height = float(root.attrib["height"])
    boxes = []
    for element in root.iter(f"{SVG}rect"):
        if element.get("rx") == "4":
            x, y, w, h = (float(element.attrib[name]) for name in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + w <= WIDTH
            assert y + h <= height
            boxes.append((x, y, x + w, y + h))
    assert len(boxes) == len(edges) + 2
    for n, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:n]:
            assert other[2] <= left or right <= other[0] or other[3] <= top or bottom <= other[1]


@pytest.mark.parametrize("length", [5, 20, 30, 60, 300])
def test_text_stays_within_its_box_and_is_whole_in_the_description(length: int) -> None:
    operations = {"e" * length: "o" * length, "f.g": "漢" * length, "h" * length + ".i": "o"}
    svg = to_svg(Architecture("a.b:" + "n" * length, {}, operations))
    box = parsed(svg)
    for element in parsed(svg):
        if element.tag == f"{SVG}rect":
            box = element
        elif element.tag == f"{SVG}text":
            # Fonts in use advance by at least 0.6 of 14 px, and by twice as much for wide signs.
            cells = sum(2 if sign == "漢" else 1 for sign in element.text or "")
            right = float(box.get("x", 0)) + float(box.attrib["width"])
            assert float(element.attrib["x"]) + cells * 0.6 * 14 <= right
    description = parsed(svg).findtext(f"{SVG}desc") or ""
    assert all(f"{edge}: {text}" in description for edge, text in operations.items())


def test_architectures_of_two_networks_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different networks"):
        to_svg(BEFORE, Architecture("a.b:c"))


@given(
    st.dictionaries(TEXT, TEXT, max_size=4),
    st.dictionaries(TEXT, TEXT, max_size=4),
    st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_any_names_give_a_well_formed_document(
    before: dict[str, str], after: dict[str, str], settings: dict[str, str]
) -> None:
    svg = to_svg(Architecture("a.b:c", settings, after), Architecture("a.b:c", {}, before))
    boxes = [e for e in parsed(svg).iter(f"{SVG}rect") if e.get("rx") == "4"]
    assert len(boxes) == len(settings) + len(before.keys() | after.keys())
    svg.encode()


def test_an_architecture_without_edges_or_settings_is_drawn() -> None:
    assert lines(to_svg(Architecture("a.b:c"))) == ["a.b:c", "0 edges"]
