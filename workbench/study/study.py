"""A study: a folder that holds what was asked, what it was made from, and what came out.

``workbench --help`` imports this module, so heavy libraries are imported where they are used: each such
import names the library that it keeps out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from feature_mining.sae.config import CONFIG_FILE, WEIGHTS_FILE, SAEConfig, read_hash
from feature_mining.sae.config import read_config as read_sae_config
from genomic_models.files import expanded
from workbench.errors import InputError
from workbench.files.facts import read_facts, write_facts
from workbench.files.parquet import read_parquet, write_parquet
from workbench.study.config import COHORT_FILES, StudyConfig, read_config, resolve, write_config
from workbench.study.ledger import Ledger
from workbench.study.manifest import PUT_BACK, Manifest, hash_file, refuse_difference
from workbench.study.notes import read_notes
from workbench.study.results import FACTS, TABLES
from workbench.study.trust import refuse_untrusted, risky_model

if TYPE_CHECKING:
    import pandas as pd

    from feature_mining.edits.apply import Dictionary
    from feature_mining.sae.calibrate import Calibration
    from feature_mining.sae.model import SparseAutoencoder
    from genomic_models import DNAModel
    from workbench.cohort.samples import Cohort
    from workbench.cohort.store import BurdenStore
    from workbench.files.packs import Part
    from workbench.genome.reference import Genome
    from workbench.genome.replichores import Replichores
    from workbench.genome.splits import Split
    from workbench.genome.windows import Grid
    from workbench.progress import Progress
    from workbench.study.feature_labels import Label
    from workbench.study.feature_store import FeatureStore
    from workbench.study.inputs import Annotation
    from workbench.tracks import Track
    from workbench.tracks.near import TrackIndex
    from workbench.tracks.track import Contigs

CONFIG = "study.toml"
MANIFEST = "manifest.json"
# Folder of the store of burdens.
BURDENS = "burdens"


class Study:
    """A study folder, opened.

    Everything heavy (genome, tracks, model, SAE) is read at first use.

    Attributes
    ----------
    folder : Path
    config : StudyConfig
    ledger : Ledger
        Which shards are done.
    batch : int
        Windows that go through the model together; halved in this process when memory is too small.
    device : str
        Where the model is loaded to; that of the settings.
    """

    # What `run` calls; set by the package, since engines are above the study.
    runner: ClassVar[Callable[..., None]]

    def __init__(self, folder: Path, config: StudyConfig) -> None:
        self.folder = folder
        self.config = config
        self.ledger = Ledger(folder / "ledger")
        self.device = config.model.device
        self._batch = config.windows.batch
        # Of which manifest and which parts of packs: the feature maps.
        self._features: tuple[Manifest, dict[int, Part], FeatureStore] | None = None

    def __repr__(self) -> str:
        model, genome = self.config.model, Path(self.config.input.genome).name
        layer = f" at {model.layer}" if model.layer else ""
        return f"Study({str(self.folder)!r}, {model.name}{layer} on {genome})"

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Open an existing study. Raises ``InputError`` where there is none or its file is wrong."""
        path = Path(folder).resolve()
        return cls(path, read_config(path / CONFIG))

    @classmethod
    def create(cls, folder: str | Path, config: StudyConfig) -> Study:
        """Make a new study folder; refuses one that already holds a study.

        Paths of inputs are stored absolute. Raises ``InputError`` for a path that is not there and a setting
        out of range.
        """
        config.check()
        path = Path(folder).resolve()
        if (path / CONFIG).exists():
            raise InputError(
                f"{path}: holds a study already; run it with `workbench run {path}`, or choose another folder"
            )
        given = config.input
        absolute = replace(
            given,
            genome=_existing(given.genome),
            tracks=[_existing(t) for t in given.tracks],
            regions=_existing(given.regions) if given.regions else "",
        )
        files: dict[str, Any] = {key: _existing(getattr(config.cohort, key)) for key in COHORT_FILES}
        model = replace(config.model, name=_whole_name(config.model.name))
        config = replace(config, input=absolute, model=model, cohort=replace(config.cohort, **files))
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot make the folder ({error.strerror})") from None
        write_config(config, path / CONFIG)
        return cls.open(path)

    def run(
        self,
        workers: int = 1,
        until: str | None = None,
        force: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Run the study to its end (or to the stage ``until``); finished work is not repeated."""
        type(self).runner(self, workers, until, force, progress)

    def halve_batch(self) -> bool:
        """Run fewer windows together from now on; False if there is one already."""
        if self.batch == 1:
            return False
        self._batch = self.batch // 2
        return True

    @property
    def batch(self) -> int:
        """Windows that run together; what ``[windows] batch`` says, or what fits, halved where it did not."""
        if self._batch == 0:
            from workbench.study.batch_size import fitting_batch  # PyTorch

            self._batch = fitting_batch(self.model, self.layer, self.config.windows.window)
        return self._batch

    # -- provenance ---------------------------------------------------------------------------

    @property
    def planned(self) -> bool:
        """Whether the manifest is there."""
        return (self.folder / MANIFEST).exists()

    @cached_property
    def manifest(self) -> Manifest:
        """What the study is made from, locked."""
        return Manifest.read(self.folder / MANIFEST)

    def lock(self, manifest: Manifest) -> None:
        """Write the manifest."""
        manifest.write(self.folder / MANIFEST)
        for name in ("manifest", "grid"):
            self.__dict__.pop(name, None)

    def unlock(self) -> None:
        """Forget the manifest, so that the study is planned anew."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for name, kind in vars(type(self)).items():
            if isinstance(kind, cached_property):
                self.__dict__.pop(name, None)

    def verify(self, model: bool = True) -> None:
        """Compare settings, input files and model with the manifest; ``InputError`` on a difference.

        Without ``model`` its weights are compared when it is first used: a batch job that does not run it
        may be on a node that cannot.
        """
        manifest, config = self.manifest, self.config
        now = {
            "model dtype": (manifest.model.dtype, config.model.dtype),
            "window": (manifest.windows["window"], config.windows.window),
            "warmup": (manifest.windows["warmup"], config.windows.warmup),
            "seed": (manifest.seeds["seed"], config.run.seed),
        }
        if config.model.layer:
            now["layer"] = (manifest.model.layer, config.model.layer)
        for what, (locked, found) in now.items():
            refuse_difference(what, locked, found, self.folder)
        named = self.input_files
        refuse_difference("list of inputs", sorted(manifest.inputs), sorted(named), self.folder)
        for what, path in named.items():
            found = hash_file(self.resolve(path)).sha256
            refuse_difference(f"input file {path}", manifest.inputs[what].sha256, found, self.folder)
        if model:
            _ = self.model  # refused where it is another

    @property
    def input_files(self) -> dict[str, str]:
        """Paths that the manifest locks, by what they are: ``genome``, ``track:PATH``, ``regions``."""
        given = self.config.input
        named = {"genome": given.genome} | {f"track:{track}": track for track in given.tracks}
        return named | ({"regions": given.regions} if given.regions else {})

    def resolve(self, path: str) -> Path:
        """A path of ``study.toml``, relative ones taken from the study folder."""
        return resolve(self.folder, path)

    # -- inputs -------------------------------------------------------------------------------

    @cached_property
    def genome(self) -> Genome:
        """The reference sequence."""
        from workbench.study.inputs import read_study_genome  # pandas, pyfaidx

        circular = self.manifest.circular if self.planned else None
        return read_study_genome(self.folder, self.config.input, circular)

    @cached_property
    def annotation(self) -> Annotation:
        """Tracks that are tested and notes on what is not, as the settings are now."""
        from workbench.study.inputs import read_annotation  # pandas

        return read_annotation(self.folder, self.config, self.genome)

    @property
    def tracks(self) -> list[Track]:
        """Annotation, names mapped to the genome's, derived tracks included."""
        return self.annotation.tracks

    @cached_property
    def track_index(self) -> TrackIndex:
        """Interval tracks, to be asked for what lies near a place."""
        from workbench.tracks.near import TrackIndex  # pandas

        return TrackIndex([track for track in self.tracks if track.kind == "interval"])

    @property
    def left_out(self) -> list[str]:
        """What of the annotation is not tested, and why; files by their names, without folders."""
        notes = self.annotation.notes
        for path in map(self.resolve, self.config.input.tracks):
            notes = [note.replace(str(path), path.name) for note in notes]
        return notes

    @cached_property
    def model(self) -> DNAModel:
        """The probed model; ``InputError`` where it is not the one that the study was made with."""
        model = self.load_model(self.device)
        if self.planned:
            self._refuse_other_weights(model.weights_hash)
        return model

    def _refuse_other_weights(self, found: str) -> None:
        locked, what = self.manifest.model.weights_hash, "weights hash of the model"
        if found == locked:
            return
        from genomic_models.registry import shipped_as  # PyTorch

        back = PUT_BACK
        if name := shipped_as(locked):
            back = f'the former ships as `{name}`: put name = "{name}" under [model] of {CONFIG}'
        refuse_difference(what, locked, found, self.folder, back)

    def load_model(self, device: str) -> DNAModel:
        """The probed model, loaded to a device."""
        from genomic_models import load  # PyTorch

        m = self.config.model
        refuse_untrusted(self.folder, risky_model(m))
        return load(
            m.name,
            device=device,
            dtype=m.dtype,
            model_dir=Path(m.folder) if m.folder else None,
            accept_precision_loss=m.accept_precision_loss,
            trust_remote_code=m.trust_remote_code,
        )

    @property
    def layer(self) -> str:
        """The probed tap."""
        return self.manifest.model.layer

    @cached_property
    def grid(self) -> Grid:
        """How contigs are cut into cells; before the study is planned, that of a causal model."""
        from workbench.genome.windows import Grid  # pandas

        windows = self.config.windows
        lookahead = self.manifest.windows.get("lookahead", 0) if self.planned else 0
        return Grid(windows.window, windows.warmup, lookahead=lookahead)

    @cached_property
    def cohort(self) -> Cohort:
        """Samples with phenotypes, covariates and groups, in the order of the variants."""
        from workbench.study.inputs import read_study_cohort  # pandas

        return read_study_cohort(self.folder, self.config.cohort)[0]

    @cached_property
    def replichores(self) -> dict[str, Replichores]:
        """Origin and terminus of circular contigs, annotated or read from GC skew."""
        from workbench.study.inputs import find_replichores  # pandas

        return find_replichores(self.folder, self.config.input, self.genome, self.manifest.circular)

    @cached_property
    def contigs(self) -> Contigs:
        """What places must lie on; names are matched as those of the input files were."""
        from workbench.tracks.track import Contigs  # pandas

        manifest = self.manifest
        return Contigs(manifest.contigs, frozenset(manifest.circular), self.config.input.rename)

    @cached_property
    def split(self) -> Split:
        """Which bases are for training, choosing and reporting."""
        from workbench.genome.splits import Split  # pandas

        return Split(self.manifest.split)

    # -- outputs ------------------------------------------------------------------------------

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The trained autoencoder; refused if it was trained on another model or layer."""
        from feature_mining.sae.model import SparseAutoencoder  # PyTorch

        _ = self.sae_config  # refuses one of another model
        try:
            return SparseAutoencoder.load(self.folder / "sae")
        except (ValueError, OSError) as error:
            raise InputError(f"{error}; train it again with --force sae") from error

    @cached_property
    def sae_config(self) -> SAEConfig:
        """What the autoencoder is, read without PyTorch; refused as ``sae`` is."""
        try:
            config, _ = read_sae_config(self.folder / "sae" / CONFIG_FILE)
        except (ValueError, OSError) as error:
            raise InputError(f"{error}; train it again with --force sae") from error
        made_with = (config.model, config.layer, config.weights_hash)
        model = self.manifest.model
        expected = (model.name, model.layer, model.weights_hash)
        refuse_difference("the autoencoder in sae/", expected, made_with, self.folder)
        return config

    @cached_property
    def sae_hash(self) -> str:
        """Hash that the autoencoder's weights were saved with."""
        try:
            return read_hash(self.folder / "sae" / WEIGHTS_FILE) or self.sae.hash
        except ValueError as error:
            raise InputError(f"{error}; train it again with --force sae") from error

    @cached_property
    def calibration(self) -> Calibration:
        """What the autoencoder's features look like on the calibration sample."""
        from feature_mining.sae.calibrate import Calibration  # PyTorch

        return Calibration.load(self.folder / "sae")

    @cached_property
    def dictionary(self) -> Dictionary:
        """The autoencoder where it reads and writes, features in units of their calibration, for edits.

        Means of features, over all readings of the genome, are known once the catalog is.
        """
        import torch  # seconds to import

        from feature_mining.edits.apply import Dictionary  # PyTorch

        mean = None
        if (self.folder / "tables" / "catalog.parquet").exists():
            catalog = self.table("catalog").sort_values("feature")
            mean = torch.tensor((catalog["density"] * catalog["mean_active"]).to_numpy(), dtype=torch.float32)
        return Dictionary.at(self.layer, self.sae, self.calibration, mean)

    @property
    def features(self) -> FeatureStore:
        """Feature maps on genome coordinates."""
        from workbench.study.feature_store import FeatureStore, Origin, shard_path  # h5py

        parts = self.ledger.parts("encode")
        # To name 100,000 shards takes longer than to read one.
        known = self._features
        if known is None or known[0] is not self.manifest or known[1] is not parts:
            folder = self.folder / "features"
            places = enumerate(self.manifest.shards)
            shards = [(parts.get(i) or shard_path(folder, s.chrom, i), *s) for i, s in places]
            origin = Origin(self.manifest.model.weights_hash, self.layer, self.sae_hash)
            known = self._features = self.manifest, parts, FeatureStore(shards, origin, self.contigs)
        return known[2]

    @property
    def burdens(self) -> BurdenStore:
        """Burdens of every region, features x unique haplotypes."""
        from workbench.cohort.store import BurdenStore  # h5py, pandas

        samples = list(self.table("samples")["sample"])
        folder = self.folder / BURDENS
        return BurdenStore(folder, self.table("burdens"), samples, self.burdens_origin)

    @property
    def burdens_origin(self) -> dict[str, str]:
        """What burdens belong to: model, layer and autoencoder, or the hash of a ready matrix."""
        if self.config.cohort.matrix:
            return {"matrix": self.facts("cohort")["files"]["matrix"]}
        return {
            "model_hash": self.manifest.model.weights_hash,
            "layer": self.layer,
            "sae_hash": self.sae_hash,
        }

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name, one of ``results.TABLES``; ``InputError`` where it is not there."""
        from feature_mining.association.verdict import understood  # pandas

        path = self.folder / "tables" / f"{name}.parquet"
        self._require(path, "table", name, TABLES)
        table = read_parquet(path)
        if name == "tracks":
            return understood(table)
        if name == "catalog" and "verdict" in table:
            return self._with_verdicts(table)
        if name == "biomarkers" and not self.config.cohort.matrix:
            return self._with_labels(table)
        return table

    def _with_labels(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Candidates with the labels that their features have now, those of dead features left out.

        Earlier versions called the closest track the label, and made candidates of dead features.
        """
        if not {"feature", "label"} <= set(candidates):
            return candidates
        labels = self.feature_labels()
        if "closest_track" not in candidates:
            place = candidates.columns.get_loc("label")
            candidates.insert(place, "closest_track", candidates["label"])
        # As a column: an empty list would choose no column in place of no row.
        alive = candidates["feature"].map(lambda f: labels[int(f)].source != "dead").astype(bool)
        candidates = candidates[alive].reset_index(drop=True)
        return candidates.assign(label=[labels[int(f)].text for f in candidates["feature"]])

    def feature_labels(self) -> dict[int, Label]:
        """What every feature is called, by its number; ``InputError`` without a catalog."""
        from workbench.study.feature_labels import label_features  # pandas

        try:
            metagene = self.table("metagene")
        except InputError:  # a study of before that table
            metagene = None
        names = {feature: note.name for feature, note in read_notes(self.folder).items()}
        catalog, tracks, associations = map(self.table, ("catalog", "tracks", "associations"))
        return label_features(catalog, tracks, associations, metagene, names)

    def _with_verdicts(self, catalog: pd.DataFrame) -> pd.DataFrame:
        """The catalog with each feature's verdict on its best track as the table of tracks has it."""
        import pandas as pd  # heavy itself

        tracks = self.table("tracks")
        key = ["feature", "track", "mode"]
        if not set(key) <= set(tracks):
            return catalog
        words = tracks.drop_duplicates(key).set_index(key)["verdict"]
        best = pd.MultiIndex.from_frame(catalog[["feature", "best_track", "best_mode"]])
        return catalog.assign(verdict=words.reindex(best).fillna("").to_numpy())

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table, atomically."""
        write_parquet(self.folder / "tables" / f"{name}.parquet", table)

    def facts(self, name: str) -> dict[str, Any]:
        """A JSON result by its name, one of ``results.FACTS``; ``InputError`` where it is not there."""
        path = self.folder / "tables" / f"{name}.json"
        self._require(path, "facts", name, FACTS)
        return read_facts(path)

    def _require(self, path: Path, kind: str, name: str, known: Mapping[str, str]) -> None:
        """Raise ``InputError`` where a result is not there, or nothing has its name."""
        if path.exists():
            return
        if name not in known:
            raise InputError(f"{self.folder}: no {kind} {name!r}; expected one of {', '.join(known)}")
        raise InputError(
            f"{self.folder}: no {kind} {name} yet, which stage {known[name]} leaves; run `workbench run"
            f" {self.folder}`"
        )

    def write_facts(self, name: str, values: dict[str, Any]) -> None:
        """Write a JSON result, atomically."""
        write_facts(self.folder / "tables" / f"{name}.json", values)

    def clear(self, names: Sequence[str]) -> None:
        """Remove outputs, files or folders, by name."""
        for name in names:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _whole_name(model: str) -> str:
    """A model's name, the path of ``file:PATH`` and ``hf:FOLDER`` written out from the root."""
    kind, sign, place = model.partition(":")
    if sign and kind in ("file", "hf") and expanded(place).exists():
        return f"{kind}:{expanded(place).resolve()}"
    return model


def _existing(path: str) -> str:
    if path and not expanded(path).exists():
        raise InputError(f"{path}: no such file; expected an existing path")
    return str(expanded(path).resolve()) if path else path
