"""Room kept for pictures: no more than what they take."""

from __future__ import annotations

import altair as alt
import pandas as pd
import vl_convert

from app.reserve_height import least_height

POINT = alt.Chart(pd.DataFrame({"x": [1], "y": ["a"]})).mark_point().encode(x="x:Q", y="y:N")


def test_least_height() -> None:
    tall, low = POINT.properties(height=200), POINT.properties(height=50)
    assert least_height(tall.to_dict()) == 200
    assert least_height(alt.layer(POINT, POINT).properties(height=300).to_dict()) == 300
    assert least_height(alt.vconcat(tall, low, low, spacing=6).to_dict()) == 312
    assert least_height(alt.hconcat(low, tall).to_dict()) == 200
    # A step a category: the page does not know how many there are.
    assert least_height(POINT.properties(height=alt.Step(18)).to_dict()) == 0
    assert least_height(POINT.to_dict()) == 0


def test_a_drawn_picture_takes_the_room() -> None:
    chart = alt.vconcat(*[POINT.properties(height=90)] * 2, spacing=10)
    drawn = vl_convert.vegalite_to_svg(chart.to_dict())
    height = float(drawn.split('height="', 1)[1].split('"', 1)[0])
    assert least_height(chart.to_dict()) == 190 <= height
