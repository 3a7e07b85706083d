"""Distillation: the loss of a student that learns from a teacher."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, A, B
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

DISTILLATION = library_law(
    name="distillation",
    formula="meta_teacher_loss + (A/N**alpha + B/D**beta)**gamma/meta_teacher_loss**c0"
    "*(1 + (meta_teacher_loss/(d1*meta_supervised_loss))**(1/f1))**(-c1*f1)",
    title="Student loss from the teacher's loss, student size and distillation data",
    reference="Busbridge et al. 2025, arXiv:2502.08606, the distillation law",
    parameters=(
        A,
        ALPHA,
        B,
        BETA,
        Parameter("gamma", 0.02, 5.0, (0.3, 1.5), "curvature of the student's own term"),
        Parameter("c0", -10.0, 10.0, (0.1, 3.0), "how a worse teacher shrinks that term"),
        Parameter("c1", 1e-3, 1e4, (0.5, 10.0), "how fast a teacher too good for it adds to it"),
        Parameter("d1", 1e-2, 1e2, (0.5, 2.0), "teacher over student loss at the turn"),
        Parameter("f1", 1e-3, 10.0, (0.1, 1.0), "width of the turn"),
    ),
    variables={
        "N": "parameters of the student without embeddings",
        "D": "tokens of the distillation",
        "meta_teacher_loss": "cross-entropy of the teacher on the same text",
        "meta_supervised_loss": "loss of such a student trained on D tokens without a teacher",
    },
    note="Unverified and without constants: no table here has such runs, and no source read here"
    " prints them. The supervised loss is that of a law of its own (the paper's is of the form"
    " of `skaling`): fit it to runs without a teacher and put its predictions into the column."
    " A teacher far better than the student makes it worse, not better: c1, d1 and f1 say from"
    " where on, and need runs on both sides.",
)
