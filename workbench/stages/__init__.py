"""The steps of a study, one module a stage; ``registry.STAGES`` holds them in the order of ``NAMES``."""

# Stages in the order in which they run, known without what they import.
NAMES = (
    *("plan", "cohort", "haplotypes", "sae", "layers", "quality", "encode", "annotate", "overlaps"),
    *("associate", "baselines", "pick", "copies", "controls", "concepts", "audit", "catalog"),
    *("unexplained", "burdens", "phenotype", "predict", "biomarkers", "report"),
)
# Those of them that a study without samples passes over.
OF_SAMPLES = ("cohort", "haplotypes", "burdens", "phenotype", "predict", "biomarkers")
