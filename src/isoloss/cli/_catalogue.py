"""The commands and their one-line helps, known without importing any of them."""

from __future__ import annotations

# A command's module is `isoloss.cli.<name>`, imported when the command is used.
COMMANDS: dict[str, dict[str, str]] = {
    "The whole loop": {
        "study": "Measure a scaling law on a text, predict a bigger run, train it, compare.",
        "ledger": "Show every prediction registered before its run, with the outcome.",
        "report": "Write the offline HTML page of a study.",
    },
    "Infer and decide": {
        "fit": "Fit a scaling law to a run table.",
        "compare": "Rank laws by their error on larger runs that were held out.",
        "predict": "Predict the loss of a run, or the best runs of many budgets.",
        "reproduce": "Make the published fits of a public run table again.",
        "plan": "Turn a budget or a target into parameters, tokens and a concrete shape.",
        "design": "Choose which runs to make next.",
        "export": "Write a plan as configs of another trainer, without weights.",
    },
    "Measure": {
        "corpus": "Prepare a corpus of texts or of pairs, or say what is in one.",
        "runs": "Show, check, import, validate and export run tables.",
        "train": "Train one model on a text.",
        "finetune": "Train a model on for a task or on a text, whole or by adapters.",
        "generate": "Generate text with a trained model.",
        "evaluate": "Score a trained model on a task, with intervals.",
        "model": "Count a model's weights; convert models to and from Hugging Face.",
    },
}

_EXAMPLES = (
    ("isoloss study", "the whole loop on this Python's own source text"),
    ("isoloss fit example", "fit the bundled runs"),
    ("isoloss plan example --flops 1e15", "what to train with that budget"),
    ("isoloss plan published:hoffmann --flops 1e20", "the same from a published law"),
)


def command_names() -> list[str]:
    """Every command's name, in the order of the help text."""
    return [name for group in COMMANDS.values() for name in group]


def help_text() -> str:
    """What `isoloss --help` prints, 80 columns wide."""
    lines = [
        "Usage: isoloss COMMAND [ARGUMENTS] [OPTIONS]",
        "",
        "  Which model, on how much data, for what loss, and how sure are we?",
    ]
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:<9} {text}" for name, text in group.items()]
    lines += ["", "Begin with:"]
    lines += [f"  {words:<45} {text}" for words, text in _EXAMPLES]
    lines += [
        "",
        "Options:",
        "  --help     Show this text; `isoloss COMMAND --help` shows a command's own.",
        "  --version  Show the version.",
        "",
        "Every command takes --json: one JSON document on stdout, everything else on",
        "stderr. Exit codes: 0 fine, 1 internal, 2 usage, 3 bad data, 4 the result is",
        "there but not to be trusted, 5 not found, 6 environment, 130 interrupted.",
    ]
    return "\n".join(lines)
