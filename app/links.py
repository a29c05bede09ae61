"""Addresses of pages: what a page shows is in its query parameters, so an address opens the same thing.

Pure functions: each page has a view (a NamedTuple of plain values), an address is built from it and read
back to it. Everything is untrusted text until a page has checked it against the study.

The browser draws the variants of samples where its address has ``variants``:

``variants=cohort``     all variants that the study's samples carry, in a lane of their own
``variants=CANDIDATE``  the same, and above it the variants that drive this candidate (``candidate_id`` of the
                        table ``biomarkers``)

as in ``links.browse(at="NC_000913.3:300-1600", features=[12], variants="cb_0123456789abcdef")``.

``rows`` holds what a reader changed of rows, ``KIND/NAME:HEIGHT:COLOUR``, and ``pane`` the whole query of a
second view that stands beside the first. ``mode`` says what the canvas is used for, one of `MODES`, and
``ask`` what is asked in it, a text that the mode reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

STRANDS = ("both", "+", "-")
DRAWN = ("signal", "heat")
# Lanes of the sequence itself.
LANES = ("letters", "complement", "codons", "frames", "gc", "skew")
FIRST_LANES = ("letters", "codons")
# Modes of the canvas, as `app.canvas.modes` has them.
MODES = ("read", "attribute", "paint", "rules")
# Characters of what is asked in a mode.
MOST_ASKED = 2000
# Pixels of a row.
LOWEST, HIGHEST = 10, 400
_NONE = "none"
_ROW = re.compile(r"(feature|lane)/([^:,]{1,300}):(\d{0,3}):([0-9a-f]{6}|)")


class Address(NamedTuple):
    """A page, the file ``screens/PAGE.py``, and its query.

    ``str`` gives the address relative to the application's root.
    """

    page: str
    query: dict[str, str]

    @property
    def file(self) -> str:
        """For ``st.switch_page`` and ``st.page_link``, with ``query_params=address.query``."""
        return f"screens/{self.page}.py"

    def __str__(self) -> str:
        words = urlencode(self.query, safe=":,", quote_via=quote)
        return f"{self.page}?{words}" if words else self.page


class Row(NamedTuple):
    """What a reader changed of a row: of a feature or a lane, by name; 0 and empty: as usual."""

    kind: str
    name: str
    height: int = 0
    colour: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{quote(self.name, safe='')}:{self.height or ''}:{self.colour}"


class BrowseView(NamedTuple):
    """What the browse page shows.

    study : folder of the study as the address gives it; empty: the one that is open
    at : ``contig:start-end`` (0-based half-open), a contig, a name or ``feature N``; empty: the page chooses
    features, tracks : what is drawn; None: chosen by the page
    threshold : values below this share (0 to 1) of a feature's largest are not drawn
    strands : ``both``, ``+`` or ``-``
    draw : ``signal`` or ``heat``
    brush : ``start-end`` on the contig of ``at``, the selected region; empty: none
    variants : ``cohort`` or a candidate's id, see above; empty: none are drawn
    lanes : lanes of the sequence, some of `LANES`
    rows : heights and colours that are not the usual ones
    mode : what the canvas is used for, one of `MODES`
    ask : what is asked in this mode; empty: nothing
    """

    study: str = ""
    at: str = ""
    features: tuple[int, ...] | None = None
    tracks: tuple[str, ...] | None = None
    threshold: float = 0.0
    strands: str = "both"
    draw: str = "signal"
    brush: str = ""
    variants: str = ""
    lanes: tuple[str, ...] = FIRST_LANES
    rows: tuple[Row, ...] = ()
    mode: str = MODES[0]
    ask: str = ""


def browse(
    study: str = "",
    at: str = "",
    features: Iterable[int] | None = None,
    tracks: Iterable[str] | None = None,
    threshold: float = 0.0,
    strands: str = "both",
    draw: str = "signal",
    brush: str = "",
    variants: str = "",
    lanes: Iterable[str] = FIRST_LANES,
    rows: Iterable[Row] = (),
    mode: str = MODES[0],
    ask: str = "",
) -> Address:
    """Address of the browse page; the parameters are those of `BrowseView`."""
    query = {"study": study, "at": at}
    if features is not None:
        query["features"] = ",".join(map(str, features)) or _NONE
    if tracks is not None:
        query["tracks"] = ",".join(quote(name, safe="") for name in tracks) or _NONE
    if threshold:
        query["threshold"] = f"{threshold:g}"
    if strands != "both":
        query["strands"] = strands
    if draw != "signal":
        query["draw"] = draw
    query |= {"brush": brush, "variants": variants}
    if tuple(lanes) != FIRST_LANES:
        query["lanes"] = ",".join(lanes) or _NONE
    query["rows"] = ",".join(map(str, rows))
    if mode != MODES[0]:
        query |= {"mode": mode, "ask": ask}
    return _address("browse", query)


def parse_browse(query: Mapping[str, str]) -> BrowseView:
    """The view of an address. Raises ``ValueError``, a sentence, for a part that cannot be read."""
    tracks = query.get("tracks")
    names = [] if tracks in (None, _NONE) else str(tracks).split(",")
    strands = query.get("strands", "both")
    if strands not in STRANDS:
        raise ValueError(f"strands {strands!r}: expected both, + or -")
    draw = query.get("draw", "signal")
    if draw not in DRAWN:
        raise ValueError(f"draw {draw!r}: expected signal or heat")
    mode, ask = query.get("mode", MODES[0]), query.get("ask", "")
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
    if len(ask) > MOST_ASKED:
        raise ValueError(f"ask: {len(ask):,} characters; expected {MOST_ASKED:,} at most")
    return BrowseView(
        query.get("study", ""),
        query.get("at", ""),
        parse_numbers(query.get("features")),
        None if tracks is None else tuple(unquote(name) for name in names if name),
        parse_share(query.get("threshold", "0")),
        strands,
        draw,
        query.get("brush", ""),
        query.get("variants", ""),
        _parse_lanes(query.get("lanes")),
        _parse_rows(query.get("rows", "")),
        mode,
        ask if mode != MODES[0] else "",
    )


def split_query(text: str) -> dict[str, str]:
    """The query of a second view, as the first one's address holds it under ``pane``."""
    return dict(parse_qsl(text[:4000]))


def join_query(query: Mapping[str, str]) -> str:
    """A query as the text that `split_query` reads."""
    return urlencode({key: value for key, value in query.items() if value}, safe=":,", quote_via=quote)


def _parse_lanes(text: str | None) -> tuple[str, ...]:
    if text is None:
        return FIRST_LANES
    found = [] if text == _NONE else [name for name in text.split(",") if name]
    for name in found:
        if name not in LANES:
            raise ValueError(f"lane {name!r}: expected some of {', '.join(LANES)}")
    return tuple(dict.fromkeys(found))


def _parse_rows(text: str) -> tuple[Row, ...]:
    rows = {}
    for part in (p for p in text.split(",") if p):
        found = _ROW.fullmatch(part)
        if found is None or (found[3] and not LOWEST <= int(found[3]) <= HIGHEST):
            raise ValueError(
                f"row {part!r}: expected feature/NUMBER:HEIGHT:COLOUR or lane/NAME:HEIGHT:COLOUR, with"
                f" {LOWEST} to {HIGHEST} pixels and six digits of a colour, as in feature/12:60:d55e00"
            )
        rows[found[1], found[2]] = Row(found[1], unquote(found[2]), int(found[3] or 0), found[4])
    return tuple(rows.values())


def feature(study: str = "", number: int = 0) -> Address:
    """Address of a feature's page."""
    return _address("feature", {"study": study, "feature": str(number)})


def track(study: str = "", name: str = "", mode: str = "") -> Address:
    """Address of the page of a track, in one strand mode (``same``, ``opposite``, ``any``)."""
    return _address("track", {"study": study, "track": name, "mode": mode})


def experiments(study: str = "", name: str = "", new: str = "", **preset: str) -> Address:
    """Address of the page of experiments: of all, of one by its name, or of the form of a ``new`` one.

    ``new`` is a kind; ``preset`` fills in its settings, entries of a list apart by commas.
    """
    return _address("experiments", {"study": study, "experiment": name, "new": new} | preset)


def parse_feature(query: Mapping[str, str]) -> int | None:
    """The feature of an address, None where it names none. Raises ``ValueError`` for other text."""
    numbers = parse_numbers(query.get("feature") or None)
    if numbers is not None and len(numbers) != 1:
        raise ValueError(f"feature {query['feature']!r}: expected one feature number")
    return numbers[0] if numbers else None


def parse_numbers(text: str | None) -> tuple[int, ...] | None:
    """Feature numbers apart by commas, each once; None for no text.

    Raises ``ValueError``, a sentence, for what is not a whole number.
    """
    if text is None:
        return None
    parts = [] if text == _NONE else [p.strip() for p in text.split(",") if p.strip()]
    for part in parts:
        if not (part.isascii() and part.isdecimal() and len(part) < 10):
            raise ValueError(f"feature {part!r}: expected a number, as in features=12,40")
    return tuple(dict.fromkeys(int(part) for part in parts))


def parse_share(text: str) -> float:
    """A number from 0 to 1; ``ValueError``, a sentence, for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise ValueError(f"threshold {text!r}: expected a share from 0 to 1")
    return value


def _address(page: str, query: Mapping[str, str]) -> Address:
    return Address(page, {key: value for key, value in query.items() if value})
