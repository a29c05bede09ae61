"""The picture of a circuit: bases below, blocks above each other, the output on top; plain SVG.

Along the sequence nodes stand in the order of their places. An edge is as wide as its share of the influence,
blue where it raises its target, orange where it lowers it; its title says over which distances it came. All
text is escaped: tables may be of a study that others made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from feature_mining.circuits.graph import BASE, ERROR, FEATURE, OUTPUT

# Edges that are drawn, the largest shares first, and parts of one that its title has.
MOST_EDGES, MOST_PARTS = 240, 4
# Share of a feature's activation on one word from which the word is told beside its number.
TELLING = 0.25
# Of a node, of the space between blocks, and of the margins; nodes of one place and block that lie abreast.
_WIDE, _HIGH, _GAP, _LEFT, _TOP, _ABREAST = 34, 20, 54, 96, 16, 4
RAISES, LOWERS = "#2367a8", "#d9822b"


class Drawn(NamedTuple):
    """A graph as it is drawn.

    nodes : DataFrame by group or node, ``kind, block, label, title, column, x, y``
    edges : DataFrame ``source, target`` (of those), ``weight, share, title``
    """

    nodes: pd.DataFrame
    edges: pd.DataFrame


def own_tables(tables: dict[str, pd.DataFrame], target: str, strand: str) -> dict[str, pd.DataFrame]:
    """The rows of one output."""
    found = {}
    for name, table in tables.items():
        key = "output" if "output" in table else "target"
        found[name] = table[(table[key] == target) & (table["strand"] == strand)].reset_index(drop=True)
    return found


def drawn(own: Mapping[str, pd.DataFrame], grouped: bool) -> Drawn:
    """What is drawn of the tables of one output: every node by itself, or the places of a feature as one."""
    nodes = own["nodes"].assign(name=own["nodes"]["group"] if grouped else own["nodes"]["node"].astype(str))
    leading = nodes.sort_values("influence", ascending=False, kind="stable").drop_duplicates("name")
    counts = nodes["name"].value_counts()
    table = leading.set_index("name").sort_values(["offset", "feature"])
    table["label"] = [_label(row, counts[name]) for name, row in table.iterrows()]
    table["title"] = [_title(row, counts[name]) for name, row in table.iterrows()]
    names = nodes.set_index("node")["name"]
    edges = own["edges"].assign(
        source=names[own["edges"]["source"]].to_numpy(), target=names[own["edges"]["target"]].to_numpy()
    )
    lags = own["lags"].assign(
        source=names[own["lags"]["source"]].to_numpy(), target=names[own["lags"]["target"]].to_numpy()
    )
    sums = edges.groupby(["source", "target"], sort=False)[["weight", "share"]].sum().reset_index()
    sums = sums.sort_values("share", ascending=False, kind="stable").head(MOST_EDGES)
    parts = {key: part for key, part in lags.groupby(["source", "target"])}
    sums["title"] = [
        f"{table['label'][row.source]} to {table['label'][row.target]}: {row.weight:+.4g}"
        + _distances(parts.get((row.source, row.target)))
        for row in sums.itertuples()
    ]
    return Drawn(_placed(table), sums)


def _label(row: pd.Series, count: int) -> str:
    if row["kind"] == BASE:
        return str(row["letter"])
    if row["kind"] == OUTPUT:
        return "output"
    many = f" ×{count}" if count > 1 else ""
    word = f" {row['word']}" if row["kind"] == FEATURE and row["of_word"] >= TELLING else ""
    return ("error" if row["kind"] == ERROR else f"{row['feature']}{word}") + many


def _title(row: pd.Series, count: int) -> str:
    at = f"{row['offset']:+d} from the place" if row["kind"] != OUTPUT else f"value {row['activation']:.4g}"
    what = {
        BASE: f"base {row['letter']}",
        ERROR: f"{row['block']}: what its transcoder misses, and features that were not traced",
        FEATURE: f"{row['block']}: feature {row['feature']}, activation {row['activation']:.4g}"
        + (f", {row['of_word']:.0%} of what it ever is on {row['word']}" if row["word"] else ""),
        OUTPUT: "the output",
    }[row["kind"]]
    several = f"; {count} places, the leading one here" if count > 1 else ""
    return f"{what}; {at}; influence {row['influence']:.3f}{several}"


def _distances(parts: pd.DataFrame | None) -> str:
    """Over which distances an edge came, in words."""
    if parts is None:
        return ""
    sums = parts.groupby(["block", "lag"], sort=False)["weight"].sum()
    sums = sums.reindex(sums.abs().sort_values(ascending=False, kind="stable").index)
    words = []
    for (block, lag), weight in list(sums.items())[:MOST_PARTS]:
        way = "in place" if lag == 0 and not block else "other ways" if lag < 0 else f"{block}, lag {lag}"
        words.append(f"{way} {weight:+.3g}")
    return "; " + ", ".join(words)


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    """Where each node lies: places are columns, blocks are rows, those of one place and block abreast."""
    blocks = list(dict.fromkeys(table.loc[table["kind"].isin([ERROR, FEATURE]), "block"]))
    blocks.sort(key=lambda block: (len(block), block))
    rows = {OUTPUT: 0} | {block: i for i, block in enumerate(reversed(blocks), 1)}
    table = table.assign(row=[rows.get(block, len(rows)) for block in table["block"]])
    table["column"] = np.unique(table["offset"], return_inverse=True)[1]
    table["turn"] = table.groupby(["row", "column"]).cumcount()
    widths = (table.groupby("column")["turn"].max() + 1).clip(upper=_ABREAST)
    left = _LEFT + _WIDE * np.concatenate([[0], np.cumsum(widths.to_numpy())])
    heights = (table.groupby("row")["turn"].max() // _ABREAST + 1).reindex(range(len(rows) + 1), fill_value=1)
    tops = _TOP + np.concatenate([[0], np.cumsum(heights.to_numpy() * _HIGH + _GAP)])
    table["x"] = left[table["column"]] + (table["turn"] % _ABREAST + 0.5) * _WIDE
    table["y"] = tops[table["row"]] + (table["turn"] // _ABREAST + 0.5) * _HIGH
    return table


def circuit_svg(own: Mapping[str, pd.DataFrame], grouped: bool, caption: str) -> Markup:
    """A circuit as inline SVG; nodes and edges have titles, and numbers by which a script finds them."""
    nodes, edges = drawn(own, grouped)
    numbers = {name: i for i, name in enumerate(nodes.index)}
    width, height = round(nodes["x"].max() + _WIDE), round(nodes["y"].max() + _HIGH + 24)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" class="circuit" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="10">',
        f"<title>{escape(caption)}</title>",
    ]
    for block, own_row in nodes.groupby("block", sort=False):
        y = own_row["y"].min()
        words = {"embedding_layer": "bases", OUTPUT: ""}.get(str(block), str(block))
        parts.append(f'<text x="6" y="{y:.1f}" dy="0.35em" fill="#5f6b7a">{escape(words)}</text>')
    largest = max(float(edges["share"].max()), 1e-12) if len(edges) else 1.0
    for row in edges.iloc[::-1].itertuples():
        start, end = nodes.loc[row.source], nodes.loc[row.target]
        first, last = start["y"] - _HIGH / 2, end["y"] + _HIGH / 2
        middle = (first + last) / 2
        parts.append(
            f'<path d="M{start["x"]:.1f} {first:.1f}C{start["x"]:.1f} {middle:.1f} {end["x"]:.1f}'
            f' {middle:.1f} {end["x"]:.1f} {last:.1f}" fill="none"'
            f' stroke="{RAISES if row.weight > 0 else LOWERS}"'
            f' stroke-opacity="0.55" stroke-width="{0.6 + 6 * (row.share / largest) ** 0.5:.2f}"'
            f' data-source="{numbers[row.source]}" data-target="{numbers[row.target]}">'
            f"<title>{escape(row.title)}</title></path>"
        )
    for name, row in nodes.iterrows():
        parts.append(_node(row, numbers[name]))
    bases = nodes[nodes["kind"] == BASE]
    for x, offset in zip(bases["x"], bases["offset"], strict=True):
        parts.append(
            f'<text x="{x:.1f}" y="{height - 8:.1f}" text-anchor="middle" fill="#5f6b7a" font-size="8">'
            f"{offset:+d}</text>"
        )
    return Markup("\n".join([*parts, "</svg>"]))


def _node(row: pd.Series, number: int) -> str:
    fills = {BASE: "#f2f4f7", ERROR: "#e3e3e3", FEATURE: "#dceaf7", OUTPUT: "#fdebd3"}
    wide = _WIDE - 3
    x, y = row["x"] - wide / 2, row["y"] - _HIGH / 2 + 1
    small = ' font-size="7.5"' if len(row["label"]) > 5 else ""
    return (
        f'<g data-node="{number}"><rect x="{x:.1f}" y="{y:.1f}" width="{wide}" height="{_HIGH - 2}"'
        f' rx="{0 if row["kind"] == ERROR else 5}" fill="{fills[row["kind"]]}" stroke="#8b949e"/>'
        f'<text x="{row["x"]:.1f}" y="{row["y"]:.1f}" dy="0.35em" text-anchor="middle" fill="#1d2733"{small}>'
        f"{escape(row['label'])}</text><title>{escape(row['title'])}</title></g>"
    )
