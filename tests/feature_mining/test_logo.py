"""Logos: frequencies, bits, consensus, drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from feature_mining import logo


def test_frequencies_and_consensus():
    # Columns: all A; A or G; even; unknown only.
    windows = np.array([[0, 0, 0, 4], [0, 2, 1, 4], [0, 0, 2, 4], [0, 2, 3, 4]], np.uint8)
    frequencies = logo.position_frequencies(windows)
    assert frequencies[0].tolist() == [1, 0, 0, 0]
    assert frequencies[1].tolist() == [0.5, 0, 0.5, 0]
    assert frequencies[3].tolist() == [0.25] * 4
    assert logo.consensus(frequencies) == "ARNN"


def test_information_in_bits():
    frequencies = np.array([[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.25] * 4])
    assert logo.information(frequencies, 10**9) == pytest.approx([2, 1, 0], abs=1e-6)
    small = 3 / (2 * np.log(2) * 20)
    assert logo.information(frequencies, 20) == pytest.approx([2 - small, 1 - small, 0])
    rich = logo.information(frequencies[:1], 10**9, np.array([0.5, 0.2, 0.2, 0.1]))
    assert rich == pytest.approx([1.0], abs=1e-6)
    with pytest.raises(ValueError, match="background"):
        logo.information(frequencies, 5, np.zeros(4))


def test_svg_is_well_formed_and_stacks_the_commonest_on_top():
    frequencies = np.array([[0.7, 0.0, 0.3, 0.0], [0.0, 0.0, 0.0, 1.0]])
    svg = logo.logo_svg(frequencies, np.array([1.0, 2.0]), first_position=-1)
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    paths = root.findall(f"{space}path")
    fills = [path.get("fill") for path in paths]
    assert fills == [logo.COLOURS[letter] for letter in "GAT"]
    heights = [float(path.get("transform").split()[-1].rstrip(")")) for path in paths]
    assert heights == pytest.approx([0.3 * 0.48, 0.7 * 0.48, 0.96], abs=1e-3)
    assert "AT" in root.find(f"{space}title").text
    with pytest.raises(ValueError, match="windows"):
        logo.position_frequencies(np.zeros((0, 5), np.uint8))


def test_contributions_are_letters_up_and_down() -> None:
    svg = logo.contribution_svg("ACGT", np.array([1.0, -0.5, 0.0, 0.25]), column_width=10, height=90)
    drawn = re.findall(r'fill="(#\w+)".*?translate\(([\d.]+) ([\d.]+)\) scale\(0\.090 (-?[\d.]+)\)', svg)
    # 60 points a unit, 0 at 60: A from the top to there, C below upside down, T a quarter high.
    assert [(colour, float(y), float(scale)) for colour, _, y, scale in drawn] == [
        (logo.COLOURS["A"], 0.0, 0.6),
        (logo.COLOURS["C"], 90.0, -0.3),
        (logo.COLOURS["T"], 45.0, 0.15),
    ]
    assert ">1<" in svg and ">-0.5<" in svg
