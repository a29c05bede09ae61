"""Edits of features turned into the fewest changes of bases, beside other ways to choose them.

The plan is put at every place; changes are looked for with the gradient, with every substitution read, by
likelihood alone, and drawn at random. The share of the plan's effect that each brings about in the unedited
model is compared at the number of changes that the compiled set has.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.edits.plan import EditPlan
from feature_mining.painting.compiler import LEAST, Changes, Locus, compile_plan, put_at
from feature_mining.painting.rivals import change_at_random, change_by_likelihood, change_greedily
from genomic_models.contract import ModelError
from genomic_models.dna import BASES, reverse_complement
from workbench.errors import InputError
from workbench.experiments.canvases import Canvas, choose_canvases
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.response import DRAWS, TAIL, win_rate
from workbench.experiments.settings import CompileSettings
from workbench.experiments.strokes import parse_canvas
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard, shards_of

# Places a shard.
TOGETHER = 10
COMPILED = "compiled"
RIVALS = ("greedy", "random", "likelihood")


def _plan(experiment: Experiment) -> EditPlan:
    study = experiment.study
    try:
        plan = EditPlan.from_json(experiment.settings.plan)
        plan.check(study.manifest.model.weights_hash, {study.layer: study.sae_hash})
    except ValueError as error:
        raise InputError(f"compile: {error}") from None
    if not plan.edits:
        raise InputError("compile: the plan has no edit")
    width = study.sae_config.d_sae
    for edit in plan.edits:
        for feature in edit.features:
            if feature >= width:
                raise InputError(f"{edit}: the autoencoder has features 0 to {width - 1}")
    return plan


def _canvases(experiment: Experiment) -> list[Canvas]:
    study, given = experiment.study, experiment.settings
    if not given.at:
        return choose_canvases(study, given, given.bases)
    found = [parse_canvas(study, text, i, given.context) for i, text in enumerate(given.at)]
    for canvas in found:
        if not canvas.before or len(canvas.after) < given.window:
            raise InputError(
                f"compile: {canvas.place} has {len(canvas.before)} bases before and {len(canvas.after)} after"
                f" it: expected 1 or more, and {given.window}"
            )
    return found


def _shards(experiment: Experiment) -> list[Shard]:
    given, context = experiment.settings, experiment.study.model.context
    _plan(experiment)
    sizes = [len(canvas.sequence) for canvas in _canvases(experiment)]
    if given.most > min(sizes):
        raise InputError(
            f"compile: {given.most} changes of a place of {min(sizes)} bases; expected --most {min(sizes)} or"
            " fewer"
        )
    if given.window > given.context:
        raise InputError(
            f"compile: a window of {given.window} bases is more than the context of {given.context}"
        )
    if (longest := given.context + max(sizes) + given.window) > context:
        raise InputError(f"compile: {longest:,} bases are read; the model reads at most {context:,}")
    groups = np.array_split(np.arange(len(sizes)), max(1, round(len(sizes) / TOGETHER)))

    def size(task: list[int]) -> int:
        """About what is read: every substitution twice, random ones, and gradients."""
        reads = [(sizes[i], sizes[i] + given.window) for i in task]
        tried = sum(read * (6 * bases + given.draws) + 6 * (given.context + read) for bases, read in reads)
        return given.most * tried

    return shards_of([list(map(int, group)) for group in groups], size)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    canvases, plan = _canvases(experiment), _plan(experiment)
    rows: list[dict[str, object]] = []
    for number in shard.task:
        canvas = canvases[number]
        letters = canvas.before + canvas.sequence + canvas.after
        start = len(canvas.before)
        try:
            locus = Locus(
                study.model, letters, start, start + len(canvas.sequence), given.window, put_at(plan, start),
                {study.layer: study.dictionary},
            )  # fmt: skip
        except (ValueError, ModelError) as error:
            raise InputError(f"compile: {error}") from None
        about = {
            "locus": number, "place": str(canvas.place), "strand": canvas.strand, "effect": locus.effect,
            "tested": locus.effect >= LEAST,
        }  # fmt: skip
        found: list[tuple[str, list[Changes] | None, np.ndarray, int]] = []
        if locus.effect >= LEAST:
            compiled = compile_plan(locus, given.most)
            about["fewest"] = compiled.fewest
            found.append((COMPILED, list(compiled.steps), compiled.recovered, compiled.bases_read))
            for name, choose in (("greedy", change_greedily), ("likelihood", change_by_likelihood)):
                before = locus.bases_read
                found.append((name, *choose(locus, given.most), locus.bases_read - before))
            random = change_at_random(locus, given.most, given.draws, given.seed + number)
            found.append(("random", None, random, 0))
        for method, steps, shares, read in found or [(COMPILED, None, np.zeros(1), 0)]:
            for changes, share in enumerate(shares):
                named = "" if steps is None else _named(canvas, steps[changes], start)
                rows.append(
                    about
                    | {"method": method, "changes": changes, "share": share, "named": named, "read": read}
                )
        progress.advance(locus.bases_read)
    write_parquet(experiment.part(shard.index), pd.DataFrame(rows))
    return shard.size


def _named(canvas: Canvas, changes: Changes, start: int) -> str:
    """Changes as variants of the genome, CONTIG:POSITION:REF:ALT from 1, with commas between."""
    assert canvas.place is not None
    names = []
    for position, code in changes:
        alleles = canvas.sequence[position - start], BASES[code]
        if canvas.strand == "-":
            alleles = reverse_complement(alleles[0]), reverse_complement(alleles[1])
        names.append(f"{canvas.place.chrom}:{canvas.locate(position - start) + 1}:{alleles[0]}:{alleles[1]}")
    return ", ".join(names)


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.painting_page import write_compiled  # Altair, which no shard needs

    given = experiment.settings
    table = pd.concat(
        [read_parquet(experiment.part(i)) for i in range(len(_shards(experiment)))], ignore_index=True
    )
    shares = shares_by_number(table, given.seed)
    answer = summarise_places(table, given.seed)
    chosen = table[table["method"] == COMPILED]
    last = chosen["changes"] == chosen.get("fewest", pd.Series(0, chosen.index)).fillna(0)
    changes = chosen[last].drop_duplicates("locus")
    tables = {"compiled": table, "shares": shares}
    for name, each in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", each)
    changes = changes.rename(columns={"changes": "number", "named": "changes"})
    write_compiled(experiment, str(_plan(experiment)), shares, answer, changes)


def shares_by_number(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean share of the effect by method and number of changes over places tested, with 95 % intervals."""
    tested = table[table["tested"]]
    rows = []
    for method in dict.fromkeys(tested["method"]):
        own = tested[tested["method"] == method].pivot(index="locus", columns="changes", values="share")
        values = own.to_numpy()
        drawn = _drawn(len(values), seed)
        for column, number in enumerate(own.columns):
            low, high = np.quantile(values[drawn, column].mean(axis=1), [TAIL, 1 - TAIL])
            rows.append((method, number, values[:, column].mean(), np.median(values[:, column]), low, high))
    return pd.DataFrame(rows, columns=["method", "changes", "share", "median", "low", "high"])


def summarise_places(table: pd.DataFrame, seed: int) -> dict[str, object]:
    """What compiling gives over places, beside the rivals at the same number of changes.

    ``places, tested, changes`` (mean), ``compiled`` (mean share) with ``compiled_low, compiled_high`` (95 %
    over places), ``rivals`` (mean share by name), ``best_control, win_rate, win_low, win_high``: the share of
    places at which compiling gives more than the best rival, chosen again in every draw; ties count half.
    """
    answer: dict[str, object] = {"places": table["locus"].nunique(), "tested": 0}
    tested = table[table["tested"]]
    if tested.empty:
        return answer
    same = tested[tested["changes"] == tested["fewest"]]
    shares = same.pivot(index="locus", columns="method", values="share")
    ours, others = shares[COMPILED].to_numpy(), shares[list(RIVALS)].to_numpy().T
    drawn = _drawn(len(ours), seed)
    rate, best = win_rate(ours, others)
    rates = [win_rate(ours[chosen], others[:, chosen])[0] for chosen in drawn]
    low, high = np.quantile(ours[drawn].mean(axis=1), [TAIL, 1 - TAIL])
    win_low, win_high = np.nanquantile(rates, [TAIL, 1 - TAIL])
    return answer | {
        "tested": len(ours),
        "changes": float(same.drop_duplicates("locus")["fewest"].mean()),
        "compiled": float(ours.mean()),
        "compiled_low": float(low),
        "compiled_high": float(high),
        "rivals": {name: float(own.mean()) for name, own in zip(RIVALS, others, strict=True)},
        "best_control": RIVALS[best],
        "win_rate": rate,
        "win_low": float(win_low),
        "win_high": float(win_high),
    }


def _drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, count, (DRAWS, count))


KIND = Kind(
    name="compile",
    title="edits of features turned into changes of bases",
    settings=CompileSettings,
    needs=("catalog",),
    shards=_shards,
    run=_run,
    finish=_finish,
)
