"""A reader's own files beside the study: read in this session, never stored in the study, gone with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import streamlit as st

from app.data.study import Opened
from workbench import InputError
from workbench.browse.signal_bins import SignalBins
from workbench.cohort.variant_lines import VariantLines
from workbench.files.text import suffix_of
from workbench.setup.uploads import Handed, own_name, store
from workbench.tracks import READERS, read_tracks
from workbench.tracks.track import Row, Track, frame
from workbench.wording import visible_name

KEY = "own_files"
# Bytes of a file as it is sent, and unpacked; larger ones belong in a study.
MOST_BYTES, MOST_UNPACKED = 64 << 20, 512 << 20
MOST_FILES, MOST_VARIANTS, MOST_DRAWN = 6, 200_000, 8
LONGEST_NAME = 80
VARIANTS = (".vcf",)
SUFFIXES = sorted({suffix.lstrip(".") for suffix in (*READERS, *VARIANTS)} | {"gz"})


class LaneTrack(NamedTuple):
    """A track that a file holds, and its values in bins where it is a signal."""

    track: Track
    bins: SignalBins | None = None


class Read(NamedTuple):
    """What was read of a file: its tracks or a sentence, and the folder that lives as long as they do."""

    tracks: list[LaneTrack]
    error: str = ""
    folder: tempfile.TemporaryDirectory[str] | None = None


def own_tracks(opened: Opened) -> tuple[LaneTrack, ...]:
    """Tracks of the files that the reader dropped in this session, as they lie on this study's genome."""
    return tuple(own for read in _all_read(opened) for own in read.tracks)[:MOST_DRAWN]


def own_errors(opened: Opened) -> list[str]:
    """A sentence for each dropped file that could not be read."""
    return [read.error for read in _all_read(opened) if read.error]


def _all_read(opened: Opened) -> list[Read]:
    files: list[Any] = (st.session_state.get(KEY) or [])[:MOST_FILES]
    kept: dict[tuple[str, str], Read] = st.session_state.setdefault("own_read", {})
    wanted = {(str(opened.study.folder), str(file.file_id)): file for file in files}
    present = {str(file.file_id) for file in files}
    for key in [key for key in kept if key[1] not in present]:
        del kept[key]
    for key, file in wanted.items():
        if key not in kept:
            kept[key] = _read(opened, file.name, file.getvalue())
    return [kept[key] for key in wanted]


def _read(opened: Opened, given: str, data: bytes) -> Read:
    name = visible_name(PurePath(given).name)[:LONGEST_NAME]
    folder, handed = tempfile.TemporaryDirectory(), Handed("track", name, BytesIO(data))
    path = Path(folder.name)
    try:
        variants = suffix_of(Path(name)) in VARIANTS
        path /= own_name("variants" if variants else "track", name, 0)
        store(handed, path, MOST_BYTES, MOST_UNPACKED)
        reader: Callable[[Path, Opened], list[Track]] = _variants if variants else _annotation
        return Read(_named(reader(path, opened), name), folder=folder)
    except InputError as error:
        return Read([], str(error).replace(str(path), name))


def _annotation(path: Path, opened: Opened) -> list[Track]:
    found = read_tracks(path, opened.study.genome, opened.study.config.input.rename)
    return [track for track in found if track.signal or len(track.intervals)]


def _variants(path: Path, opened: Opened) -> list[Track]:
    """The sites of a VCF, one interval each: the bases of its REF allele."""
    rows, contigs = [], opened.study.contigs
    for line in VariantLines(path).records():
        chrom = contigs.target(line.chrom)
        if chrom is None or line.end > contigs.lengths.get(chrom, 0):
            continue
        name, reference, alternatives = line.columns[2:5]
        said = f"{reference[:20]}{line.start + 1}{alternatives[:20]}"
        rows.append(Row(chrom, line.start, line.end, said if name == "." else f"{said}, {name}"))
        if len(rows) > MOST_VARIANTS:
            raise InputError(f"{path}: more than {MOST_VARIANTS:,} records; cut it to the region of interest")
    if not rows:
        raise InputError(f"{path}: no record on a contig of this genome")
    table = frame(rows).sort_values(["chrom", "start"], kind="stable")
    return [Track("variants", table.reset_index(drop=True), str(path), type="variant")]


def _named(tracks: list[Track], name: str) -> list[LaneTrack]:
    """The tracks under the file's own name, each with its type where a file has several."""
    found = []
    for track in tracks:
        said = f"{name}: {track.name}" if len(tracks) > 1 else name
        own = Track(said, track.intervals, name, track.kind, track.type, track.signal)
        found.append(binned(own))
    return found


def binned(track: Track) -> LaneTrack:
    """A track with its values in bins where it is a signal."""
    return LaneTrack(track, SignalBins(track.signal.values) if track.signal else None)
