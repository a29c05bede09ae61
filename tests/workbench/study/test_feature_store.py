"""Feature maps by genome coordinates: names as everywhere, and a refusal for what is not there."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.workbench.study_factory import CONTIGS, Synthetic, make_study
from workbench.browse.enrichment import contig_counts, enrichment
from workbench.browse.feature_profile import company, firing_bins, profiles
from workbench.browse.metagene import metagene_profile
from workbench.browse.pasted_sequence import mutate
from workbench.browse.tiles import TileReader
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.interval import Interval
from workbench.genome.shuffled_genome import ShuffledGenome
from workbench.study.feature_store import shard_path
from workbench.study.locus import find_locus, strip
from workbench.study.results import FACTS, TABLES
from workbench.study.study import Study
from workbench.tracks.near import TrackIndex


@pytest.mark.parametrize("name", ["c" * 300, "é" * 200, "../" * 100, "c" * 100])
def test_a_shard_is_written_whatever_its_contig_is_called(tmp_path: Path, name: str) -> None:
    path = shard_path(tmp_path, name, 7)
    with write_atomic(path) as temporary:
        temporary.write_bytes(b"")
    assert [p.name for p in tmp_path.iterdir()] == [path.name] and path.name.endswith(".00007.h5")
    assert shard_path(tmp_path, "NC_1.3", 7).name == "NC_1.3.00007.h5"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("store"))


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("place", [("chrA", 0, 3000), ("chrA", 777, 2600), ("chrB", 1199, 1201)])
def test_rows_are_those_that_were_written(made: Synthetic, place: tuple[str, int, int], strand: str) -> None:
    chrom, start, end = place
    values, usable = made.dense[chrom, strand]
    found = made.study.features.rows(chrom, start, end, strand)
    dense = np.zeros((end - start, values.shape[1]), np.float32)
    features = found.features
    at = np.repeat(np.arange(end - start), np.diff(features.indptr))
    dense[at, features.indices] = features.values
    np.testing.assert_array_equal(dense, values[start:end])
    np.testing.assert_array_equal(found.callable, usable[start:end])
    both = made.study.features.strands(chrom, start, end)[strand]
    for one, other in zip(found.features[:3], both.features[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.callable, both.callable)


def test_a_study_and_its_features_are_named_shortly(made: Synthetic) -> None:
    bases = sum(length for length in CONTIGS.values())
    shards = len(made.study.features.shards)
    assert repr(made.study.features) == f"FeatureStore({bases:,} bases of 2 contigs in {shards} shards)"
    given = made.study.config
    name = f"{given.model.name}{f' at {given.model.layer}' if given.model.layer else ''}"
    genome = Path(given.input.genome).name
    assert repr(made.study) == f"Study({str(made.study.folder)!r}, {name} on {genome})"


def spelt(made: Synthetic, contigs: dict[str, str], rename: dict[str, str]) -> Study:
    """The study with its contigs under other names."""
    manifest = made.study.manifest
    study = Study(made.study.folder, replace(made.study.config))
    object.__setattr__(study.config, "input", replace(study.config.input, rename=rename))
    study.__dict__["manifest"] = replace(
        manifest, contigs={contigs[name]: length for name, length in manifest.contigs.items()}
    )
    return study


@pytest.mark.parametrize("name", ["A", "chrA", "old"])
def test_names_are_matched_as_those_of_input_files(made: Synthetic, name: str) -> None:
    study = spelt(made, {n: n for n in CONTIGS}, {"old": "chrA"})
    found = study.features.rows(name, 100, 200, "+")
    expected = study.features.rows("chrA", 100, 200, "+")
    np.testing.assert_array_equal(found.features.values, expected.features.values)
    assert find_locus(study, f"{name}:100-200") == Interval("chrA", 100, 200)
    assert find_locus(study, name) == Interval("chrA", 0, 3000)
    tile = TileReader(study, np.ones(20)).tile([3], Interval(name, 0, 3000), 64)
    assert (tile.codes > 1).any()


def test_versions_are_matched_and_never_mixed_up(made: Synthetic) -> None:
    contigs = spelt(made, {"chrA": "NC_000913.3", "chrB": "NC_1.2"}, {}).contigs
    assert contigs.stretch("NC_000913", 0, 10) == ("NC_000913.3", 0, 10)
    with pytest.raises(InputError, match=r"no contig NC_000913.2; the genome has NC_000913.3"):
        contigs.stretch("NC_000913.2", 0, 10)


NOWHERE = [
    (("nope", 0, 10), "no contig nope; the genome has chrA, chrB"),
    (("chrA", 0, 50_000_000), "expected 0 <= start < end <= 3000, the length of chrA"),
    (("chrA", -1, 10), "expected 0 <= start"),
    (("chrA", 10, 10), "start < end"),
    (("chrB", 0, 1501), "the length of chrB"),
]
ACCESSORS: dict[str, Callable[[Synthetic, str, int, int], object]] = {
    "rows": lambda m, *at: m.study.features.rows(*at, "+"),
    "stretches": lambda m, *at: list(m.study.features.stretches(*at)),
    "strip": lambda m, *at: strip(m.study, 0, *at, "+"),
    "strands": lambda m, *at: m.study.features.strands(*at),
    "tile": lambda m, *at: TileReader(m.study, np.ones(20)).tile([0], Interval(*at), 1),
    "profiles": lambda m, *at: profiles(m.study, 0, [Interval(*at)]),
    "enrichment": lambda m, *at: enrichment(m.study, Interval(*at), contig_counts(m.study, "chrA")),
}


@pytest.mark.parametrize(("place", "said"), NOWHERE)
@pytest.mark.parametrize("accessor", ACCESSORS)
def test_places_that_are_not_on_the_genome_are_refused(
    made: Synthetic, accessor: str, place: tuple[str, int, int], said: str
) -> None:
    tracemalloc.start()
    with pytest.raises(InputError, match=said):
        ACCESSORS[accessor](made, *place)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("strand", ["x", ".", "", "+-", "plus"])
def test_other_strands_are_refused(made: Synthetic, strand: str) -> None:
    study = made.study
    with study.features.open(study.features.shards[0][0]) as shard:
        for refused in (
            lambda: study.features.rows("chrA", 0, 10, strand),
            lambda: shard.rows(strand, 0, 10),
            lambda: shard.zoom(strand, 64),
            lambda: strip(study, 0, "chrA", 0, 10, strand),
            lambda: study.genome.fetch("chrA", 0, 10, strand),
            lambda: ShuffledGenome(study.genome, 0).fetch("chrA", 0, 10, strand),
        ):
            with pytest.raises(InputError, match=r"expected \+ or -"):
                refused()
    if len(strand) == 1:
        with pytest.raises(InputError, match=r"expected \+ or -"):
            TileReader(study, np.ones(20)).tile([0], Interval("chrA", 0, 10), 1, strand)


def test_a_shard_holds_its_own_stretch_alone(made: Synthetic) -> None:
    store = made.study.features
    path, _, start, end = store.shards[1]
    with store.open(path) as shard:
        for lo, hi in ((start - 1, start + 5), (end - 5, end + 1), (start + 5, start)):
            with pytest.raises(InputError, match=f"expected a stretch within {start}-{end}"):
                shard.rows("+", lo, hi)
        with pytest.raises(InputError, match="bins of 63: expected one of 64, 512, 4096"):
            shard.zoom("+", 63)
    with pytest.raises(InputError, match="bins of 3: expected a power of two"):
        TileReader(made.study, np.ones(20)).tile([0], Interval("chrA", 0, 10), 3)


def damaged(image: bytes, at: int) -> bytes:
    return image[:at] + bytes(255 - b for b in image[at : at + 64]) + image[at + 64 :]


def test_a_damaged_file_is_refused_and_read_again_once_it_is_mended(tmp_path: Path) -> None:
    """In place, its time kept: nothing but its bytes says so."""
    study = make_study(tmp_path).study
    at, path = Interval("chrA", 0, 100), study.features.shards[0][0]
    with study.features.open(path) as shard:
        found = shard.file["plus/zoom/64/max"], shard.file["plus/values"]
        zoom, values = (d.id.get_chunk_info(0).byte_offset for d in found)
    reader = TileReader(study, np.ones(20))
    known = [reader.tile([3], at, size).codes for size in (1, 64)]
    image = path.read_bytes()
    for size, place in ((1, values), (64, zoom)):
        reader = TileReader(study, np.ones(20))
        path.write_bytes(damaged(image, place))
        reads = [partial(reader.tile, [3], at, size)]
        reads += [lambda: strip(study, 3, *at, "+")] if size == 1 else [lambda: firing_bins(study, 3)]
        for read in reads:
            with pytest.raises(InputError, match=rf"{path.name}: damaged feature file .*`workbench run`"):
                read()
        path.write_bytes(image)
        for read in reads:
            read()
        np.testing.assert_array_equal(reader.tile([3], at, size).codes, known[size == 64])


def test_no_damage_of_a_file_is_more_than_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path).study
    path = study.features.shards[0][0]
    image = path.read_bytes()
    refused = 0
    for place in range(0, len(image), max(1, len(image) // 80)):
        path.write_bytes(damaged(image, place))
        try:
            TileReader(study, np.ones(20)).tile([3], Interval("chrA", 0, 100), 1)
        except InputError:
            refused += 1
    assert refused


@pytest.mark.parametrize("fetch", ["genome", "shuffled"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("nope", 0, 10), "no contig nope; the genome has chrA, chrB"),
        (("chrA", 0, 3001), "outside the contig, which has 3,000 bases"),
        (("chrA", -1, 10), "outside the contig"),
        (("chrA", 10, 5), "start is past end"),
    ],
)
def test_letters_that_are_not_there_are_refused(
    made: Synthetic, fetch: str, place: tuple[str, int, int], said: str
) -> None:
    genome = made.study.genome
    source = genome if fetch == "genome" else ShuffledGenome(genome, 0)
    with pytest.raises(InputError, match=said):
        source.fetch(*place)


@pytest.mark.parametrize("feature", [-1, 20, 99_999])
def test_features_that_are_not_there_are_refused(made: Synthetic, feature: int) -> None:
    study, at = made.study, Interval("chrA", 0, 100)
    bins, catalog = firing_bins(study, 3), study.table("catalog")
    for refused in (
        lambda: firing_bins(study, feature),
        lambda: profiles(study, feature, [at]),
        lambda: company(study, feature, bins, catalog),
        lambda: metagene_profile(study, feature, study.tracks[0], "same"),
        lambda: mutate(study, "ACGTACGT", 0, 4, feature),
        lambda: strip(study, feature, *at, "+"),
        lambda: TileReader(study, np.ones(20)).tile([feature], at, 1),
    ):
        with pytest.raises(InputError, match=f"feature {feature}: expected a number from 0 to 19"):
            refused()


def test_names_of_results_that_nothing_has_are_refused_with_those_there_are(made: Synthetic) -> None:
    study = made.study
    with pytest.raises(InputError, match=r"no table 'nosuch'; expected one of associations, tracks"):
        study.table("nosuch")
    with pytest.raises(InputError, match=r"no facts 'nosuch'; expected one of plan, training"):
        study.facts("nosuch")
    with pytest.raises(InputError, match=r"no table biomarkers yet, which stage biomarkers leaves"):
        study.table("biomarkers")
    with pytest.raises(InputError, match="no track 'nosuch'; expected one of"):
        TrackIndex(study.tracks).near("nosuch", Interval("chrA", 0, 10))
    left = {p.name for p in (study.folder / "tables").iterdir()}
    assert left <= {f"{name}.parquet" for name in TABLES} | {f"{name}.json" for name in FACTS}
