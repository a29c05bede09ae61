"""The predictors that are compared, as scikit-learn pipelines: everything they choose, they choose inside."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

# Columns that the first screen lets through.
MOST = 200


@dataclass(frozen=True)
class Predictors:
    """A named set of columns to predict from.

    Attributes
    ----------
    name : str
        As it appears in tables: "covariates", "lineage", "variants", "features", "catalogue".
    values : float (n_samples, k)
        NaN is filled with the training part's mean.
    """

    name: str
    values: np.ndarray


def pipeline(columns: int, binary: bool, seed: int = 0) -> Pipeline:
    """Imputation, screen, scaling and an elastic net; fitted to a training part alone.

    Parameters
    ----------
    columns : int
        Of the predictors.
    binary : bool
        Logistic regression, else least squares.
    """
    steps = [("impute", SimpleImputer(keep_empty_features=True)), ("vary", VarianceThreshold())]
    if columns > MOST:
        steps.append(("screen", SelectKBest(f_classif if binary else f_regression, k=MOST)))
    steps.append(("scale", StandardScaler()))
    if binary:
        model = LogisticRegression(solver="saga", l1_ratio=0.5, tol=1e-3, max_iter=100, random_state=seed)
    else:
        model = ElasticNet(alpha=0.1, l1_ratio=0.5, random_state=seed)
    return Pipeline([*steps, ("model", model)])


# Penalties tried, for binary and quantitative traits.
GRIDS = {True: {"model__C": [0.01, 0.1, 1.0]}, False: {"model__alpha": [0.01, 0.1, 1.0]}}


def fit(
    x: np.ndarray, y: np.ndarray, inner: list[tuple[np.ndarray, np.ndarray]], binary: bool, seed: int = 0
) -> Pipeline | None:
    """A pipeline fitted to samples, its penalty chosen on `inner` folds; None where nothing varies."""
    if not _varying(x):
        return None
    model = pipeline(_varying(x), binary, seed)
    scoring = "neg_log_loss" if binary else "neg_mean_squared_error"
    with warnings.catch_warnings():
        # saga stops at 100 rounds on separable data: the penalty, not the last digit, decides there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if inner:
            search = GridSearchCV(model, GRIDS[binary], scoring=scoring, cv=_usable(inner, x))
            return search.fit(x, y).best_estimator_
        return model.fit(x, y)


def fit_predict(
    predictors: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    inner: list[tuple[np.ndarray, np.ndarray]],
    binary: bool,
    seed: int = 0,
) -> np.ndarray:
    """Fit to `train`, penalties chosen on `inner` folds of it, and predict `test`.

    Returns
    -------
    float64 (n_test,)
        Probability of being a case, or the predicted value. Columns that are all constant in training
        leave the training part's mean.
    """
    model = fit(predictors[train], y[train], inner, binary, seed)
    if model is None:
        return np.full(len(test), y[train].mean())
    if binary:
        probability: np.ndarray = model.predict_proba(predictors[test])[:, 1]
        return probability
    predicted: np.ndarray = model.predict(predictors[test])
    return predicted


class Line(NamedTuple):
    """A fitted pipeline as what it is, a sum over columns: log-odds of being a case, or the trait itself.

    intercept; coefficients : float64 (k,), 0 of columns that it does not use
    fill : float64 (k,), what stands for a missing value
    """

    intercept: float
    coefficients: np.ndarray
    fill: np.ndarray

    def parts(self, values: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """What each column adds beyond its reference, float64 (n, k)."""
        return (np.where(np.isnan(values), self.fill, values) - reference) * self.coefficients


def as_line(model: Pipeline) -> Line:
    """The sum over columns that a fitted pipeline predicts by."""
    steps = dict(model.steps)
    fill = steps["impute"].statistics_.astype(np.float64)
    kept = np.arange(len(fill))
    for name in ("vary", "screen"):
        if name in steps:
            kept = kept[steps[name].get_support()]
    scale = steps["scale"]
    own = np.ravel(steps["model"].coef_) / scale.scale_
    coefficients = np.zeros(len(fill))
    coefficients[kept] = own
    return Line(float(np.ravel(steps["model"].intercept_)[0] - own @ scale.mean_), coefficients, fill)


def _varying(x: np.ndarray) -> int:
    if not x.size:
        return 0
    return int((np.nanmax(x, axis=0) > np.nanmin(x, axis=0)).sum())


def _usable(inner: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner folds in whose training part some column varies; all of `x` as one fold if there is none."""
    kept = [(a, b) for a, b in inner if _varying(x[a])]
    everything = np.arange(len(x))
    return kept or [(everything, everything)]
