"""RunFolder: whose folder it is, and what may be replaced in it."""

import json
import os
import subprocess
import sys

import pytest

from data.io.errors import InputError
from encoder_ko.training.run_folder import RunFolder
from tests.support.paths import ROOT

SETTINGS = {"learning_rate": 5e-5, "train_batch_size": 32, "vocab_file": None}


@pytest.fixture()
def folder(tmp_path):
    """A folder claimed with SETTINGS in which something was trained."""
    claimed = RunFolder(str(tmp_path / "nested" / "run"))
    claimed.claim(SETTINGS, overwrite=False)
    for part in ("index", "data-00000-of-00001"):
        claimed.write_text(f"model.ckpt-7.{part}", "weights")
    claimed.write_json("history.json", [{"step": 7}])
    return claimed


def test_the_same_settings_find_everything_as_it_was(folder):
    for overwrite in (False, True):
        folder.claim(dict(SETTINGS), overwrite)
        assert folder.history() == [{"step": 7}]
        assert folder.read_json("run_config.json") == SETTINGS


def test_each_difference_is_named_with_both_values(folder):
    other = dict(SETTINGS, learning_rate=1e-4, patience=2)
    with pytest.raises(InputError) as raised:
        folder.claim(other, overwrite=False)
    assert str(raised.value) == (
        f"{folder.path} holds a run with other settings: learning_rate was 5e-05 and "
        "is 0.0001 now; patience was not given and is 2 now. Choose another "
        "--output_dir, repeat the settings to resume that run, or pass "
        "--overwrite to delete it."
    )
    assert folder.history() == [{"step": 7}]


def test_more_steps_are_answered_with_a_new_schedule(tmp_path):
    folder, settings = RunFolder(str(tmp_path)), dict(SETTINGS, num_train_steps=1000)
    folder.claim(settings, overwrite=False)
    folder.write_text("model.ckpt-900.index", "weights")
    folder.write_text("checkpoint", 'model_checkpoint_path: "model.ckpt-900"\n')

    def refusal(**changes):
        with pytest.raises(InputError) as raised:
            folder.claim(dict(settings, **changes), overwrite=False)
        return str(raised.value)

    assert refusal(num_train_steps=2000) == (
        f"{tmp_path} holds a run of 1000 steps, for which its learning rate was "
        "planned: it cannot go on to --num_train_steps=2000. To train longer, begin a "
        f"new schedule with --init_checkpoint={tmp_path}/model.ckpt-900, another "
        "--output_dir and its own --num_train_steps; to resume this run, pass "
        "--num_train_steps=1000."
    )
    for changes in ({"num_train_steps": 500}, {"train_batch_size": 8}):
        changes.setdefault("num_train_steps", 2000)
        assert "holds a run with other settings" in refusal(**changes)


def test_overwrite_deletes_a_run_and_nothing_else(folder, tmp_path):
    kept = tmp_path / "nested" / "run" / "notes.txt"
    kept.write_text("내 메모", encoding="utf-8")
    (tmp_path / "nested" / "run" / "best").mkdir()
    folder.write_text("best/model.ckpt-7.index", "weights")
    folder.claim(dict(SETTINGS, patience=2), overwrite=True)
    assert folder.history() == []
    found = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["notes.txt", "run_config.json"]
    assert kept.read_text(encoding="utf-8") == "내 메모"


def test_overwrite_deletes_what_tensorflow_leaves_on_a_full_disk(folder):
    for name in ("model.ckpt-0_temp/part.tempstate1", "graph.pbtxt.tmp0f3"):
        for place in (folder(name), folder("trial_1", name)):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            folder.write_text(place, "half")
    os.makedirs(folder("model.ckpt-9_temp"))
    os.remove(folder("run_config.json"))
    with pytest.raises(InputError, match="files of another program or version"):
        folder.claim(SETTINGS, overwrite=False)
    folder.claim(SETTINGS, overwrite=True)
    assert sorted(os.listdir(folder.path)) == ["run_config.json", "trial_1"]
    assert os.listdir(folder("trial_1")) == []


def test_a_resumed_run_deletes_half_a_checkpoint(folder):
    half = folder("model.ckpt-9_temp", "part.tempstate1")
    os.makedirs(os.path.dirname(half))
    folder.write_text(half, "half")
    folder.claim(SETTINGS, overwrite=False)
    assert not os.path.exists(os.path.dirname(half))
    assert folder.history() == [{"step": 7}]


def test_overwrite_does_not_delete_what_the_run_starts_from(folder):
    settings = dict(SETTINGS, init_checkpoint=folder("model.ckpt-7"))
    with pytest.raises(InputError, match="--overwrite would delete .*model.ckpt-7, fr"):
        folder.claim(settings, overwrite=True)
    assert folder.history() == [{"step": 7}]
    other_name = os.path.relpath(folder("model.ckpt-7"))
    with pytest.raises(InputError, match=f"would delete {other_name}, from which"):
        folder.claim(dict(SETTINGS, init_checkpoint=other_name), overwrite=True)


def test_results_of_another_program_are_left_alone(tmp_path):
    (tmp_path / "model.ckpt-1000.index").write_text("theirs", encoding="utf-8")
    folder = RunFolder(str(tmp_path))
    with pytest.raises(InputError) as raised:
        folder.claim(SETTINGS, overwrite=False)
    assert str(raised.value) == (
        f"{tmp_path} holds files of another program or version that this run would "
        "replace (model.ckpt-1000.index). Choose another --output_dir, or pass "
        "--overwrite to give them up."
    )


@pytest.mark.parametrize(
    "name",
    ["task.json", "vocab.txt", "bert_config.json", "spm.model", "records/dev.tf_record"]
    + ["trial_1/task.json"],
)
def test_files_of_the_user_are_neither_deleted_nor_replaced(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(InputError, match="would replace .*" + path.name):
            RunFolder(str(tmp_path)).claim(SETTINGS, overwrite=False)
    assert path.read_text(encoding="utf-8") == "mine"


def test_records_of_pre_training_in_the_folder_are_not_a_runs(tmp_path):
    mine = tmp_path / "records" / "pretraining-00000.tfrecord"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    for settings, overwrite in ((SETTINGS, False), (dict(SETTINGS, patience=2), True)):
        RunFolder(str(tmp_path)).claim(settings, overwrite)
        assert mine.read_text(encoding="utf-8") == "mine"


def test_a_name_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path):
    with pytest.raises(InputError, match="for a pattern. Choose another name"):
        RunFolder(str(tmp_path / "run [1]")).claim(SETTINGS, overwrite=False)
    assert not list(tmp_path.iterdir())


_CLAIM = """
import sys
from data.io.errors import InputError
from encoder_ko.training.run_folder import RunFolder
try:
    RunFolder(sys.argv[1]).claim({}, overwrite=True)
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_two_processes_do_not_share_a_folder(folder):
    root = ROOT
    command = [sys.executable, "-c", _CLAIM, folder.path]
    said = subprocess.check_output(command, cwd=root, universal_newlines=True)
    assert f"Another process is writing to {folder.path}" in said
    assert folder.history() == [{"step": 7}]


def test_results_of_an_earlier_test_set_are_deleted_alone(folder):
    names = ("test_results.json", "submission.csv", "eval_results.json", "a.csv")
    for name in (*names, "null_odds.json"):
        folder.write_text(name, "old")
    folder.forget_test_results()
    left = {name for name in os.listdir(folder.path) if name.endswith(("csv", "json"))}
    assert left == {"eval_results.json", "a.csv", "history.json", "run_config.json"}
    folder.write_json("intervals.json", {"dev": {"f1": [0, 1]}, "test": {"f1": [0, 1]}})
    folder.forget_test_results()
    assert folder.read_json("intervals.json") == {"dev": {"f1": [0, 1]}}


def test_a_run_that_never_began_does_not_tie_the_folder(tmp_path):
    """A wrong --data_dir at the first try, the right one at the second."""
    folder = RunFolder(str(tmp_path))
    folder.claim(dict(SETTINGS, data_dir="nsmcc"), overwrite=False)
    for path in (tmp_path / "records", tmp_path / "trial_1"):
        path.mkdir()
    folder.write_text("records/train.tf_record", "records")
    folder.write_text("trial_1/run_config.json", "{}")
    folder.claim(dict(SETTINGS, data_dir="nsmc"), overwrite=False)
    assert folder.read_json("run_config.json")["data_dir"] == "nsmc"


@pytest.mark.parametrize(
    "content, problem",
    [
        ('[{"step": 7}', "line 1, character 13: not JSON .* Delete it and run"),
        ('{"step": 7}', "a JSON dict, expected a list: .* Delete it and run"),
        ('[{"step": 7}, 5]', "has the entry 5, expected an object with its step. Del"),
        ('[{"step": "7"}]', "has the entry {'step': '7'}, expected an object with"),
        (
            '[{"step": 7, "score": "x"}]',
            "has score='x' at step 7, expected a number. D",
        ),
        (
            '[{"step": 7, "seconds": 1}, {"step": 8}]',
            "has seconds=None at step 8, expected a number. Delete it and run",
        ),
        ("[" * 10**5, "nested too deeply.* Delete it and run the same command"),
    ],
)
def test_a_broken_history_is_named(folder, content, problem):
    folder.write_text("history.json", content)
    with pytest.raises(InputError, match=f"history.json.*{problem}"):
        folder.history()
    assert folder.read_json("trials.json") is None


def test_what_is_read_of_a_history_has_to_be_there(folder):
    assert folder.history() == [{"step": 7}]
    with pytest.raises(InputError, match="has seconds=None at step 7, expected a num"):
        folder.history("seconds")


@pytest.mark.parametrize(
    "content, problem",
    [
        ("", "line 1, character 1: not JSON"),
        ("[1, 2]", "a JSON list, expected an object"),
        ('{"records": [1]}', r"has records=\[1\], expected an object"),
        ('{"task": "NSMC"}', "has task='NSMC', expected an object"),
    ],
)
def test_broken_settings_are_not_to_be_deleted(folder, content, problem):
    """Without them the folder is nobody's, and --overwrite would delete the model."""
    folder.write_text("run_config.json", content)
    with pytest.raises(InputError, match=f"run_config.json.*{problem}") as raised:
        folder.claim(dict(SETTINGS), overwrite=False)
    assert "Put a copy of it back, or choose another" in str(raised.value)
    folder.write_text("run_config.json", "\ufeff" + json.dumps(SETTINGS))
    folder.claim(dict(SETTINGS), overwrite=False)


def test_files_are_written_whole_or_not_at_all(folder, monkeypatch):
    def disk_full(source, target):
        raise OSError("no space")

    monkeypatch.setattr("data.io.files.rename", disk_full)
    with pytest.raises(InputError, match="history.json could not be written: no space"):
        folder.write_json("history.json", [{"step": 14}])
    assert folder.history() == [{"step": 7}]


def test_json_keeps_korean_and_the_order(folder):
    folder.write_json("results.json", {"부정": 1, "긍정": 2})
    with open(folder("results.json"), encoding="utf-8") as reader:
        assert reader.read() == '{\n  "부정": 1,\n  "긍정": 2\n}\n'


def test_settings_that_are_gone_are_named(folder):
    assert folder.required_json("run_config.json") == SETTINGS
    os.remove(folder("run_config.json"))
    with pytest.raises(InputError, match="run_config.json is gone: was its folder"):
        folder.required_json("run_config.json")
