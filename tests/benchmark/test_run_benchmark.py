"""run_benchmark.py: two tasks from the data to the report, resumed; wrong settings."""

import json
import os
import shutil
from unittest import mock

import pytest

from data import tasks
from data.io import files
from encoder_ko import cli
from encoder_ko.benchmark import runs as benchmark_runs
from encoder_ko.finetuning import job as fine_tuning_job
from encoder_ko.training import run_folder
from korean_encoders import launch
from korean_encoders.commands import benchmark
from tests.support import fine_tuning_runs as runs
from tests.support import made_up_runs
from tests.support.paths import ROOT

SETTINGS = {
    "*": {
        "max_seq_length": 8,
        "pad_to_max": True,  # one shape: less to compile
        "train_batch_size": 4,
        "learning_rate": 0.01,
        "num_train_epochs": 1,
    },
    "NSMC": {"note": "is <a> made-up | 표본."},
}


def run(*flags):
    """Runs the script in this process; the exit status."""
    try:
        cli.run(benchmark.main, benchmark.FLAGS, ["run_benchmark.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    runs.write_model(folder / "model")
    runs.write_data(folder / "nsmc", train=12)
    (folder / "korsts").mkdir()
    for name, start in (("train", 0), ("dev", 100), ("test", 200)):
        rows = [
            (text, "영화 " + text, 1.0 + 3 * label + 0.01 * number)
            for number, (text, label) in enumerate(runs.texts_and_labels(12, start))
        ]
        path = folder / "korsts" / f"sts-{name}.tsv"
        runs.write_table(path, ("sentence1", "sentence2", "score"), rows)
    return folder


def flags(root, output, **changes):
    values = dict(
        tasks="NSMC,KorSTS",
        data_root=root,
        bert_config_file=root / "model" / "bert_config.json",
        vocab_file=root / "model" / "vocab.txt",
        output_dir=root / output,
        task_settings=json.dumps(SETTINGS),
    )
    values.update(changes)
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


@pytest.fixture()
def called(monkeypatch):
    """The commands; each leaves what run_classifier.py would, or fails."""
    commands = []

    def call(name, arguments):
        assert name == "finetune"
        values = dict(argument[2:].split("=", 1) for argument in arguments)
        commands.append(values)
        if values["max_seq_length"] == "500":
            return 1
        leave_results(values)
        return 0

    monkeypatch.setattr(launch, "call", call)
    return commands


def leave_results(values):
    """Metrics that depend on the seed."""
    folder = values["output_dir"]
    os.makedirs(folder, exist_ok=True)
    score = 0.8 + 0.02 * (int(values["random_seed"]) % 10)
    metrics = {"accuracy": score, "macro_f1": 0.5, "spearman": 0.7, "pearson": 0.6}
    facts = {
        "model_config": runs.CONFIG,
        "versions": {"tensorflow": "2.15.1", "python": "3.11", "platform": "Linux"},
        "init_checkpoint": None,
        "flags": {"train_batch_size": 4},
        "metrics": metrics,
    }
    history = [{"step": step, "score": 0.1 * step, "loss": 1.0} for step in (1, 2)]
    for name, content in (
        ("eval_results.json", facts),
        ("test_results.json", facts),
        ("history.json", history),
    ):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
            json.dump(content, stream)


@pytest.mark.slow
def test_two_tasks_with_the_real_script(root, monkeypatch):
    monkeypatch.setattr(
        launch, "call", lambda name, arguments: runs.run_with_pictures(*arguments)
    )
    assert run(*flags(root, "real")) == 0
    output = root / "real"
    text = (output / "report.md").read_text(encoding="utf-8")
    for folder, metric in (("nsmc", "accuracy"), ("korsts", "spearman")):
        run_folder = output / folder / "seed_12345"
        metrics = runs.read_json(run_folder, "test_results.json")["metrics"]
        assert f"**{100 * metrics[metric]:.2f}**" in text
        planned = mock.Mock(**{"task.metric": metric})
        curves = benchmark_runs.read_curves(planned, str(run_folder), 1)
        assert curves.metric and curves.dev_loss and curves.training_loss
    assert "pictures/nsmc_confusion_matrix.png" in text
    assert "pictures/korsts_scores.png" in text
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 2
    found = made_up_runs.Page(page)
    charts = found.data["charts"]
    names = ("overview-0", "task0-0", "task0-1", "task1-0", "task1-1")
    assert sorted(charts) == [f"chart-{name}" for name in names]
    for folder, metric in (("nsmc", "accuracy"), ("korsts", "spearman")):
        link = f"{folder}/seed_12345/report.html"
        (row,) = [row for row in found.rows if row[-1] == link]
        metrics = runs.read_json(output / folder / "seed_12345", "test_results.json")
        (low, high) = runs.read_json(output / folder / "seed_12345", "intervals.json")[
            "test"
        ][metric]
        expected = f"{100 * metrics['metrics'][metric]:.2f} "
        expected += f"({100 * low:.2f}–{100 * high:.2f})"
        assert expected in row
        assert (output / link).exists()
        assert ("a", {"href": link}) in found.tags


def test_the_report_of_two_seeds(root, called, capfd):
    assert run(*flags(root, "seeds", seeds="1,2")) == 0
    assert [values["random_seed"] for values in called] == ["1", "2"] * 2
    output = root / "seeds"
    text = (output / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | **83.00 ± 1.41** | 55.56 (always “neg" in text
    assert "| by chance (+27.44) | 12 train, 7 dev, 9 test |" in text
    assert "| KorSTS* | Spearman, test | **70.00 ± 0.00** | 0.00 (always 2." in text
    assert "NSMC* is &lt;a&gt; made-up | 표본." in text
    names = "sts-train.tsv, sts-dev.tsv, sts-test.tsv"
    assert f"- KorSTS* has other files than the published ones ({names}).\n" in text
    assert "91.168" in text and "85.41" in text
    assert "python3 run_classifier.py --task_name=NSMC --model_type=bert \\\n" in text
    assert "# Korean benchmarks: bert from scratch\n" in text
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "is &lt;a&gt; made-up | 표본." in page and "<a>" not in page
    assert "about 0 minutes left" in capfd.readouterr().err


def test_the_same_command_runs_what_is_missing(root, called, capfd):
    command = flags(root, "resumed", tasks="NSMC")
    assert run(*command) == 0
    first = (root / "resumed" / "report.md").read_text(encoding="utf-8")
    assert run(*command) == 0
    assert len(called) == 1
    assert (root / "resumed" / "report.md").read_text(encoding="utf-8") == first
    assert "[1/1] NSMC, seed 12345: finished already" in capfd.readouterr().err

    assert run(*flags(root, "resumed", tasks="NSMC", seeds="12345,7")) == 0
    assert [values["random_seed"] for values in called] == ["12345", "7"]

    others = flags(root, "resumed", tasks="NSMC", task_settings="{}", vocab_file=None)
    assert run(*others, "--norun") == 0
    assert len(called) == 2
    text = (root / "resumed" / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | **" in text  # other data, without a note of ours
    assert "--max_seq_length=8" in text  # the command that ran, not the last one


def copy_of_nsmc(root, tmp_path):
    shutil.copytree(str(root / "nsmc"), str(tmp_path / "nsmc"))
    return flags(root, "", tasks="NSMC", data_root=tmp_path, output_dir=tmp_path / "o")


@pytest.mark.parametrize("norun", [[], ["--norun"]])
def test_results_of_other_data_are_not_reported(root, tmp_path, called, capfd, norun):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command) == 0
    path = tmp_path / "nsmc" / "test.tsv"
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n", 0, -1) + 1])
    assert run(*command, *norun) == 1
    error = capfd.readouterr().err
    assert "error: 1 of 1 runs have no result (NSMC, seed 12345: " in error
    assert "nsmc/seed_12345 holds results of other data (test.tsv changed" in error
    text = (tmp_path / "o" / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | not yet |" in text and "test.tsv changed" in text
    path.write_bytes(content)
    assert run(*command, *norun) == 0
    text = (tmp_path / "o" / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | **" in text
    assert len(called) == 1


def test_the_declaration_of_a_user_s_task_is_data_too(root, tmp_path, called, capfd):
    declared = {"name": "own", "train": "nsmc/train.tsv", "text": "document"}
    declared.update({"label": "label", "labels": ["0", "1"]})
    path = tmp_path / "own.json"
    command = copy_of_nsmc(root, tmp_path) + [f"--tasks={path}"]
    path.write_text(json.dumps(declared), encoding="utf-8")
    assert run(*command) == 0
    path.write_text(json.dumps(dict(declared, text="id")), encoding="utf-8")
    assert run(*command) == 1
    assert "results of other data (own.json changed" in capfd.readouterr().err


def test_results_of_weights_that_changed_are_not_taken(root, tmp_path, called, capfd):
    """A model that was trained anew in its old place."""
    start = tmp_path / "model.ckpt"
    command = copy_of_nsmc(root, tmp_path) + [f"--init_checkpoint={start}"]
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / f"model.ckpt{suffix}").write_bytes(b"first")
    assert run(*command) == 0
    settings = tmp_path / "o" / "nsmc" / "seed_12345" / "run_config.json"
    settings.write_text(json.dumps(run_folder.weights_setting(str(start))))
    assert run(*command) == 0
    assert len(called) == 1
    (tmp_path / "model.ckpt.index").write_bytes(b"second")
    capfd.readouterr()
    assert run(*command) == 0  # what run_classifier.py itself would refuse
    assert len(called) == 2
    assert "finished already" not in capfd.readouterr().err


def test_a_record_that_does_not_tell_the_data_is_used(root, tmp_path, called):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command) == 0
    record = tmp_path / "o" / "nsmc" / "seed_12345" / benchmark_runs.RECORD
    content = json.loads(record.read_text(encoding="utf-8"))
    assert sorted(content.pop("digests")) == ["dev.tsv", "test.tsv", "train.tsv"]
    record.write_text(json.dumps(content), encoding="utf-8")
    runs.write_reviews(tmp_path / "nsmc" / "test.tsv", 4, 2000)
    assert run(*command) == 0
    assert len(called) == 1


def test_seeds_that_ran_with_other_flags_are_told(root, tmp_path, called):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command, "--seeds=1") == 0
    other = json.dumps({"nsmc": dict(SETTINGS["*"], num_train_epochs=3)})
    assert run(*command, "--seeds=2", f"--task_settings={other}") == 0
    assert called[1]["num_train_epochs"] == "3"
    assert run(*command, "--seeds=2,1", "--norun", "--task_settings={}") == 0
    text = (tmp_path / "o" / "report.md").read_text(encoding="utf-8")
    assert "- NSMC: seed 1 differs from seed 2 in --num_train_epochs\n" in text
    assert "--num_train_epochs=3" in text and "--num_train_epochs=1" not in text


def test_a_report_of_results_says_what_these_started_from(root, tmp_path, called):
    def command(task, start):
        return flags(
            root,
            "",
            tasks=task,
            output_dir=tmp_path,
            init_checkpoint=root / start,
        )

    for task, start in (("NSMC", "model.ckpt-4"), ("KorSTS", "model.ckpt-8")):
        assert run(*command(task, start)) == 0
        path = tmp_path / task.lower() / "seed_12345" / "test_results.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["init_checkpoint"] = start
        path.write_text(json.dumps(content), encoding="utf-8")
    assert run(*command("NSMC,KorSTS", "model.ckpt-8"), "--norun") == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "# Korean benchmarks: model.ckpt-4\n" in text
    assert "- Started from: model.ckpt-4, model.ckpt-8\n" in text


def test_a_run_of_run_classifier_is_reported(root, tmp_path, called):
    command = copy_of_nsmc(root, tmp_path)
    folder = tmp_path / "o" / "nsmc" / "seed_1"
    leave_results({"output_dir": str(folder), "random_seed": 1})
    (folder / "eval_results.json").unlink()  # without --do_eval
    assert run(*command, "--seeds=1", "--norun") == 0
    text = (tmp_path / "o" / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | **82.00**" in text
    assert "\n# Not run by this benchmark: the flags are in " in text


def test_a_run_that_fails_does_not_stop_the_others(root, called, capfd):
    settings = dict(SETTINGS, NSMC={"max_seq_length": 500})
    command = flags(root, "failing", task_settings=json.dumps(settings))
    assert run(*command) == 1
    error = capfd.readouterr().err
    assert "error: 1 of 2 runs have no result (NSMC, seed 12345: run_cl" in error
    text = (root / "failing" / "report.md").read_text(encoding="utf-8")
    assert "| NSMC* | accuracy, test | not yet |" in text
    assert "run_classifier.py ended with status 1" in text
    assert "| KorSTS* | Spearman, test | **70.00** |" in text


def test_a_refused_change_keeps_the_record(root, called):
    command = flags(root, "kept", tasks="NSMC")
    assert run(*command) == 0
    other = json.dumps({"*": {"max_seq_length": 500}})
    assert run(*command, f"--task_settings={other}") == 1
    assert run(*command) == 0
    assert len(called) == 2


def test_a_refused_change_keeps_the_report(root, tmp_path, called, capfd):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command) == 0
    reports = [tmp_path / "o" / name for name in ("report.md", "report.html")]
    before = [path.read_bytes() for path in reports]
    other = json.dumps({"*": dict(SETTINGS["*"], max_seq_length=500)})
    assert run(*command, f"--task_settings={other}") == 1
    folder = tmp_path / "o" / "nsmc" / "seed_12345"
    assert (
        f"run_classifier.py ended with status 1: {folder} holds a run with other flags "
        "(--max_seq_length); give another --output_dir, or delete that folder"
    ) in capfd.readouterr().err
    assert [path.read_bytes() for path in reports] == before


@pytest.mark.parametrize("name", ["report.html", "report.md", "pictures/a_curves.png"])
def test_files_of_others_are_not_replaced(root, tmp_path, called, capfd, name):
    command = copy_of_nsmc(root, tmp_path)
    path = tmp_path / "o" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert run(*command) == 1
    error = capfd.readouterr().err
    assert (
        "holds files that are not of a benchmark, whose report would replace the"
        in error
    )
    assert f"({name}). Choose another --output_dir." in error
    assert files.walk(str(tmp_path / "o")) == [name] and not called
    assert path.read_text() == "mine"


def test_the_folder_of_a_run_or_another_program_is_refused(
    root, tmp_path, called, capfd
):
    command = copy_of_nsmc(root, tmp_path)
    output = tmp_path / "o"
    output.mkdir()
    for name in ("run_config.json", "benchmark.json"):
        (output / name).write_text("{}")
        assert run(*command) == 1
        assert f"replace them ({name})." in capfd.readouterr().err
        assert files.walk(str(output)) == [name] and not called
        (output / name).unlink()


def test_a_folder_of_an_earlier_version_is_gone_on_with(root, tmp_path, called):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command) == 0
    settings = tmp_path / "o" / "benchmark.json"
    assert json.loads(settings.read_text()) == {"program": "run_benchmark.py"}
    settings.unlink()
    assert run(*command) == 0
    assert len(called) == 1 and settings.exists()


def test_a_report_of_nothing_is_not_written(root, tmp_path, called, capfd):
    command = copy_of_nsmc(root, tmp_path)
    assert run(*command, "--run=false") == 1
    assert f"--run=false: {tmp_path / 'o'} has no results" in capfd.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_task_of_the_user(root, called):
    declared = {
        "name": "후기",
        "train": "nsmc/train.tsv",
        "text": "document",
        "label": "label",
        "labels": ["0", "1"],
        "label_names": ["나쁨", "좋음"],
    }
    path = root / "own.json"
    path.write_text(json.dumps(declared), encoding="utf-8")
    assert run(*flags(root, "own", tasks=str(path))) == 0
    assert called[0]["task_name"] == str(path)
    assert called[0]["do_predict"] == "false" and called[0]["data_dir"] == str(root)
    text = (root / "own" / "report.md").read_text(encoding="utf-8")
    assert "| 후기 | accuracy, dev | **" in text and "always “나쁨”" in text


def test_all_seeds_hold_out_the_same_dev_set(root, monkeypatch):
    """That of the first seed, of which the baseline is."""
    declared = {"name": "own", "train": "nsmc/train.tsv", "text": "document"}
    declared.update({"label": "label", "labels": ["0", "1"]})
    path = root / "own_split.json"
    path.write_text(json.dumps(declared), encoding="utf-8")
    commands, jobs = [], []

    def call(name, arguments):
        with mock.patch.object(fine_tuning_job, "run") as run_job:
            assert runs.run(*arguments) == 0
        commands.append(dict(argument[2:].split("=", 1) for argument in arguments))
        jobs.append(run_job.call_args[0][0])
        leave_results(commands[-1])
        return 0

    monkeypatch.setattr(launch, "call", call)
    with mock.patch.object(tasks, "held_out_split", wraps=tasks.held_out_split) as held:
        assert run(*flags(root, "splits", tasks=path, seeds="1,2")) == 0
    assert [call[0][2] for call in held.call_args_list] == [1]  # the baseline's
    assert [job.training.seed for job in jobs] == [1, 2]
    assert [job.data.split_seed for job in jobs] == [1, 1]
    # The first run has the command and the settings from before there was the flag.
    assert [each.get("split_seed") for each in commands] == [None, "1"]
    assert ["split_seed" in job.settings for job in jobs] == [False, True]


def test_dev_files_leave_nothing_to_hold_out(root, called):
    assert run(*flags(root, "dev files", tasks="NSMC", seeds="1,2")) == 0
    assert not any("split_seed" in values for values in called)


def test_flags_of_a_run(root, called):
    assert run(*flags(root, "flags", tasks="nsmc", vocab_file=None)) == 0
    values = called[0]
    assert values["learning_rate"] == "0.01" and values["task_defaults"] == "true"
    assert values["data_dir"] == str(root / "nsmc")
    assert values["do_predict"] == "true" and "note" not in values
    assert values["output_dir"] == str(root / "flags" / "nsmc" / "seed_12345")
    assert "vocab_file" not in values


def test_an_unknown_task_of_settings_lists_each_task_once(root, called, capfd):
    wrong = flags(root, "wrong", tasks="nsmc", task_settings='{"NSCM": {}}')
    assert run(*wrong) == 1
    assert capfd.readouterr().err.count("NSMC") == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tasks": "NSMCC"}, "Did you mean NSMC?"),
        ({"tasks": ""}, "--tasks is empty"),
        ({"seeds": "1,1"}, "--seeds=1,1, expected different whole numbers"),
        ({"seeds": "x"}, "--seeds=x, expected"),
        ({"seeds": "-1"}, "--seeds=-1, expected different whole numbers from 0"),
        ({"seeds": str(2**31)}, "expected different whole numbers from 0"),
        ({"tasks": "NSMC,nsmc"}, "--tasks=NSMC,nsmc names 2 tasks NSMC, whose runs"),
        ({"output_dir": __file__}, "is a file or within one, expected a folder"),
        ({"output_dir": __file__ + "/a"}, "is a file or within one, expected a folder"),
        ({"output_dir": None}, "--output_dir is missing"),
        ({"task_settings": "{"}, "--task_settings, line 1, character 2: not JSON"),
        ({"task_settings": '{"NSCM": {}}'}, "has settings for 'NSCM', expected '*'"),
        ({"task_settings": '{"NSMC": 3}'}, "settings of 'NSMC' are 3"),
        ({"task_settings": '{"*": {"do_train": 1}}'}, "'do_train' for '*', which"),
        ({"task_settings": '{"*": {"split_seed": 1}}'}, "'split_seed' for '*', which"),
        ({"task_settings": '{"NSMC": {"foo": 1}}'}, "sets 'foo' for 'NSMC', which is"),
        ({"task_settings": "no.json"}, "no.json does not exist"),
        ({"tasks": "HATE"}, "Fetch HATE from"),
        ({"task_settings": '{"NSMC": {}, "nsmc": {}}'}, "has 'NSMC' twice: unite"),
        (
            {"task_settings": '{"a": ' * 9**5},
            "--task_settings: lists or objects nested too",
        ),
        *(
            ({"task_settings": json.dumps({"*": {flag: value}})}, f"sets '{flag}' for")
            for flag, value in (
                ("num_train_epochs", "abc"),
                ("num_train_epochs", None),
                ("num_train_epochs", True),
                ("dev_fraction", "a"),
                ("max_bad_rows", 1.5),
                ("encoding", 5),
                ("data_dir", 5),
                ("note", 5),
            )
        ),
    ],
)
def test_wrong_settings(root, called, capfd, changes, message):
    assert run(*flags(root, "wrong", **changes)) == 1
    assert message in capfd.readouterr().err
    assert not called


def test_klue_stands_for_all_of_its_tasks(root, called, capfd):
    """Their samples are planned, and the runs are called with their defaults."""
    data_root = root / "klue"
    for name in tasks.expand_groups(["klue"]):
        shutil.copytree(
            os.path.join(ROOT, "samples", "klue"), str(data_root / name.lower())
        )
    settings = json.dumps({"*": {"max_seq_length": 500}})
    arguments = flags(
        root, "klue_out", tasks="KLUE", data_root=data_root, task_settings=settings
    )
    assert run(*arguments) == 1  # the runs fail, as these are told to
    assert [each["task_name"] for each in called] == tasks.expand_groups(["klue"])
    report = (root / "klue_out" / "report.md").read_text(encoding="utf-8")
    assert "| KLUE-RE* | micro F1 / AUPRC, dev | not yet |" in report
    assert "| KLUE-BERT base |" in report and "85.73" in report
    assert "83.97 / 91.39" in report
    assert "KLUE-DP*" in report and "UAS macro F1 / LAS macro F1, dev" in report
