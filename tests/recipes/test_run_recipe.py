"""run_recipe.py: the commands of each published model's chain, without running them."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from data import clean_corpus, create_pretraining_data, tasks, train_vocab
from data.io import cli
from data.io.errors import InputError
from encoder_ko.recipes import summary
from korean_encoders import launch
from korean_encoders.commands import finetune, pretrain
from korean_encoders.commands import recipe as command
from korean_encoders.model_types import FAMILIES
from tests.support.paths import ROOT

FULL = ("--scale=full", "--corpus=samples/corpus", "--data_dir=samples/sentiment")
NAMES = (
    "dialog_koelectra_small",
    "kcelectra_base",
    "kore_albert_base",
    "kr_bert_medium",
    "kr_electra",
)
# As their authors published them: flags by program.
PUBLISHED = {
    "kr_bert_medium": {
        "vocab": {"algorithm": "wordpiece", "vocab_size": 20000},
        "pretrain": {
            "model_type": "bert",
            "train_batch_size": 64,
            "num_train_steps": 2000000,
            "learning_rate": 1e-4,
        },
        "finetune": {
            "max_seq_length": 128,
            "train_batch_size": 128,
            "learning_rate": 5e-5,
            "num_train_epochs": 5.0,
            "do_lower_case": False,
        },
    },
    "kore_albert_base": {
        "vocab": {"algorithm": "unigram", "do_lower_case": False},
        "records": {"wop_prob": 0.15, "wop_ngram": 3},
        "pretrain": {
            "model_type": "albert",
            "train_batch_size": 2048,
            "learning_rate": 1.25e-3,
            "optimizer": "lamb",
            "wop_weight": 1.0,
        },
    },
    "kr_electra": {
        "vocab": {"algorithm": "wordpiece", "vocab_size": 30000},
        "pretrain": {
            "model_type": "electra",
            "train_batch_size": 256,
            "num_train_steps": 700000,
            "learning_rate": 2e-4,
            "generator_hidden_size": 0.33333,
        },
    },
    "dialog_koelectra_small": {
        "clean": {"recipe": "dialog_koelectra", "drop_duplicates": False},
        "vocab": {
            "algorithm": "wordpiece",
            "vocab_size": 40000,
            "num_unused_tokens": 500,
            "limit_alphabet": 6000,
            "min_frequency": 3,
        },
        "pretrain": {
            "model_type": "electra",
            "train_batch_size": 512,
            "num_train_steps": 700000,
            "learning_rate": 1e-4,
        },
    },
    "kcelectra_base": {
        "clean": {
            "recipe": "kcelectra",
            "min_chars": 10,
            "drop_duplicates": True,
        },
        "vocab": {"algorithm": "wordpiece", "vocab_size": 30000},
        "pretrain": {"model_type": "electra", "num_train_steps": 848000},
    },
}
# KR-ELECTRA's epochs, batch, rate and length; without warm-up and weight decay.
KR_ELECTRA_BY_TASK = {
    "NSMC": (10, 32, 5e-5, 128),
    "HATE": (10, 32, 5e-5, 128),
    "NaverNER": (20, 32, 5e-5, 128),
    "PAWS": (15, 32, 3e-5, 128),
    "KorNLI": (15, 64, 3e-5, 128),
    "KorSTS": (10, 32, 5e-5, 128),
    "QuestionPair": (10, 32, 5e-5, 128),
    "KorQuAD": (7, 8, 5e-5, 512),
}
RESULTS = {
    "pretrain": {"metrics": {"masked_lm_accuracy": 0.25}},
    "finetune": {"metrics": {"score": 0.875}},
}


def flags_of(program, arguments):
    """The flags of a command, parsed by itself: each has to be one that it knows."""
    values = {
        "pretrain": pretrain.FLAGS,
        "finetune": finetune.FLAGS,
    }.get(program)
    if values is not None:
        values = copy.deepcopy(values)
        for name in values:
            values[name].unparse()
        assert cli.parse_into(values, [program, *arguments], "")
        return values
    module = {
        "clean": clean_corpus,
        "vocab": train_vocab,
        "records": create_pretraining_data,
    }[program]
    return cli.parse(module.define_flags, [program, *arguments], "")


@pytest.fixture()
def called(monkeypatch):
    """(program, flags) of every command, which leaves what a real one would."""
    commands = []

    def call(program, arguments):
        values = flags_of(program, arguments)
        commands.append((program, values))
        if program == "clean":
            shutil.copy(
                os.path.join(ROOT, "samples/corpus/diary.txt"), values.output_file
            )
        if program == "vocab":
            os.makedirs(values.output_dir, exist_ok=True)
            source = os.path.join(ROOT, "samples/vocab.txt")
            name = "vocab.txt" if values.algorithm == "wordpiece" else "spm.model"
            shutil.copy(source, os.path.join(values.output_dir, name))
            settings = os.path.join(values.output_dir, "tokenizer_config.json")
            with open(settings, "w") as writer:
                writer.write("{}")
        if program in RESULTS:
            os.makedirs(values.output_dir, exist_ok=True)
            path = os.path.join(values.output_dir, "eval_results.json")
            with open(path, "w") as writer:
                json.dump(RESULTS[program], writer)
        return 0

    monkeypatch.setattr(launch, "call", call)
    monkeypatch.chdir(ROOT)
    return commands


def run(tmp_path, name, *flags):
    command.main(
        ["run_recipe.py", f"--name={name}", f"--output_dir={tmp_path}", *flags]
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_chain_of_a_published_model(tmp_path, called, capsys, name):
    run(tmp_path, name)
    programs = [program for program, _ in called]
    cleaned = ["clean"] * (name in ("dialog_koelectra_small", "kcelectra_base"))
    assert programs == cleaned + [
        "vocab",
        "records",
        "pretrain",
        "finetune",
    ]
    (_, vocabulary), (_, records), (_, training), (_, tuning) = called[-4:]
    corpus = str(tmp_path / name / "corpus.txt") if cleaned else "samples/corpus/*.txt"
    assert vocabulary.input_file == records.input_file == corpus
    assert records.vocab_file == training.vocab_file
    assert records.model_type == training.model_type == tuning.model_type
    assert records.max_seq_length == training.max_seq_length == 64
    assert training.num_train_steps == 200
    assert tuning.model_dir == training.output_dir
    printed = capsys.readouterr().out
    assert f"\n$ python3 -m data.train_vocab --config=configs/{name}/" in printed
    assert f"| {name} | masked_lm_accuracy 0.250 | 0.8750 | no labels |" in printed
    assert f"\n  {tmp_path}/{name}/finetuned: eval_results.json\n" in printed


def test_the_page_is_listed_before_the_other_results(tmp_path):
    (tmp_path / "finetuned").mkdir()
    for name in ("confusion_matrix.png", "report.html", "report.tsv"):
        (tmp_path / "finetuned" / name).write_text("")
    (tmp_path / "finetuned" / "eval_results.json").write_text(
        '{"metrics": {"score": 1}}'
    )
    lines = summary.summary([str(tmp_path)]).splitlines()
    names = "report.html, eval_results.json, confusion_matrix.png"
    assert lines[-1] == f"  {tmp_path}/finetuned: {names}"


def test_a_small_network_has_the_rows_of_its_vocabulary(tmp_path, called):
    run(tmp_path, "kr_electra")
    path = tmp_path / "kr_electra" / "electra_config.json"
    assert called[2][1].electra_config_file == str(path)
    config = json.loads(path.read_text())
    assert (config["vocab_size"], config["num_hidden_layers"]) == (3007, 2)
    assert (config["embedding_size"], config["hidden_act"]) == (64, "gelu")


@pytest.mark.parametrize("name", NAMES)
def test_full_scale_is_what_was_published(tmp_path, called, name):
    run(tmp_path, name, *FULL)
    commands = dict(called)
    for program, published in PUBLISHED[name].items():
        found = {flag: commands[program][flag].value for flag in published}
        assert found == published
    for program in ("records", "pretrain"):
        assert commands[program].max_seq_length == 128


@pytest.mark.parametrize("task", sorted(KR_ELECTRA_BY_TASK))
def test_full_scale_fine_tunes_as_was_published(tmp_path, called, monkeypatch, task):
    names = ("num_train_epochs", "train_batch_size", "learning_rate", "max_seq_length")
    names += ("warmup_proportion", "weight_decay_rate", "layerwise_lr_decay")

    files = tasks.get_task(task).file_sets[0]
    for path in (*files.train[0], *files.test[0]):
        (tmp_path / path).touch()

    def resolved(recipe):
        task_flags = (f"--task_name={task}", f"--data_dir={tmp_path}")
        run(tmp_path, recipe, *FULL, *task_flags)
        values = called[-1][1]
        monkeypatch.setattr(finetune, "FLAGS", values)
        family = FAMILIES[values.model_type]
        config_file = os.path.join(
            ROOT, "configs", recipe, f"{family.name}_config.json"
        )
        config = family.config_class.from_json_file(config_file)
        finetune._set_defaults([tasks.get_task(task)], family, config)
        assert (values.doc_stride, values.max_query_length) == (128, 64)
        return tuple(values[name].value for name in names)

    for recipe in ("kr_electra", "kcelectra_base", "dialog_koelectra_small"):
        assert resolved(recipe) == (*KR_ELECTRA_BY_TASK[task], 0.0, 0.0, 1.0)
    assert resolved("kr_bert_medium")[:4] == (5, 128, 5e-5, 128)


def test_a_full_network_has_the_rows_of_its_vocabulary(tmp_path, called, capsys):
    """Also with a second vocabulary merged in, as KcELECTRA's was."""
    run(
        tmp_path,
        "kcelectra_base",
        *FULL,
        "--merge_vocab_file=samples/vocab.txt",
    )
    assert dict(called)["vocab"].merge_vocab_file == "samples/vocab.txt"
    path = tmp_path / "kcelectra_base" / "electra_config.json"
    assert dict(called)["pretrain"].electra_config_file == str(path)
    config = json.loads(path.read_text())
    assert (config["vocab_size"], config["num_hidden_layers"]) == (3007, 12)
    expected = "has 3,007 pieces, and the embedding table as many rows; the published "
    assert expected + "model has 50,135." in capsys.readouterr().out


def test_full_scale_needs_text_and_data(tmp_path, called):
    with pytest.raises(InputError, match="needs your own --corpus and --data_dir"):
        run(tmp_path, "cpu_hour", "--scale=full")
    with pytest.raises(InputError, match="needs your own --data_dir"):
        run(tmp_path, "cpu_hour", "--scale=full", "--corpus=samples/corpus")
    assert not called


def test_it_goes_on_where_it_stopped(tmp_path, called, monkeypatch):
    """What is whole is not made again; the trainings resume by themselves."""
    run(tmp_path, "kcelectra_base")
    del called[:]
    run(tmp_path, "kcelectra_base")
    assert [program for program, _ in called] == [
        "records",
        "pretrain",
        "finetune",
    ]
    (tmp_path / "kcelectra_base" / "vocabulary" / "vocab.txt").unlink()
    run(tmp_path, "kcelectra_base")  # its settings alone are no vocabulary
    assert called[3][0] == "vocab"
    with pytest.raises(InputError, match="with --scale=smoke, not --scale=full"):
        run(tmp_path, "kcelectra_base", *FULL)
    del called[:]
    run(tmp_path, "kcelectra_base", *FULL, "--overwrite")
    assert called[0][0] == "clean"


def test_from_another_working_directory(tmp_path, called, monkeypatch, capsys):
    """What belongs to the project is found; the user's paths stay."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("안녕\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command.main(["run_recipe.py", "--name=kr_electra", "--corpus=text"])
    assert called[0][1].input_file == "text/*.txt"
    assert called[-1][1].output_dir == "runs/recipes/kr_electra/finetuned"
    assert os.path.samefile(called[-1][1].data_dir, f"{ROOT}/samples/sentiment")
    printed = capsys.readouterr().out
    commands = re.findall(r"^\$ (.*)$", printed, re.M)
    names = ["vocab", "records", "pretrain", "finetune"]
    assert [line.split()[:2] for line in commands] == [
        ["korean-encoders", name] for name in names
    ]


def test_a_command_that_fails_ends_the_chain(tmp_path, called, monkeypatch):
    monkeypatch.setattr(launch, "call", lambda name, arguments: 1)
    with pytest.raises(InputError, match="kr_electra: vocab failed, see above. The"):
        run(tmp_path, "kr_electra")


FAILING = """
from data.io import cli
from korean_encoders import launch
from korean_encoders.commands import recipe

def call(name, arguments):
    print("said by", name)
    return 1

launch.call = call
if __name__ == "__main__":
    cli.run(recipe.main)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="replaces a function by fork")
def test_in_parallel_each_failure_is_told_at_its_place(tmp_path):
    names = "kr_electra,kr_bert_medium"
    flags = [f"--name={names}", "--parallel", f"--output_dir={tmp_path}"]
    found = subprocess.run(
        [sys.executable, "-c", FAILING, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert found.returncode == 1
    assert found.stderr == (
        "error: 2 of 2 recipes failed (kr_electra, kr_bert_medium), see above. The "
        "same command again resumes there.\n"
    )
    first, second = found.stdout.split("error: kr_bert_medium: vocab failed, see above")
    assert first.index("configs/kr_electra") < first.index("error: kr_electra: vocab")
    assert first.index("error: kr_electra: vocab") < first.index("kr_bert_medium/voc")
    log = (tmp_path / "kr_electra" / "output.log").read_text(encoding="utf-8")
    assert "$ python3 -m data.train_vocab --config=" in log and "said by vocab" in log


# --- Whose the folder is -------------------------------------------------------------


@pytest.fixture()
def text(tmp_path):
    """A corpus of one file."""
    path = tmp_path / "text" / "a.txt"
    path.parent.mkdir()
    path.write_text("안녕\n", encoding="utf-8")
    os.utime(str(path), (1700000000, 1700000000))
    return path


def refusal(*arguments):
    with pytest.raises(InputError) as error:
        run(*arguments)
    return str(error.value)


def contents(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*.*")}


def test_what_is_missing_is_said_before_the_folder_is_touched(tmp_path, called, text):
    run(tmp_path, "kr_electra")
    before = contents(tmp_path)
    for flag, problem in (
        ("--corpus=absent/*.txt", "--corpus=absent/*.txt: there is no such file."),
        ("--merge_vocab_file=absent", "--merge_vocab_file=absent: there is no such"),
        ("--task_name=absent", "--task_name=absent is unknown."),
        ("--data_dir=absent", "The data folder absent does not exist."),
        (f"--data_dir={text.parent}", "has no train file for NSMC, expected train.tsv"),
    ):
        for name in ("kr_electra", "kr_electra,kr_bert_medium"):
            assert problem in refusal(tmp_path, name, flag, "--overwrite")
        assert problem in refusal(tmp_path, "kr_bert_medium", flag)
    assert contents(tmp_path) == before
    assert not (tmp_path / "kr_bert_medium").exists()
    run(tmp_path, "kr_bert_medium")


def test_a_corpus_that_changed_is_noticed(tmp_path, called, text):
    flags = (tmp_path, "kcelectra_base", f"--corpus={text.parent}")
    run(*flags)
    run(*flags)
    os.utime(str(text), (1700000060, 1700000060))
    assert refusal(*flags) == (
        f"{tmp_path}/kcelectra_base holds a run on other text: {text} was 7 bytes of "
        "2023-11-14 22:13:20 UTC, now 7 bytes of 2023-11-14 22:14:20 UTC. Choose "
        "another --output_dir, or pass --overwrite to delete it. (The same text with "
        "another time: touch --date sets it.)"
    )
    os.utime(str(text), (1700000000, 1700000000))
    (text.parent / "b.txt").write_text("또\n", encoding="utf-8")
    assert f"{text.parent}/b.txt was not there, now 4 bytes" in refusal(*flags)
    del called[:]
    run(*flags, "--overwrite")
    assert called[0][0] == "clean"


def test_overwriting_deletes_what_a_recipe_wrote_and_nothing_else(
    tmp_path, called, monkeypatch
):
    run(tmp_path, "kcelectra_base")
    folder = tmp_path / "kcelectra_base"
    written = ["corpus.txt", "corpus.txt.7.incomplete", "vocabulary/vocab.txt"]
    written += ["records/pretraining-00000.tfrecord", "records/manifest.json"]
    written += ["pretrained/model.ckpt-7.index", "finetuned/history.json"]
    users = ["notes.txt", "records/notes.txt", "pretrained/export/saved_model.pb"]
    for name in written + users:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    left = {}

    def call(*command):
        left.update(contents(folder))
        return 1

    monkeypatch.setattr(launch, "call", call)
    assert "failed" in refusal(tmp_path, "kcelectra_base", "--overwrite")
    assert not left.keys() & {str(folder / name) for name in written}
    assert left.keys() >= {str(folder / name) for name in users}


def test_overwriting_never_deletes_what_is_to_be_read(tmp_path, called):
    run(tmp_path, "kcelectra_base")
    folder = tmp_path / "kcelectra_base"
    before = contents(tmp_path)
    for flag in ("--corpus=corpus.txt", "--merge_vocab_file=vocabulary/vocab.txt"):
        flag = flag.replace("=", f"={folder}/")
        problem = refusal(tmp_path, "kcelectra_base", flag, "--overwrite")
        assert f"--overwrite would delete {flag.split('=')[1]}, which is" in problem
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["corpus.txt", "pretrained/x.txt", "recipe.json"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_of_something_else_is_left_alone(tmp_path, called, name, overwrite):
    path = tmp_path / "kr_electra" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    problem = refusal(tmp_path, "kr_electra", f"--overwrite={overwrite}")
    assert problem.startswith(f"{path} is not of this recipe, which would write it.")
    assert contents(tmp_path) == {str(path): b"{}"}


def test_a_file_in_place_of_the_folder(tmp_path, called):
    (tmp_path / "kr_electra").write_text("")
    assert "cannot be made: a file is in its place" in refusal(tmp_path, "kr_electra")


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, called):
    with pytest.raises(InputError, match="--name=bert is not known: it is one of cpu"):
        run(tmp_path, "bert")
