"""The README.md of an exported plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isoloss.architecture.hub_configs import hub_family
from isoloss.planning.export.job import Job
from isoloss.planning.export.names import known_names

_NAMES = {
    "hf": "Hugging Face transformers",
    "nemo": "NeMo 2",
    "megatron": "Megatron-LM",
    "torchtitan": "torchtitan",
}
_SOURCES = {"hf": "transformers"}
_STARTS = {
    "nemo": """`recipe.yaml` is a recipe as NeMo-Run reads it:

```bash
nemo llm pretrain --factory @recipe.yaml
```
""",
    "megatron": """```bash
MEGATRON=… DATA_PATH=… TOKENIZER=… CHECKPOINTS=… ./train.sh
```
""",
    "torchtitan": """From this folder, with torchtitan {version} installed:

```bash
PYTHONPATH=. torchrun --nproc-per-node {devices} -m torchtitan.train \\
    --job.config_file job.toml
```

`isoloss_flavor.py` is imported by torchtitan (`[experimental] custom_import`) and registers the
model.
""",
}
_HUB_START = """```python
import json, transformers

config = transformers.AutoConfig.from_pretrained(".")
model = transformers.{auto_class}.from_config(config)  # random first values
arguments = transformers.TrainingArguments(**json.load(open("training_args.json")))
trainer = transformers.Trainer(model, arguments, train_dataset=...)  # TODO: your tokens
```

A row of the dataset is {row:,} tokens of the tokenizer that the plan's runs had
({vocabulary:,} entries).
"""


def readme_text(target: str, job: Job, parameters: Mapping[str, int], notes: Sequence[str]) -> str:
    """What is in the folder, what is not, how to start, and where each number comes from."""
    source = known_names()[_SOURCES.get(target, target)]
    n = parameters.get(job.n_convention, parameters["params_total"])
    lines = [
        f"# A plan for {_NAMES[target]}",
        "",
        f"{job.title}. **There are no weights in this folder**: it is the recipe of a run that"
        " starts from random values.",
        "",
        "| parameters | |",
        "|---|---:|",
        *(f"| `{name}` | {value:,} |" for name, value in parameters.items()),
        "",
        f"The plan asks for {job.asked:.6g} ({job.n_convention}); this is {n / job.asked - 1:+.2%}"
        " from it.",
        "",
        "## Start",
        "",
        _start(target, job),
        "## To know",
        "",
        *(f"* {note}" for note in notes),
        f"* names were checked against {source['repository']} {source['version']}"
        + (f" ({source['commit'][:12]})" if source.get("commit") else ""),
        "",
        "## The recipe",
        "",
        "| figure | value | why |",
        "|---|---|---|",
        *(f"| {name} | {said} | {why} |" for name, said, why in job.recipe.rows()),
        "",
        *(f"* {caveat}" for caveat in job.recipe.caveats),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _start(target: str, job: Job) -> str:
    if target == "hf":
        return _HUB_START.format(
            auto_class=hub_family(job.config).auto_class,
            row=job.recipe.context_length,
            vocabulary=job.config.vocab_size,
        )
    version = known_names()[target]["version"]
    return _STARTS[target].format(version=version, devices=job.degrees.devices)
