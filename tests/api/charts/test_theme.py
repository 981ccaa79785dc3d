"""The palette: contrast, and what colour-blind people can tell apart."""

from itertools import combinations

import pytest

from api.charts import stylesheet
from api.charts.colour import as_seen, contrast, distance, mix
from api.charts.map_classes import MapClasses, map_classes
from api.charts.theme import LEAD_ROWS, MAP_CLASSES, N_SERIES, palette

VISIONS = ("normal", "deuteranopia", "protanopia")
APART = 0.07
"""In OKLab, where black and white are 1 apart: a difference that is seen at a glance, some four times the just seen."""


def seen(colour: str, vision: str) -> str:
    return colour if vision == "normal" else as_seen(colour, vision)


def test_contrast_is_that_of_wcag():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails
    assert contrast("#abcdef", "#abcdef") == 1


def test_red_and_green_of_one_lightness_look_alike_to_the_colour_blind():
    red, green = "#c1473b", "#6f7d1f"

    assert distance(red, green) > 0.15
    assert distance(as_seen(red, "deuteranopia"), as_seen(green, "deuteranopia")) < 0.07
    assert distance("#000000", "#ffffff") == pytest.approx(1, abs=1e-3)
    assert mix("#000000", "#ffffff", 0) == "#000000"
    assert mix("#123456", "#123456", 0.3) == "#123456"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphics_and_text_stand_out_from_the_page(theme: str):
    colours = palette(theme)

    for name in ("mark", "line", *(f"series-{number}" for number in range(1, N_SERIES + 1))):
        assert contrast(colours[name], colours["surface"]) >= 3, name
    assert contrast(colours["muted"], colours["surface"]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_can_be_read_on_every_colour_of_the_map(theme: str):
    colours = palette(theme)

    on_map = [name for name in colours if name.startswith("map-") and not name.endswith("-ink")]
    assert len(on_map) == sum(MAP_CLASSES)
    for name in on_map:
        assert contrast(colours[name], colours[f"{name}-ink"]) >= 4.5, name


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_series_are_told_apart(theme: str, vision: str):
    series = [palette(theme)[f"series-{number}"] for number in range(1, N_SERIES + 1)]

    for first, second in combinations(series, 2):
        assert distance(seen(first, vision), seen(second, vision)) >= APART, (first, second)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_neighbouring_classes_of_the_map_are_told_apart(theme: str, vision: str):
    colours = palette(theme)
    neighbours = [
        (f"map-{row}-{column}", f"map-{row}-{column + 1}")
        for row, n_classes in enumerate(MAP_CLASSES)
        for column in range(n_classes - 1)
    ]
    for first, second in neighbours:
        apart = distance(seen(colours[first], vision), seen(colours[second], vision))
        assert apart >= APART * 0.7, (first, second, apart)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_can_be_read_on_every_colour_of_what_leads(theme: str):
    colours = palette(theme)

    for row in range(len(LEAD_ROWS) + 1):
        for number in range(N_SERIES):
            name = f"lead-{row}-{number}"
            assert contrast(colours[name], colours[f"{name}-ink"]) >= 4.5, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_less_sure_a_lead_is_the_more_alike_colours_are(theme: str):
    colours = palette(theme)

    for first, second in combinations(range(N_SERIES), 2):
        apart = [distance(colours[f"lead-{row}-{first}"], colours[f"lead-{row}-{second}"]) for row in range(3)]
        assert apart == sorted(apart, reverse=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_less_sure_the_greyer(theme: str):
    """Colour suppressed: the classes of a row lie closer together than those of the row above."""
    spread = []
    for row, n_classes in enumerate(MAP_CLASSES[:-1]):
        ends = (palette(theme)[f"map-{row}-0"], palette(theme)[f"map-{row}-{n_classes - 1}"])
        spread.append(distance(*ends))
    assert spread == sorted(spread, reverse=True)


def test_both_themes_have_every_colour():
    assert palette("light").keys() == palette("dark").keys()
    for name, colour in palette("dark").items():
        assert f"--chart-{name}:{colour};" in stylesheet()
    assert "prefers-color-scheme:dark" in stylesheet()


def test_classes_are_round_and_hold_every_share():
    classes = map_classes([0.31, 0.52, 0.66], [0.06, 0.11, 0.129])

    # Eight classes of 5 points hold 31% to 66%; the rows take intervals up to 10, 20, 40 points, and wider ones.
    assert classes == MapClasses(0.30, 0.05)
    assert classes.most_widths == pytest.approx([0.1, 0.2, 0.4])
    assert classes.of(0.31, 0.06) == (0, 0)
    assert classes.of(0.66, 0.10) == (0, 7)
    assert classes.of(0.66, 0.11) == (1, 3)  # 60% to 70% are the last of four classes here
    assert classes.of(0.52, 0.2) == (1, 2)
    assert classes.of(0.49, 0.3) == (2, 0)
    assert classes.of(0.52, 0.3) == (2, 1)
    assert classes.of(0.31, 0.41) == classes.of(0.66, 0.9) == (3, 0)


def test_districts_that_nobody_can_tell_apart_have_one_colour():
    classes = map_classes([0.63, 0.636, 0.645], [0.43, 0.44, 0.47])

    # An eighth of 43 points is 5.4 points: steps of 10 are the next round ones, and four of them are one class.
    assert classes.share_step == 0.1
    assert {classes.of(share, width) for share, width in ((0.63, 0.43), (0.636, 0.44), (0.645, 0.47))} == {(2, 1)}


@pytest.mark.parametrize(
    ("shares", "widths"),
    [
        ([0.0, 1.0], [0.0, 1.0]),
        ([0.5], [0.1]),
        ([0.001, 0.0012], [0.0004, 0.0005]),
        ([0.99, 1.0], [0.01, 0.02]),
        ([], []),
    ],
)
def test_classes_stay_within_shares(shares: list[float], widths: list[float]):
    classes = map_classes(shares, widths)

    assert classes.share_edges[0] >= -1e-9
    assert classes.share_edges[-1] <= 1 + 1e-9
    for share in shares:
        assert classes.share_edges[0] <= share <= classes.share_edges[-1] + 1e-9
    for width in widths:
        assert classes.of(0.5, width)[0] in range(4)
