"""From the loss to what a model can do, or to its loss on another text."""

from __future__ import annotations

from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_LOSS = {"loss": "of the language model, or of the task's own text"}

ACCURACY = library_law(
    name="accuracy_sigmoid",
    formula="floor + (top - floor)*(1 - tanh(k*(loss - middle)/2))/2",
    title="Accuracy as a sigmoid of the loss",
    reference="Bhagia et al. 2024, arXiv:2412.04403, step 2: a/(1 + exp(-k (L - L0))) + b, with"
    " a = floor - top and b = top",
    parameters=(
        Parameter("floor", -1.0, 1.0, (0.0, 0.6), "accuracy of a bad model, often chance"),
        Parameter("top", 0.0, 1.0, (0.5, 1.0), "accuracy of the best that there can be"),
        Parameter("k", 1e-2, 1e3, (0.5, 20.0), "steepness: (top - floor) k/4 in the middle"),
        Parameter("middle", -10.0, 20.0, (0.2, 4.0), "loss halfway between the two"),
    ),
    variables=_LOSS,
    target="metric_accuracy",
    note="Fit it with raw residuals. Runs on one side of the middle do not say where the other"
    " end lies: fix `top` at 1, or `floor` at chance, where you know it. A task's own loss"
    " (bits per byte of the right answer) serves far better than that of general text.",
    evidence="OLMo's ladder, two chained steps: accuracies of 13B-5T from runs up to 1.3B; with"
    " top = 1 a mean error of 5.4% over seven tasks (published: 6.8%)",
)

ERROR = library_law(
    name="error_exponential",
    formula="eps - k*exp(-gamma*loss)",
    title="Mean error over tasks as an exponential of the loss",
    reference="Gadre et al. 2024, arXiv:2403.08540, the law of downstream error",
    parameters=(
        Parameter("eps", 1e-3, 1.0, (0.5, 1.0), "error of a model that knows nothing"),
        Parameter("k", 1e-6, 1e6, (0.3, 10.0), "how far the error falls where the loss is 0"),
        Parameter("gamma", 1e-3, 20.0, (0.2, 2.0), "how fast it rises to eps"),
    ),
    variables=_LOSS,
    target="metric_error",
    note="For means over many tasks; one task's error jumps about. Below a loss of"
    " log(k/eps)/gamma it is negative.",
    evidence="the runs of arXiv:2403.08540, RedPajama: its constants and held-out errors, 3.64%"
    " (1.4B at M = 640) and .05% (6.9B at M = 20)",
    constants={
        "Gadre et al. 2024, 17 tasks, RedPajama": {"eps": 0.8570, "k": 2.2065, "gamma": 0.7146},
    },
)

LOSS_TO_LOSS = library_law(
    name="loss_to_loss",
    formula="E + K*(loss - S)**kappa",
    title="Loss on one text from the loss on another",
    reference="Brandfonbrener et al. 2024, arXiv:2411.12925: a power law shifted on both axes",
    parameters=(
        Parameter("E", 0.0, 1e3, (0.2, 2.0), "loss that is left where the other has none to lose"),
        Parameter("K", 1e-6, 1e6, (0.3, 3.0), "its gain over the other's where that is 1"),
        Parameter("S", 0.0, 1e3, (0.0, 1.0), "least loss on the text that is known"),
        Parameter("kappa", 1e-2, 20.0, (0.5, 2.0), "1 is a straight line"),
    ),
    variables={"loss": "on the text that is known"},
    target="metric_loss",
    note="Carries a law of one corpus over to another from a few pairs of runs. E and S trade off"
    " against each other in the narrow range that most ladders cover, and the further"
    " extrapolation hangs on them: read the identifiability check.",
    evidence="OLMo's ladder: the Pile loss of 7B-4T and 13B-5T from their C4 loss, up to 3.3% off"
    " (a straight line: 7.8%)",
)
