"""A user's mistakes and a machine's troubles: exit code, message and hint; nothing is damaged."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main


@pytest.fixture
def refuse(spec_file, capsys):
    """Run `isoloss study` and return its error, which must have the given exit code."""

    def run(code: int, *words: str | Path, spec: str | Path = spec_file) -> dict[str, str]:
        filled = ["study", str(spec), *map(str, words)]
        assert main(filled) == code
        told = capsys.readouterr()
        assert told.out == ""
        assert "isoloss: error: " in told.err
        assert "Traceback" not in told.err
        assert main([*filled, "--json"]) == code
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["message"] in told.err
        assert error["hint"]
        assert error["hint"] in told.err
        return error

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the lock and what SQLite keeps beside a database."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
    }


class TestCorpus:
    def test_missing(self, refuse, tmp_path):
        error = refuse(5, "--out", tmp_path / "s", "--corpus", tmp_path / "nothing.txt")
        assert "nothing.txt: no such file" in error["message"]

    @pytest.mark.parametrize("text", ["", " \n\n"])
    def test_empty(self, refuse, tmp_path, text):
        (tmp_path / "empty.txt").write_text(text)
        error = refuse(3, "--out", tmp_path / "s", "--corpus", tmp_path / "empty.txt")
        assert "corpus is empty" in error["message"]

    def test_empty_folder(self, refuse, tmp_path):
        (tmp_path / "texts").mkdir()
        error = refuse(3, "--out", tmp_path / "s", "--corpus", tmp_path / "texts")
        assert "no text in this folder" in error["message"]

    def test_not_utf8(self, refuse, tmp_path):
        (tmp_path / "latin.txt").write_bytes("Stra\xdfe".encode("latin-1"))
        error = refuse(3, "--out", tmp_path / "s", "--corpus", tmp_path / "latin.txt")
        assert "latin.txt: not UTF-8: byte 0xdf at offset 4" in error["message"]

    def test_too_small_for_the_plan(self, refuse, tmp_path, real_text):
        (tmp_path / "small.txt").write_text(real_text[:40_000])
        error = refuse(3, "--out", tmp_path / "s", "--corpus", tmp_path / "small.txt")
        assert "training tokens" in error["message"]
        assert "needs" in error["message"]
        assert not (tmp_path / "s" / "plan.json").exists()

    def test_a_mistake_can_be_put_right_in_the_same_folder(
        self, refuse, finished, tmp_path, capsys
    ):
        refuse(5, "--out", tmp_path / "s", "--corpus", tmp_path / "nothing.txt")
        assert main(["study", str(finished.spec), "--out", str(tmp_path / "s"), "--dry-run"]) == 0

    def test_the_source_changed_after_it_was_prepared(self, finished, real_text, capsys):
        text = finished.spec.parent / "text.txt"
        try:
            text.write_text("quite another text")
            assert main(["study", str(finished.spec), "--out", str(finished.folder)]) == 0
        finally:
            text.write_text(real_text, "utf-8")

    def test_prepared_tokens_changed(self, refuse, finished, tmp_path):
        folder = finished.copy(tmp_path / "s")
        (folder / "corpus" / "train.bin").write_bytes(b"\1\0" * 60_000)
        before = contents(folder)
        error = refuse(3, "--out", folder)
        assert "not those that were prepared" in error["message"]
        assert contents(folder) == before

    def test_prepared_anew_from_another_text(self, refuse, finished, tmp_path, real_text):
        folder = finished.copy(tmp_path / "s", "spec.json", "plan.json", "runs.sqlite")
        text = finished.spec.parent / "text.txt"
        try:
            text.write_text(real_text[:300_000], "utf-8")
            error = refuse(3, "--out", folder)
        finally:
            text.write_text(real_text, "utf-8")
        assert "the plan is for another corpus" in error["message"]
        assert (folder / "runs.sqlite").read_bytes() == (
            finished.folder / "runs.sqlite"
        ).read_bytes()


class TestSpec:
    @pytest.mark.parametrize(
        ("text", "code", "message", "hint"),
        [
            ("[ladder]\nsizee = 'smoke'", 2, "unknown key 'ladder.sizee'", "Did you mean 'size'?"),
            ("minutes = 'six'", 2, "minutes: input should be a valid number, found 'six'", ""),
            ("[ladder]\nworkers = 1.5", 2, "ladder.workers", ""),
            ("[ladder]\nsize = 'huge'", 2, "ladder.size", ""),
            ("[recipe]\nbatch_tokens = 250\n[ladder]\nsize = 'tiny'", 2, "whole windows", ""),
            ("minutes = ", 3, "not TOML", ""),
            ("minutes = 'caf\udce9'", 3, "not TOML", ""),
        ],
    )
    def test_wrong(self, refuse, tmp_path, real_text, text, code, message, hint):
        spec = tmp_path / "wrong.toml"
        spec.write_bytes(text.encode("utf-8", "surrogateescape"))
        (tmp_path / "text.txt").write_text(real_text, "utf-8")
        words = ["--corpus", str(tmp_path / "text.txt")] if "recipe" in text else []
        error = refuse(code, "--out", tmp_path / "s", *words, spec=spec)
        assert message in error["message"]
        assert hint in error["hint"]
        assert not (tmp_path / "s" / "plan.json").exists()

    def test_no_such(self, refuse, tmp_path):
        error = refuse(5, "--out", tmp_path / "s", spec=tmp_path / "nothing.toml")
        assert "laptop" in error["hint"]

    def test_minutes_not_positive(self, refuse, tmp_path):
        assert "minutes" in refuse(2, "--out", tmp_path / "s", "--minutes", "0")["message"]


class TestFolder:
    def test_below_a_file(self, refuse, tmp_path):
        (tmp_path / "file").write_text("mine")
        assert "cannot write" in refuse(6, "--out", tmp_path / "file" / "s")["message"]
        assert "is a file" in refuse(2, "--out", tmp_path / "file")["message"]
        assert (tmp_path / "file").read_text() == "mine"

    def test_where_nobody_can_write(self, refuse):
        assert "cannot write" in refuse(6, "--out", "/proc/study")["message"]

    def test_foreign_files(self, refuse, tmp_path):
        (tmp_path / "thesis.tex").write_text("mine")
        error = refuse(2, "--out", tmp_path)
        assert "thesis.tex" in error["message"]
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]

    def test_of_another_study(self, refuse, finished):
        before = contents(finished.folder)
        error = refuse(2, "--out", finished.folder, "--seeds", "3")
        assert "ladder.noise_seeds is 2 there, 3 now" in error["message"]
        assert contents(finished.folder) == before

    def test_in_use(self, refuse, finished):
        with (finished.folder / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            error = refuse(6, "--out", finished.folder)
            assert "another process" in error["message"]
            assert main(["study", "--status", "--out", str(finished.folder)]) == 0

    def test_what_a_kill_at_the_start_leaves_is_not_foreign(self, finished, tmp_path, capsys):
        (tmp_path / ".lock").touch()
        (tmp_path / ".spec.json.abcd1234").write_text("{")
        assert main(["study", str(finished.spec), "--out", str(tmp_path), "--dry-run"]) == 0
        assert not (tmp_path / ".spec.json.abcd1234").exists()


class TestDamage:
    @pytest.mark.parametrize("name", ["spec.json", "plan.json"])
    @pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "isoloss-plan-1", "name": 3}'])
    def test_of_spec_and_plan(self, refuse, finished, tmp_path, name, text, capsys):
        folder = finished.copy(tmp_path / "s")
        (folder / name).write_text(text)
        before = contents(folder)
        error = refuse(3, "--out", folder)
        assert f"{name}: damaged" in error["message"]
        assert "--out" in error["hint"]
        assert contents(folder) == before
        if name == "plan.json":
            assert main(["study", "--status", "--out", str(folder)]) == 3
            assert "damaged" in capsys.readouterr().err

    def test_plan_exchanged_after_the_registration(self, refuse, finished, tmp_path):
        folder = finished.copy(tmp_path / "s")
        (folder / "study.json").unlink()
        document = json.loads((folder / "plan.json").read_text())
        document["plan"]["trunks"][0].pop()
        (folder / "plan.json").write_text(json.dumps(document))
        before = contents(folder)
        error = refuse(3, "--out", folder)
        assert "the run table and the plan changed" in error["message"]
        assert contents(folder) == before

    @pytest.mark.parametrize("data", [b"junk" * 999, b"SQLite format 3\0" + b"\xff" * 4000])
    def test_of_the_store(self, refuse, finished, tmp_path, data):
        folder = finished.copy(tmp_path / "s")
        (folder / "runs.sqlite").write_bytes(data)
        before = contents(folder)
        assert "runs.sqlite" in refuse(3, "--out", folder)["message"]
        assert contents(folder) == before
        assert main(["ledger", str(folder)]) == 3

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"runs": 3}', '{"runs": [3]}'])
    def test_of_the_results_is_mended_from_the_store(self, finished, tmp_path, capsys, text):
        folder = finished.copy(tmp_path / "s")
        (folder / "study.json").write_text(text)
        if text != '{"runs": [3]}':
            for command in (["report", str(folder)], ["runs", "show", str(folder)]):
                assert main(command) == 3
                told = capsys.readouterr().err
                assert "study.json" in told
                assert "Run the study again" in told
        if text != "{":
            return  # once is enough: fitting takes seconds
        assert main(["study", str(finished.spec), "--out", str(folder), "--json"]) == 0
        mended = json.loads(capsys.readouterr().out)
        for key in ("runs", "fit", "forms", "verification", "curves", "plans"):
            assert mended[key] == finished.document[key], key


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own that can be made larger; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(*options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(disk)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount on this machine")
        if done.returncode:
            pytest.skip(f"no disk of a given size can be mounted here: {done.stderr.strip()}")

    mount("size=300k")
    yield disk, lambda size: mount("remount", f"size={size}")
    subprocess.run(["umount", "-l", str(disk)], check=False)


class TestFullDisk:
    def test_while_the_corpus_is_written(self, refuse, small_disk):
        disk, _ = small_disk
        error = refuse(6, "--out", disk / "s")
        assert "No space left on device" in error["message"]
        assert not (disk / "s" / "corpus" / "corpus.json").exists()

    def test_while_the_ladder_is_trained_and_at_the_end(
        self, finished, small_disk, isoloss, capsys
    ):
        disk, resize = small_disk
        resize("900k")
        folder = finished.copy(disk / "s", "spec.json", "plan.json", "corpus")
        done = isoloss("study", finished.spec, "--out", folder)
        assert done.returncode == 6, done.stderr
        assert "Traceback" not in done.stderr
        assert "full" in done.stderr or "No space left" in done.stderr
        resize("20m")
        finished.copy(folder, "runs.sqlite", "model", "prediction.json")
        resize(f"{used(disk) // 1024 + 200}k")  # room for the fit, not for the page
        done = isoloss("study", finished.spec, "--out", folder)
        assert done.returncode == 6, done.stderr
        assert "No space left" in done.stderr
        assert not (folder / "report.html").exists()
        resize("20m")
        assert main(["study", str(finished.spec), "--out", str(folder), "--json"]) == 0
        results = json.loads(capsys.readouterr().out)
        assert results["verification"] == finished.document["verification"]
        assert (folder / "report.html").exists()


def used(folder: Path) -> int:
    """Bytes in use on a disk."""
    disk = os.statvfs(folder)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


class TestDivergence:
    def test_a_ladder_that_mostly_diverges(self, finished, tmp_path, isoloss):
        spec = tmp_path / "wild.toml"
        text = finished.spec.read_text().replace(
            "[recipe]", "[recipe]\nbase_learning_rate = 1e6\nmatrix_learning_rate = 1e6"
        )
        spec.write_text(text.replace('"text.txt"', f'"{finished.spec.parent}/text.txt"'))
        done = isoloss("study", spec, "--out", tmp_path / "s", "--json")
        assert done.returncode == 3, done.stderr
        error = json.loads(done.stdout)["error"]
        assert "runs of the ladder are usable" in error["message"]
        assert "diverged: loss" in error["message"]
        assert "learning rate" in error["hint"]
        assert "diverged: loss" in done.stderr
        shown = isoloss("runs", "show", tmp_path / "s")
        assert shown.returncode == 0, shown.stderr
        assert "diverged" in shown.stdout

    def test_single_diverged_runs_are_kept_left_out_and_told(self, finished, tmp_path, capsys):
        """Two of the ladder and the verification run, as their rows would say it."""
        from isoloss.runs import RunStore

        folder = finished.copy(tmp_path / "s", "spec.json", "plan.json", "corpus")
        lost = {finished.document["runs"][1]["run_id"], finished.document["runs"][7]["run_id"]}
        last = finished.document["verification"]["run_id"]
        with RunStore.open(folder / "runs.sqlite") as store:
            for run in finished.document["runs"]:
                if run["run_id"] in lost | {last}:
                    run = {**run, **blown_up()}
                store.add_run({k: v for k, v in run.items() if k != "role"})
        assert main(["study", str(finished.spec), "--out", str(folder)]) == 0
        assert "diverged" in capsys.readouterr().out
        results = json.loads((folder / "study.json").read_text())
        assert len(results["runs"]) == len(finished.document["runs"])
        assert {r["run_id"] for r in results["runs"] if r["status"] == "diverged"} == {*lost, last}
        assert results["fit"]["n_rows"] == len(results["runs"]) - 3
        told = {row["run_id"] for row in results["residuals"] + results["backtest"]}
        assert told.isdisjoint(lost)
        assert "" not in told
        assert sum("left out: diverged: loss nan" in text for text in results["warnings"]) == 3
        check = results["verification"]
        assert check["measured"] is check["error_percent"] is check["inside"] is None
        assert "diverged" in check["reason"]
        page = (folder / "report.html").read_text("utf-8")
        assert "diverged: loss nan at step 17" in page
        study = str(folder)
        for words in (
            ["ledger", study],
            ["runs", "show", study],
            ["plan", study, "--flops", "1e12"],
        ):
            assert main(words) == 0


def blown_up() -> dict[str, Any]:
    """The outcome of a run that diverged."""
    return {
        "loss": None,
        "loss_se": None,
        "bits_per_byte": None,
        "status": "diverged",
        "reason": "diverged: loss nan at step 17",
    }
