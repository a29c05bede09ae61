"""A reader's own files: read within limits, placed on the genome, refused in a sentence with their name."""

from __future__ import annotations

import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st

from app import links
from app.canvas.browsing import client, requested_view
from app.canvas.message import message
from app.canvas.pane import FIRST
from app.data import own_files
from app.data.annotation import tracks
from app.data.own_files import own_errors, own_tracks
from app.data.study import Opened, open_study
from tests.workbench.study_factory import make_study
from workbench import InputError
from workbench.genome.interval import Interval

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return open_study(str(make_study(tmp_path_factory.mktemp("own")).study.folder))


class Dropped(io.BytesIO):
    """A file as Streamlit hands it over."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name, self.file_id = name, f"{name}{len(data)}"


def drop(monkeypatch: pytest.MonkeyPatch, *files: tuple[str, bytes]) -> dict[str, Any]:
    state: dict[str, Any] = {own_files.KEY: [Dropped(*file) for file in files]}
    monkeypatch.setattr(st, "session_state", state)
    return state


def test_each_kind_lies_where_it_says(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    gff = "chrA\tx\tgene\t11\t90\t.\t+\t.\tID=a\nchrA\tx\trepeat\t101\t200\t.\t-\t.\tID=b\n"
    graph = "A\t0\t40\t2.5\nA\t40\t64\t-1\n"
    vcf = VCF + "chrB\t7\trs1\tAC\tA\t.\t.\t.\nchrA\t5\t.\tG\tT\t.\t.\t.\nelsewhere\t5\t.\tG\tT\t.\t.\t.\n"
    files = [("peaks.bed.gz", gzip.compress(b"chrA\t5\t25\tp\n")), ("two.gff3", gff.encode())]
    files += [("s.bedgraph", graph.encode()), ("v.vcf", vcf.encode())]
    drop(monkeypatch, *files)
    found = {own.track.name: own for own in own_tracks(opened)}
    names = ["peaks.bed.gz", "two.gff3: gene", "two.gff3: repeat", "s.bedgraph", "v.vcf"]
    assert list(found) == names and own_errors(opened) == []
    places = {
        name: own.track.intervals[["chrom", "start", "end", "name"]].values.tolist()
        for name, own in found.items()
    }
    assert places["peaks.bed.gz"] == [["chrA", 5, 25, "p"]]
    assert places["two.gff3: repeat"][0][:3] == ["chrA", 100, 200]
    assert places["v.vcf"] == [["chrA", 4, 5, "G5T"], ["chrB", 6, 8, "AC7A, rs1"]]
    bins = found["s.bedgraph"].bins
    assert bins is not None
    means = bins.means(Interval("chrA", 0, 128), 32, 3000).means
    assert means[:2].tolist() == [2.5, (8 * 2.5 - 24) / 32] and np.isnan(means[2:]).all()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.bed", b"chrA\t5\tb\n", "x.bed: line 1"),
        ("x.bed", b"", "x.bed: the file is empty"),
        ("x.bed", b"chrZ\t1\t5\n", "x.bed"),
        ("x.gff3", b"\xff\xfe\x00" * 50, "x.gff3"),
        ("x.bw", b"\x26\xfc\x8f\x88" + b"\xff" * 500, "x.bw: not readable as bigWig"),
        ("x.vcf", b"chrA\t1\n", "x.vcf"),
        ("x.vcf", (VCF + "chrZ\t5\t.\tG\tT\t.\t.\t.\n").encode(), "x.vcf: no record on a contig"),
        ("x.exe", b"MZ", "x.exe: a track file is"),
        ("../../<b>.bed", b"?\n", "<b>.bed"),
        ("a\x1b[2J\u202e.bed", b"?\n", "a\\x1b[2J\\u202e.bed"),
        (
            "x.bed.gz",
            gzip.compress(b"chrA\t1\t5\n" * 400_000, mtime=0),
            "x.bed.gz: more than 1 MiB when unpacked",
        ),
        ("x.bed.gz", gzip.compress(b"chrA\t1\t5\n", mtime=0)[:-9], "x.bed.gz: the gzip file is cut short"),
        ("big.bed", b"#" * (1 << 20) + b"\n", "big.bed: more than"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, said: str
) -> None:
    monkeypatch.setattr(own_files, "MOST_UNPACKED", 1 << 20)
    monkeypatch.setattr(own_files, "MOST_BYTES", 1 << 20)
    drop(monkeypatch, (name, data), ("good.bed", b"chrA\t1\t5\n"))
    assert [own.track.name for own in own_tracks(opened)] == ["good.bed"]
    (sentence,) = own_errors(opened)
    assert said in sentence and "/tmp" not in sentence and "\n" not in sentence


def test_limits_and_what_is_taken_out_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(own_files, "MOST_VARIANTS", 3)
    lines = "".join(f"chrA\t{i}\t.\tG\tT\t.\t.\t.\n" for i in range(5, 10))
    drop(monkeypatch, ("v.vcf", (VCF + lines).encode()))
    assert own_tracks(opened) == () and "more than 3 records" in own_errors(opened)[0]
    files = [(f"{i}.bed", f"chrA\t{i}\t9\n".encode()) for i in range(9)]
    state = drop(monkeypatch, *files)
    assert len(own_tracks(opened)) == own_files.MOST_FILES
    folders = [Path(read.folder.name) for read in state["own_read"].values()]
    assert all(folder.is_dir() and folder != tmp_path for folder in folders)
    state[own_files.KEY] = state[own_files.KEY][:1]
    assert [own.track.name for own in own_tracks(opened)] == ["0.bed"]
    assert [folder.is_dir() for folder in folders] == [True] + [False] * (len(folders) - 1)


def test_signals_of_the_study_are_lanes_like_its_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path).study
    (tmp_path / "depth.bedgraph").write_text("chrA\t100\t200\t4\nchrA\t200\t300\t-2\n")
    text = (study.folder / "study.toml").read_text()
    (study.folder / "study.toml").write_text(
        text.replace("tracks = [", f'tracks = ["{tmp_path / "depth.bedgraph"}", ')
    )
    opened = open_study(str(study.folder))
    tracks(opened).result()
    drop(monkeypatch)
    assert "depth" not in [track.name for track in requested_view(opened, links.BrowseView()).tracks][:2]
    view = requested_view(opened, links.BrowseView(at="chrA:50-350", features=(3,), tracks=("depth", "CDS")))
    sent = message(opened, view, client(view, FIRST))
    head = json.loads(sent[4 : 4 + struct.unpack("<I", sent[:4])[0]])
    drawn = head["lanes"][0]
    assert [lane["name"] for lane in head["lanes"]] == ["depth", "CDS"] and "depth" in head["tracks"]
    assert (drawn["kind"], drawn["low"], drawn["high"], drawn["size"]) == ("signal", -2, 4, 1)
    codes = dict(enumerate(drawn["codes"], drawn["start"]))
    assert (codes[99], codes[100], codes[199], codes[200], codes[300]) == (0, 255, 255, 1, 0)
    with pytest.raises(InputError, match="no track"):
        requested_view(opened, links.BrowseView(tracks=("nowhere",)))
