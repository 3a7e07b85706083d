"""Write the golden files of the readers of binary logs with the real libraries.

They are not dependencies of the tests: the files lie in `golden/`, and this script made them, in
a throw-away environment with the libraries (and with PyTorch, for its `SummaryWriter`):

    python -m venv /tmp/golden
    /tmp/golden/bin/pip install -c constraints.txt tensorboard wandb mlflow trackio torch
    /tmp/golden/bin/python tests/runs/importers/make_golden.py tensorboard wandb mlflow trackio

Names of people, machines and folders are set to `anonymous` before anything is written, and the
script refuses to leave a file in which one is found.
"""

from __future__ import annotations

import getpass
import gzip
import math
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden"
CONFIG = {"lr": 3e-4, "layers": 2, "tied": True, "note": None, "model": {"d": 64, "act": "gelu"}}


def curve() -> Iterator[tuple[int, float]]:
    """Ten points of a loss; the one at step 60 is no number."""
    for step in range(0, 100, 10):
        yield step, math.nan if step == 60 else 4.0 - step / 50


def tensorboard(folder: Path) -> None:
    """`torch/alpha` (simple values, hyperparameters, texts, media) and `native/beta` (tensors)."""
    import socket as names

    import numpy as np

    names.gethostname = lambda: "anonymous"
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
    from tensorboard.summary import Writer
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "torch" / "alpha"))
    writer.add_text("args", '{"learning_rate": 0.0003, "model": {"d": 64}}')
    writer.add_text("remark", "not a configuration")
    for step, loss in curve():
        writer.add_scalar("train/loss", loss, step)
        writer.add_scalar("new_style", 2 * step, step, new_style=True)
    writer.add_histogram("weights", np.arange(10.0), 0)
    writer.add_hparams({"lr": 3e-4, "layers": 2, "tied": True, "act": "gelu"}, {"final": 2.2})
    writer.close()

    native = Writer(str(folder / "native" / "beta"))
    for step, loss in curve():
        native.add_scalar("loss", np.float32(loss), step)
        native.add_scalar("double", np.float64(1 / 3), step)
    native.close()
    # The writer of `tensorboard.summary` has no hyperparameters: their events are added beside.
    events = EventFileWriter(str(folder / "native" / "beta"), filename_suffix=".hparams")
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    start.hparams["lr"].number_value = 1e-3
    start.hparams["act"].string_value = "relu"
    start.hparams["tied"].bool_value = False
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_FAILURE)
    for name, content in (("session_start_info", start), ("session_end_info", end)):
        summary = Summary()
        value = summary.value.add(tag=f"_hparams_/{name}")
        value.metadata.plugin_data.plugin_name = "hparams"
        content = plugin_data_pb2.HParamsPluginData(**{name: content})
        value.metadata.plugin_data.content = content.SerializeToString()
        events.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    events.close()


def wandb(folder: Path) -> None:
    """Offline runs: `alpha` finished, `beta` failed, `gamma` killed while it ran."""
    import wandb as library

    settings = library.Settings(
        mode="offline",
        root_dir=str(folder),
        host="anonymous",
        username="anonymous",
        email="anonymous",
        program="train.py",
        program_relpath="train.py",
        console="off",
        silent=True,
        save_code=False,
        disable_git=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    # The killed one first, in a process with a service of its own.
    for name, code in (("gamma", None), ("alpha", 0), ("beta", 1)):
        if code is None and os.fork():
            os.wait()
            continue
        run = library.init(
            project="golden", id=name, name=f"run {name}", group="ladder", config=CONFIG,
            tags=["tiny"], settings=settings,
        )  # fmt: skip
        run.define_metric("tokens")
        run.define_metric("train/*", step_metric="tokens")
        # The failed run has two axes.
        axis = "epoch" if code == 1 else "tokens"
        run.define_metric("eval.loss", step_metric=axis, step_sync=True)
        for step, loss in curve():
            run.log({"tokens": 1000 * step, "train/loss": loss, "gpu": {"memory": 1.5}})
            if step % 50 == 0:
                run.log({"epoch": step // 50, "text": "words"})
                run.log({"eval": {"loss": loss + 0.5}})
        run.config.update({"late": "set while it ran", "model": {"d": 64, "act": "relu"}},
                          allow_val_change=True)  # fmt: skip
        if name == "alpha":
            run.log({"long": "x" * 70_000})  # a record longer than two blocks
        if code is None:
            for index in range(250):  # the library writes blocks of 32 KiB, the last at its end
                run.log({"filler": index})
            time.sleep(0.5)
            _kill_with_children()
        run.summary["best"] = 2.2
        run.finish(exit_code=code)
    # It also writes at intervals; only a file of whole blocks shows a record that is cut.
    if any(path.stat().st_size % (32 << 10) for path in folder.rglob("run-gamma.wandb")):
        raise SystemExit("the log of the killed run was written to its end: run this again")
    for path in folder.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.suffix != ".wandb"):
            path.unlink()


def _kill_with_children() -> None:
    """End this process and the service of wandb that it started, as a machine that goes down."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        name, _, rest = entry.read_text().partition(") ")
        if rest.split()[1] == str(os.getpid()):
            os.kill(int(name.split(" ")[0]), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def mlflow(folder: Path) -> None:
    """The same runs in a folder of files and in SQLite."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow as library
    from mlflow.tracking import MlflowClient

    for uri in (f"file://{folder}/mlruns", f"sqlite:///{folder}/mlflow.db"):
        library.set_tracking_uri(uri)
        client = MlflowClient()
        experiment = client.create_experiment("ladder", artifact_location="s3://anonymous")
        for name, status in (
            ("alpha", "FINISHED"),
            ("beta", "FAILED"),
            ("gamma", None),
            ("gone", "FINISHED"),
        ):
            run = client.create_run(
                experiment,
                run_name=f"run {name}",
                tags={"mlflow.user": "anonymous", "kind": "a: b"},
            )
            identity = run.info.run_id
            for key, value in (("lr", 3e-4), ("model/d", 64), ("tied", True), ("act", "gelu")):
                client.log_param(identity, key, value)
            for step, loss in curve():
                client.log_metric(identity, "train/loss", loss, step=step)
            client.log_metric(identity, "overflow", math.inf, step=1)
            if status:
                client.set_terminated(identity, status)
            if name == "gone":
                client.delete_run(identity)
    shutil.rmtree(folder / "mlruns" / "0")  # the default experiment: it names this folder
    database = folder / "mlflow.db"
    connection = sqlite3.connect(database)
    connection.execute("UPDATE experiments SET artifact_location = 's3://anonymous'")
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    with gzip.GzipFile(folder / "mlflow.db.gz", "wb", mtime=0) as file:
        file.write(database.read_bytes())
    database.unlink()


def trackio(folder: Path) -> None:
    """A project with three runs, the last two under one name."""
    os.environ.update(TRACKIO_DIR=str(folder), HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
    import trackio as library

    for name, lr in (("alpha", 3e-4), ("beta", 1e-3), ("beta", 2e-3)):
        library.init(
            project="golden", name=name, group="ladder", config={**CONFIG, "lr": lr},
            auto_log_gpu=False, auto_log_cpu=False, resume="never",
        )  # fmt: skip
        for step, loss in curve():
            library.log({"train/loss": loss, "gpu": {"memory": 1.5}, "text": "words"}, step=step)
        library.log({"table": library.Histogram([1.0, 2.0, 2.0])}, step=100)
        library.finish()
    for path in folder.iterdir():
        if path.suffix != ".db":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    connection = sqlite3.connect(folder / "golden.db")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("VACUUM")
    connection.close()
    packed = gzip.compress((folder / "golden.db").read_bytes(), mtime=0)
    (folder / "golden.db").unlink()
    (folder / "golden.db.gz").write_bytes(packed)


def _refuse_names(folder: Path) -> None:
    """Nothing of this machine may stay: its name, its user, its folders, addresses."""
    names = {socket.gethostname(), getpass.getuser(), str(Path.home()), str(folder), "/tmp/"}
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        for name in names:
            found = re.search(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)", data)
            if found:
                raise SystemExit(f"{path}: holds {name!r}: {data[found.start() - 60 :][:99]!r}")


def main(kinds: list[str]) -> None:
    """Write the golden files of each kind in a fresh process and a fresh folder."""
    if len(kinds) == 2 and kinds[0] == "--into":
        folder = Path.cwd()
        {"tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow, "trackio": trackio}[
            kinds[1]
        ](folder)
        return
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / kind
            folder.mkdir()
            environment = {**os.environ, "HOME": name, "USER": "anonymous", "LOGNAME": "anonymous"}
            subprocess.run(
                [sys.executable, __file__, "--into", kind], cwd=folder, env=environment, check=True
            )
            _refuse_names(folder)
            shutil.rmtree(GOLDEN / kind, ignore_errors=True)
            shutil.copytree(folder, GOLDEN / kind)


if __name__ == "__main__":
    main(sys.argv[1:])
