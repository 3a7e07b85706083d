"""No code of a task runs: what lm-eval would execute is refused before, or while, it is loaded.

A task is a YAML file. lm-eval (read in 0.4.13) executes from it: `!function module.name`, Python
beside the file (`tasks/_yaml_loader.py`); Jinja templates in an environment without a sandbox
(`utils.env`); metrics that it does not know by `evaluate.load`, which runs a script from the hub
or a folder (`api/registry.py`); and, if told so, what a model wrote (`unsafe_code`). The tasks
that lm-eval itself ships are code that the user installed; files elsewhere are data.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import yaml

from isoloss.errors import DataError, EnvironmentProblem, UsageError

_PLAIN = "tag:yaml.org,2002:"
_NO_CODE = "isoloss runs no code of a task. Write it with templates and lm-eval's own metrics."


def refuse_code(path: Path, installed: Path) -> None:
    """Refuse a task's file, or one that it includes, with anything but plain values.

    Args:
        path: of the YAML file.
        installed: the folder of lm-eval's own tasks, which are trusted; not where another file
            includes them and may change what they say.

    Raises:
        UsageError: it names code; DataError: it is no YAML.
    """
    waiting, seen = [path.expanduser().resolve()], set[Path]()
    if waiting[0].is_relative_to(installed):
        return
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        values = _plain_values(file)
        included = values.get("include", [])
        others = included if isinstance(included, list) else [included]
        waiting += [(file.parent / str(other)).resolve() for other in others]


def _plain_values(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            tag = getattr(event, "tag", None)
            if tag is not None and tag != "!" and not _is_plain(tag):
                raise UsageError(
                    f"{file}, line {event.start_mark.line + 1}: {tag!r} would run Python",
                    hint=_NO_CODE,
                )
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    except (yaml.YAMLError, RecursionError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: not YAML ({first})") from error
    return values if isinstance(values, dict) else {}


def _is_plain(tag: str) -> bool:
    return tag.startswith(_PLAIN) and "/" not in tag.removeprefix(_PLAIN)


@contextmanager
def guarded() -> Iterator[None]:
    """lm-eval with sandboxed templates, without metrics of the hub, in one process.

    Also the seeds that its own `simple_evaluate` sets, since a few tasks draw examples while they
    are loaded; the generators are put back afterwards.

    Raises:
        EnvironmentProblem: a version that is built otherwise, so that it cannot be guarded.
    """
    import datasets
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment
    from lm_eval import utils  # pyright: ignore[reportMissingImports]
    from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED  # pyright: ignore[reportMissingImports]

    plain = getattr(utils, "env", None)
    if not isinstance(plain, jinja2.Environment):
        raise EnvironmentProblem(
            "this version of lm-eval has its templates elsewhere than isoloss can guard them",
            hint="pip install 'lm-eval==0.4.13'",
        )
    if int(datasets.__version__.split(".")[0]) < 4:
        raise EnvironmentProblem(
            f"datasets {datasets.__version__} may run scripts of a data set",
            hint="pip install 'datasets>=4'",
        )
    safe = SandboxedEnvironment(
        undefined=plain.undefined, keep_trailing_newline=plain.keep_trailing_newline
    )
    safe.filters.update(plain.filters)
    states = random.getstate(), np.random.get_state()
    parallel = os.environ.get("DISABLE_MULTIPROC")
    utils.env = safe
    random.seed(DEFAULT_RANDOM_SEED)
    np.random.seed(DEFAULT_OTHER_SEED)
    os.environ["DISABLE_MULTIPROC"] = "1"  # forking a process with PyTorch's threads may hang
    try:
        with _no_metrics_loaded():
            yield
    finally:
        utils.env = plain
        random.setstate(states[0])
        np.random.set_state(states[1])
        if parallel is None:
            del os.environ["DISABLE_MULTIPROC"]
        else:
            os.environ["DISABLE_MULTIPROC"] = parallel


@contextmanager
def _no_metrics_loaded() -> Iterator[None]:
    """`evaluate.load` refuses, also where somebody holds the module already.

    Where nobody does, a module with nothing else stands in its place: the real one takes seconds
    to import, and nothing of it may be used.
    """
    real = sys.modules.get("evaluate")
    module: Any = ModuleType("evaluate") if real is None else real
    load = getattr(module, "load", None)
    module.load = _refuse_metric
    sys.modules["evaluate"] = module
    try:
        yield
    finally:
        if real is None:  # who holds the other one is refused for good
            sys.modules.pop("evaluate", None)
        else:
            module.load = load


def _refuse_metric(path: str, *_: object, **__: object) -> NoReturn:
    raise UsageError(f"the metric {path!r} is code of the hub or of a folder", hint=_NO_CODE)


def refuse_settings(name: str, config: object) -> None:
    """Refuse a task or group whose settings, however deep, say that code runs.

    Raises:
        UsageError: it runs what a model wrote, or reads a pickle.
    """
    waiting, seen = [config], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen or not isinstance(value, (dict, list)):
            continue  # YAML may refer to a value from within it
        seen.add(id(value))
        if isinstance(value, list):
            waiting += value
            continue
        waiting += value.values()
        if value.get("unsafe_code"):
            raise UsageError(
                f"{name} runs code that the model writes",
                hint="lm-eval would run it without isolation; isoloss does not.",
            )
        if value.get("dataset_path") == "pandas":
            raise UsageError(f"{name} reads a pickle, which may run code", hint="Use JSON Lines.")


def refuse_without_data(name: str, entry: Any) -> None:
    """Refuse a task that could not be loaded since its file does not say where its examples are.

    Raises:
        DataError: it says neither in its file nor in one that it includes.
    """
    config = entry.cfg
    if entry.kind.name != "TASK" or not isinstance(config, dict):
        return
    if config.get("dataset_path") is None and config.get("custom_dataset") is None:
        raise DataError(
            f"{entry.yaml_path}: dataset_path is missing, so that {name} has no examples",
            hint="Files of your own: `dataset_path: json` and `dataset_kwargs: {data_files: …}`.",
        )


def refuse_unfit(name: str, task: Any) -> None:
    """Refuse a task that was loaded and cannot be scored here.

    Raises:
        UsageError: it wants pictures or sound, or a metric that lm-eval does not have.
    """
    if getattr(task, "MULTIMODAL", False):
        raise UsageError(f"{name} asks about pictures or sound", hint="Choose a task of text.")
    metrics = getattr(task, "_metric_fn_list", {})
    missing = [metric for metric, function in metrics.items() if function is None]
    if missing and getattr(task.config, "process_results", None) is None:
        raise UsageError(f"{name}: {missing[0]!r} is no metric of lm-eval", hint=_NO_CODE)
