"""What a study reads of its files: names of contigs by any spelling, names of tracks apart, circles."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.analysis.burdens.regions import cohort_regions
from workbench.errors import InputError
from workbench.study.config import CohortConfig, InputConfig, SplitConfig, StudyConfig, WindowConfig
from workbench.study.planning import planned_cells
from workbench.study.study import Study

RING = ">NC_1\n" + "ACGTTGCA" * 125 + "\n"


def study_of(folder: Path, **given: object) -> Study:
    (folder / "g.fa").write_text(RING)
    config = StudyConfig(
        input=InputConfig(genome=str(folder / "g.fa"), **given),
        windows=WindowConfig(window=128, warmup=28),
        split=SplitConfig(),
    )
    return Study.create(folder / "study", config)


def spans(study: Study, name: str) -> list[tuple[str, int, int]]:
    (track,) = [t for t in study.tracks if t.name == name]
    return list(track.intervals[["chrom", "start", "end"]].itertuples(index=False, name=None))


def test_tracks_of_one_file_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = []
    for i, name in enumerate(("a/peaks.bed", "b/peaks.bed", "c/peaks.bed", "c/deep/a/peaks.bed")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = (f"NC_1\t{20 * k + i}\t{20 * k + i + 5}\n" for k in range(6))
        path.write_text("".join(rows))
        paths.append(str(path))
    study = study_of(tmp_path, tracks=paths)
    starts = {t.name: int(t.intervals["start"].iloc[0]) for t in study.tracks}
    assert starts == {"peaks": 0, "b:peaks": 1, "c:peaks": 2, "a:peaks": 3}
    again = study_of(tmp_path / "b", tracks=[paths[0], paths[0]])
    with pytest.raises(InputError, match=r"peaks.bed: given twice as a track"):
        _ = again.tracks


def test_a_circle_is_declared_under_any_spelling_of_its_name(tmp_path: Path) -> None:
    genes = "".join(f"NC_1.1\tR\tgene\t{100 * k}\t{100 * k + 30}\t.\t+\t.\tID=g{k}\n" for k in range(1, 6))
    gff = tmp_path / "g.gff3"
    head = "##gff-version 3\nNC_1.1\tR\tregion\t1\t1000\t.\t+\t.\tID=r;Is_circular=true\n"
    gff.write_text(head + genes + "NC_1.1\tR\tgene\t991\t1010\t.\t+\t.\tID=over\n")
    study = study_of(tmp_path, tracks=[str(gff)])
    assert study.genome.circular == {"NC_1"}
    assert {("NC_1", 0, 10), ("NC_1", 990, 1000)} <= set(spans(study, "gene"))


def test_regions_are_matched_and_wrap_as_tracks_do(tmp_path: Path) -> None:
    bed = tmp_path / "r.bed"
    bed.write_text("NC_1.3\t250\t310\na_plasmid\t980\t1040\n")
    given = {"regions": str(bed), "rename": {"a_plasmid": "NC_1"}, "circular": ["NC_1"]}
    study = study_of(tmp_path, **given)
    cells = planned_cells(study, study.genome, study.grid)
    assert [(c.start, c.end) for c in cells] == [(0, 100), (200, 300), (300, 400), (900, 1000)]
    bed.write_text("NC_1\t250\t310\nelsewhere\t1\t9\n")
    with pytest.raises(InputError, match="contig elsewhere is not in the genome; it has NC_1"):
        planned_cells(study, study.genome, study.grid)


def test_regions_of_a_cohort_are_matched_and_wrap(tmp_path: Path) -> None:
    bed = tmp_path / "genes.bed"
    bed.write_text("NC_1.3\t250\t310\tone\nNC_1.3\t980\t1040\tover\n")
    study = study_of(tmp_path, circular=["NC_1"])
    object.__setattr__(study.config, "cohort", CohortConfig(regions=str(bed)))

    class Locked:
        contigs = study.genome.lengths
        circular = ("NC_1",)

    study.__dict__["manifest"] = Locked
    table = cohort_regions(study)
    assert list(table[["region", "start", "end"]].itertuples(index=False, name=None)) == [
        ("over.1", 0, 40),
        ("one", 250, 310),
        ("over.2", 980, 1000),
    ]
