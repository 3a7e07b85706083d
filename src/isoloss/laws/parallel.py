"""Parallel scaling: one model that reads its input along several learnt streams at once."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

PARALLEL = library_law(
    name="parallel",
    formula="E + (A/(N*(k*log(meta_streams) + 1)))**alpha",
    title="Parallel streams as a factor on parameters",
    reference="Chen et al. 2025, arXiv:2505.10475; the form as in parametric_fit.py of"
    " github.com/QwenLM/ParScale",
    parameters=(
        E,
        Parameter("A", 1e-12, 1e30, (1e-3, 1.0), "parameters at which the reducible loss is 1"),
        ALPHA,
        Parameter("k", 1e-4, 100.0, (0.05, 2.0), "what a stream is worth: N grows by k log P"),
    ),
    variables={
        "N": "parameters without embeddings",
        "meta_streams": "parallel streams P of training and inference; 1 is a plain model",
    },
    note="For one number of training tokens. P streams are worth k log P more parameters, at P"
    " times the inference compute but hardly more memory. Runs up to 8 streams do not say whether"
    " it stays logarithmic.",
    evidence="the 48 runs of arXiv:2505.10475: fitted to P <= 4, it predicts P = 8 within .3%",
)
