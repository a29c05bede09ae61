"""A study: a folder that holds what was asked, what it was made from, and what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.atomic import write_atomic
from workbench.config import COHORT_FILES, StudyConfig, read_config, write_config
from workbench.errors import InputError
from workbench.ledger import Ledger
from workbench.manifest import Manifest, hash_file, refuse_difference

if TYPE_CHECKING:
    from feature_mining.sae.calibrate import Calibration
    from feature_mining.sae.config import SAEConfig
    from feature_mining.sae.model import SparseAutoencoder
    from genomic_models import DNAModel
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.store import BurdenStore
    from workbench.feature_store import FeatureStore
    from workbench.genome import Genome
    from workbench.progress import Progress
    from workbench.replichores import Replichores
    from workbench.splits import Split
    from workbench.tracks import Track
    from workbench.windows import Grid

CONFIG = "study.toml"
MANIFEST = "manifest.json"


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
    """

    def __init__(self, folder: Path, config: StudyConfig) -> None:
        self.folder = folder
        self.config = config
        self.ledger = Ledger(folder / "ledger")
        self._batch = config.windows.batch

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Open an existing study. Raises ``InputError`` where there is none or its file is wrong."""
        path = Path(folder).resolve()
        return cls(path, read_config(path / CONFIG))

    @classmethod
    def create(cls, folder: str | Path, config: StudyConfig) -> Study:
        """Make a new study folder; refuses one that already holds a study.

        Paths of inputs are stored absolute. Raises ``InputError`` for a path that is not there.
        """
        path = Path(folder).resolve()
        if (path / CONFIG).exists():
            raise InputError(
                f"{path}: holds a study already; run it with `workbench run {path}`, or choose another"
                " folder"
            )
        given = config.input
        absolute = replace(
            given,
            genome=_existing(given.genome),
            tracks=[_existing(t) for t in given.tracks],
            regions=_existing(given.regions) if given.regions else "",
        )
        files: dict[str, Any] = {
            key: _existing(getattr(config.cohort, key)) for key in COHORT_FILES
        }
        config = replace(config, input=absolute, cohort=replace(config.cohort, **files))
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
        from workbench.engines.local import here, processes, run

        run(self, processes(workers) if workers > 1 else here, until, force, progress)

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
            from workbench.batching import fitting_batch

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
        self.__dict__.pop("manifest", None)

    def unlock(self) -> None:
        """Forget the manifest, so that the study is planned anew."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for name in (
            "manifest",
            "genome",
            "tracks",
            "model",
            "sae",
            "calibration",
            "split",
            "grid",
            "cohort",
        ):
            self.__dict__.pop(name, None)

    def verify(self) -> None:
        """Compare settings, input files and model with the manifest; ``InputError`` on a difference."""
        manifest, config = self.manifest, self.config
        now = {
            "model name": (manifest.model["name"], config.model.name),
            "model dtype": (manifest.model["dtype"], config.model.dtype),
            "window": (manifest.windows["window"], config.windows.window),
            "warmup": (manifest.windows["warmup"], config.windows.warmup),
            "seed": (manifest.seeds["seed"], config.run.seed),
        }
        if config.model.layer:
            now["layer"] = (manifest.model["layer"], config.model.layer)
        for what, (locked, found) in now.items():
            refuse_difference(what, locked, found, self.folder)
        named = {"genome": config.input.genome} | {f"track:{t}": t for t in config.input.tracks}
        if config.input.regions:
            named["regions"] = config.input.regions
        refuse_difference("list of inputs", sorted(manifest.inputs), sorted(named), self.folder)
        for what, path in named.items():
            found = hash_file(self.resolve(path)).sha256
            refuse_difference(
                f"input file {path}", manifest.inputs[what]["sha256"], found, self.folder
            )
        refuse_difference(
            "weights hash of the model",
            manifest.model["weights_hash"],
            self.model.weights_hash,
            self.folder,
        )

    def resolve(self, path: str) -> Path:
        """A path of ``study.toml``, relative ones taken from the study folder."""
        return (self.folder / path).resolve()

    # -- inputs -------------------------------------------------------------------------------

    @cached_property
    def genome(self) -> Genome:
        """The reference sequence."""
        from workbench.genome import Genome

        circular = self.manifest.circular if self.planned else self.config.input.circular
        path = self.resolve(self.config.input.genome)
        return Genome(path, circular=circular, cache=self.folder / "cache")

    @cached_property
    def tracks(self) -> list[Track]:
        """Annotation, names mapped to the genome's, derived tracks included."""
        from workbench.stages.plan import read_study_tracks

        return read_study_tracks(self)

    @cached_property
    def model(self) -> DNAModel:
        """The probed model."""
        return self.load_model(self.config.model.device)

    def load_model(self, device: str) -> DNAModel:
        """The probed model, loaded to a device."""
        from genomic_models import load

        m = self.config.model
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
        return str(self.manifest.model["layer"])

    @cached_property
    def grid(self) -> Grid:
        """How contigs are cut into cells."""
        from workbench.windows import Grid

        return Grid(self.config.windows.window, self.config.windows.warmup)

    @cached_property
    def cohort(self) -> Cohort:
        """Samples with phenotypes, covariates and groups, in the order of the variants."""
        from workbench.cohort.source import read_study_cohort

        return read_study_cohort(self)[0]

    @cached_property
    def replichores(self) -> dict[str, Replichores]:
        """Origin and terminus of circular contigs, annotated or read from GC skew."""
        from workbench.replichores import find_replichores

        return find_replichores(self)

    @cached_property
    def split(self) -> Split:
        """Which bases are for training, choosing and reporting."""
        from workbench.splits import Split

        return Split(pd.DataFrame(self.manifest.split))

    # -- outputs ------------------------------------------------------------------------------

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The trained autoencoder; refused if it was trained on another model or layer."""
        from feature_mining.sae.model import SparseAutoencoder

        _ = self.sae_config  # refuses one of another model
        try:
            return SparseAutoencoder.load(self.folder / "sae")
        except (ValueError, OSError) as error:
            raise InputError(f"{error}; train it again with --force sae") from error

    @cached_property
    def sae_config(self) -> SAEConfig:
        """What the autoencoder is, read without PyTorch; refused as ``sae`` is."""
        from feature_mining.sae.config import CONFIG_FILE, read_config

        try:
            config, _ = read_config(self.folder / "sae" / CONFIG_FILE)
        except (ValueError, OSError) as error:
            raise InputError(f"{error}; train it again with --force sae") from error
        made_with = (config.model, config.layer, config.weights_hash)
        model = self.manifest.model
        expected = (model["name"], model["layer"], model["weights_hash"])
        refuse_difference("the autoencoder in sae/", expected, made_with, self.folder)
        return config

    @cached_property
    def sae_hash(self) -> str:
        """Hash that the autoencoder's weights were saved with."""
        from feature_mining.sae.config import WEIGHTS_FILE, read_hash

        try:
            return read_hash(self.folder / "sae" / WEIGHTS_FILE) or self.sae.hash
        except ValueError as error:
            raise InputError(f"{error}; train it again with --force sae") from error

    @cached_property
    def calibration(self) -> Calibration:
        """What the autoencoder's features look like on the calibration sample."""
        from feature_mining.sae.calibrate import Calibration

        return Calibration.load(self.folder / "sae")

    @property
    def features(self) -> FeatureStore:
        """Feature maps on genome coordinates."""
        from workbench.feature_store import FeatureStore, Origin, shard_path

        folder = self.folder / "features"
        shards = [
            (shard_path(folder, s["chrom"], i), s["chrom"], s["start"], s["end"])
            for i, s in enumerate(self.manifest.shards)
        ]
        model = self.manifest.model
        return FeatureStore(shards, Origin(model["weights_hash"], self.layer, self.sae_hash))

    @property
    def burdens(self) -> BurdenStore:
        """Burdens of every region, features x unique haplotypes."""
        from workbench.cohort.burdens import open_burdens

        return open_burdens(self)

    def table(self, name: str) -> pd.DataFrame:
        """A table by name (``associations``, ``tracks``, ``catalog``, ``examples``)."""
        path = self.folder / "tables" / f"{name}.parquet"
        if not path.exists():
            raise InputError(
                f"{self.folder}: no table {name} yet; run `workbench run {self.folder}`"
            )
        return pd.read_parquet(path)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table, atomically."""
        path = self.folder / "tables" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        with write_atomic(path) as temporary:
            table.to_parquet(temporary, index=False)

    def facts(self, name: str) -> dict[str, Any]:
        """A JSON result by name (``quality``, ``training``)."""
        path = self.folder / "tables" / f"{name}.json"
        if not path.exists():
            raise InputError(f"{self.folder}: no {name} yet; run `workbench run {self.folder}`")
        values: dict[str, Any] = json.loads(path.read_text())
        return values

    def write_facts(self, name: str, values: dict[str, Any]) -> None:
        """Write a JSON result, atomically."""
        path = self.folder / "tables" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1, sort_keys=True))

    def clear(self, names: Sequence[str]) -> None:
        """Remove outputs, files or folders, by name."""
        for name in names:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _existing(path: str) -> str:
    if path and not Path(path).expanduser().exists():
        raise InputError(f"{path}: no such file; expected an existing path")
    return str(Path(path).expanduser().resolve()) if path else path
