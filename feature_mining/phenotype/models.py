"""The predictors that are compared, as scikit-learn pipelines: everything they choose, they choose inside."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

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
    x, target = predictors[train], y[train]
    if x.shape[1] == 0 or not (np.nanmax(x, axis=0) > np.nanmin(x, axis=0)).any():
        return np.full(len(test), target.mean())
    model = pipeline(_varying(x), binary, seed)
    scoring = "neg_log_loss" if binary else "neg_mean_squared_error"
    with warnings.catch_warnings():
        # saga stops at 100 rounds on separable data: the penalty, not the last digit, decides there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if inner:
            search = GridSearchCV(model, GRIDS[binary], scoring=scoring, cv=_usable(inner, x))
            model = search.fit(x, target).best_estimator_
        else:
            model = model.fit(x, target)
    if binary:
        probability: np.ndarray = model.predict_proba(predictors[test])[:, 1]
        return probability
    predicted: np.ndarray = model.predict(predictors[test])
    return predicted


def _varying(x: np.ndarray) -> int:
    return int((np.nanmax(x, axis=0) > np.nanmin(x, axis=0)).sum())


def _usable(inner: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner folds in whose training part some column varies; all of `x` as one fold if there is none."""
    kept = [(a, b) for a, b in inner if _varying(x[a])]
    everything = np.arange(len(x))
    return kept or [(everything, everything)]
