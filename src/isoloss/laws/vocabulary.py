"""The size of the vocabulary as a resource of its own."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, A, B
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

VOCABULARY = library_law(
    name="vocabulary",
    formula="A/N**alpha + F/params_vocabulary**phi + B/D**beta - G",
    title="Vocabulary parameters beside the others, for a loss that vocabularies share",
    reference="Tao et al. 2024, arXiv:2407.13623, approach 3; the form as in approach3_isoloss.py"
    " of github.com/sail-sg/scaling-with-vocab",
    parameters=(
        A,
        ALPHA,
        Parameter("F", 1e-9, 1e18, (0.05, 5.0), "size of the part that vocabulary removes"),
        Parameter("phi", 1e-3, 3.0, (0.05, 1.0), "how fast vocabulary parameters remove loss"),
        B,
        BETA,
        Parameter("G", 0.0, 1e3, (1.0, 8.0), "how far below a unigram model the loss can go"),
    ),
    variables={
        "N": "parameters without those of the vocabulary",
        "params_vocabulary": "vocabulary size times embedding width",
        "D": "training tokens",
    },
    target="metric_unigram_normalized_loss",
    note="The loss is that of a unigram model of the same vocabulary taken away (negative, so fit"
    " it with raw residuals); losses per token of different vocabularies cannot be compared."
    " Tie alpha to beta, as the paper does: runs of 33M to 1.1B do not tell the two apart. A"
    " larger vocabulary makes fewer tokens of the same text, so compare at equal text. The"
    " published constants are left out: they belong to a D that their script computes from the"
    " vocabulary in thousands, 2.6 to 3 times the tokens.",
    evidence="the points of arXiv:2407.13623: the optimum of their script with its own D, and the"
    " largest vocabulary predicted from the smaller ones",
)
