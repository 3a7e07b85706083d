"""Tasks by name: of a folder of task files, and of the thousands that lm-eval brings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError, IsolossError, NotFoundError, UsageError
from isoloss.tasks.harness.guarding import (
    refuse_code,
    refuse_settings,
    refuse_unfit,
    refuse_without_data,
)
from isoloss.tasks.harness.naming import refuse_unknown, refuse_unreadable, unknown

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]


def load_tasks(
    names: Sequence[str], include_path: Path | None, *, num_fewshot: int | None = None
) -> dict[str, Any]:
    """Tasks and groups as lm-eval's `evaluate` takes them.

    Args:
        names: of tasks, groups or tags.
        include_path: a folder with task files, which may replace lm-eval's own.
        num_fewshot: solved examples in each prompt; as each task says when None.

    Raises:
        NotFoundError: no such task or folder; UsageError: a task that runs code;
        DataError: lm-eval cannot load it.
    """
    manager, reached = _found(list(dict.fromkeys(names)), include_path)
    import lm_eval.tasks  # pyright: ignore[reportMissingImports]

    installed = Path(lm_eval.tasks.__file__).resolve().parent
    for name in reached:
        entry = manager.task_index[name]
        if entry.yaml_path is not None:
            refuse_code(Path(entry.yaml_path), installed)
        refuse_settings(name, entry.cfg)
    try:
        loaded: dict[str, Any] = dict(manager.load(list(dict.fromkeys(names))))
        for name, task in loaded["tasks"].items():
            refuse_unfit(name, task)
            _set_shots(task, num_fewshot)
    except IsolossError:
        raise
    except Exception as error:  # data sets, templates and files of others: anything may be wrong
        for name in reached:
            refuse_without_data(name, manager.task_index[name])
        raise DataError(
            f"lm-eval cannot load {', '.join(names)}: {told(error)}",
            hint="Check its file and its data; data of the hub need the network once.",
        ) from error
    return loaded


def told(error: BaseException) -> str:
    """An exception of somebody else's program in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]:.300}" if lines else type(error).__name__


def _set_shots(task: Any, num_fewshot: int | None) -> None:
    """As `simple_evaluate` does: a task that says 0 keeps it; the seed is the harness's."""
    from lm_eval.defaults import DEFAULT_OTHER_SEED  # pyright: ignore[reportMissingImports]

    said = task.get_config("num_fewshot")
    if said is None or (num_fewshot is not None and said != 0):
        task.set_config(key="num_fewshot", value=num_fewshot or 0)
    task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)


def _found(names: list[str], include_path: Path | None) -> tuple[TaskManager, list[str]]:
    """An index of tasks, and every entry of it that the names lead to.

    The folder alone where it has them all, and no list at all for a name that stands nowhere:
    parsing lm-eval's own 14,000 files takes seconds, or minutes on a busy machine.
    """
    import lm_eval.tasks  # pyright: ignore[reportMissingImports]
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

    if not names:
        raise UsageError("no task given", hint="Name one with --harness.")
    wanted, known = names, list[str]()
    if include_path is not None:
        if not include_path.is_dir():
            raise NotFoundError(f"{include_path}: no such folder", hint="Give a folder of tasks.")
        manager = TaskManager(include_path=[include_path], include_defaults=False)
        reached, missing = _reached(manager.task_index, names)
        if not missing:
            return manager, reached
        wanted, known = [name for name, needed in missing.items() if needed], manager.all_tasks
        refuse_unreadable(wanted, include_path)
    if wanted:
        installed = Path(lm_eval.tasks.__file__).resolve().parent
        refuse_unknown(wanted, known, include_path, installed)
    print("Reading the list of lm-eval's own tasks…", file=sys.stderr, flush=True)
    manager = TaskManager(include_path=None if include_path is None else [include_path])
    reached, missing = _reached(manager.task_index, names)
    lacking = [name for name, needed in missing.items() if needed]
    if lacking:
        raise unknown(lacking[0], manager.all_tasks, include_path)
    return manager, reached


def _reached(index: Mapping[str, Any], names: Sequence[str]) -> tuple[list[str], dict[str, bool]]:
    """Entries that names lead to through groups and tags, and names that no entry has.

    Such a name is needed, but for that of a task which a group itself describes.
    """
    waiting: list[tuple[str, bool]] = [(name, True) for name in names]
    reached, missing = dict[str, None](), dict[str, bool]()
    while waiting:
        name, needed = waiting.pop()
        entry = index.get(name)
        if entry is None:
            missing[name] = needed or missing.get(name, False)
        elif name not in reached:
            reached[name] = None
            tag = entry.kind.name == "TAG"
            waiting += [(one, True) for one in entry.tags] if tag else _members(entry.cfg)
    return list(reached), missing


def _members(config: Any) -> Iterator[tuple[str, bool]]:
    """Names in the list of a group, those of groups within it too, and whether each is needed."""
    waiting, seen = [config], set[int]()
    while waiting:
        group = waiting.pop()
        listed = group.get("task") if isinstance(group, dict) else None
        if not isinstance(listed, list) or id(listed) in seen:
            continue  # YAML may refer to a value from within it
        seen.add(id(listed))
        for item in listed:
            if isinstance(item, str):
                yield item, True
            elif isinstance(item, dict):
                named = [item[key] for key in ("group", "task") if isinstance(item.get(key), str)]
                yield from ((name, False) for name in named)
                waiting.append(item)
