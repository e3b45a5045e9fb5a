"""Every command with every path a URL: file://, which `open` knows nothing of, ram://.

One chain, from raw text to an exported model; each test looks at what one command left.
"""

import json
import os
import pathlib

import pytest

from data import clean_corpus, create_pretraining_data, train_vocab
from data.io import files, locks
from data.io.errors import InputError
from encoder_ko import cli, compat
from encoder_ko.training import checkpoints
from korean_encoders.commands import (
    benchmark,
    convert,
    export,
    features,
    finetune,
    predict,
    pretrain,
    recipe,
)
from tests.support import fine_tuning_runs, pretraining_runs
from tests.support.quick_graphs import quick_graphs

pytestmark = pytest.mark.slow

HAS_RAM = pytest.mark.skipif(not compat.IS_TF2, reason="TensorFlow 1.15 has no ram://")


def run(command, *settings):
    """Runs a command of TensorFlow's; it must not end with an error."""
    with quick_graphs():
        cli.run(command.main, command.FLAGS, [command.__name__, *settings])


def flags(**values):
    return [f"--{name}={value}" for name, value in values.items()]


def write_inputs(local, place):
    """All that the chain reads, written here and copied to the URL."""
    pretraining_runs.write_corpus(local)
    fine_tuning_runs.write_data(local / "reviews", train=12, dev=4, test=4)
    settings = dict(
        pretraining_runs.CONFIG,
        embedding_size=8,
        vocab_size=100,
        max_position_embeddings=32,
    )
    (local / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    task = {
        "name": "reviews",
        "train": "train.tsv",
        "dev": "dev.tsv",
        "test": "test.tsv",
        "text": "document",
        "label": "label",
        "labels": ["0", "1"],
    }
    (local / "reviews" / "task.json").write_text(json.dumps(task), encoding="utf-8")
    for name in files.walk(str(local)):
        target = f"{place}/in/{name}"
        files.make_folder(os.path.dirname(target))
        files.copy(str(local / name), target)


def read_all(place):
    return {name: files.read_bytes(f"{place}/{name}") for name in files.walk(place)}


def pre_train(place):
    text = dict(input_file=f"{place}/in/corp*.txt", output_file=f"{place}/clean.txt.gz")
    clean_corpus.main(["clean", *flags(**text, min_chars=1, drop_duplicates=False)])
    vocabulary = dict(
        input_file=f"{place}/clean.txt.gz",
        output_dir=f"{place}/vocabulary",
        vocab_size=100,
    )
    train_vocab.main(["train_vocab", *flags(**vocabulary)])
    records = dict(
        model_type="albert",
        input_file=f"{place}/clean.txt.gz",
        vocab_file=f"{place}/vocabulary/vocab.txt",
        max_seq_length=16,
        max_predictions_per_seq=4,
        dupe_factor=1,
        block_bytes=4000,
    )
    for output in (
        {"output_dir": f"{place}/records"},
        {"output_file": f"{place}/a.tfrecord,{place}/b.tfrecord"},
    ):
        create_pretraining_data.main(["records", *flags(**records, **output)])
    training = pretraining_runs.arguments(
        pathlib.Path("not_used"),
        "albert",
        f"{place}/pretrained",
        albert_config_file=f"{place}/in/config.json",
        input_file=f"{place}/records/*.tfrecord",
        vocab_file=f"{place}/vocabulary/vocab.txt",
        num_train_steps=4,
        do_eval=True,
        max_eval_steps=1,
    )
    run(pretrain, *training)


def fine_tune(place):
    training = dict(
        task_name=f"{place}/in/reviews/task.json",
        model_type="albert",
        model_dir=f"{place}/pretrained",
        output_dir=f"{place}/finetuned",
        do_train=True,
        do_eval=True,
        do_predict=True,
        max_seq_length=8,
        train_batch_size=4,
        num_train_epochs=1,
    )
    run(finetune, *flags(**training))


def use_models(place):
    files.make_folder(f"{place}/out")
    texts = dict(input=f"{place}/in/reviews/test.tsv", columns="document")
    model = dict(model_dir=f"{place}/finetuned")
    run(predict, *flags(**model, **texts, output_file=f"{place}/out/predictions.tsv"))
    states = dict(
        model_type="albert",
        input_file=f"{place}/in/corpus.txt",
        model_dir=f"{place}/pretrained",
        output_file=f"{place}/out/features.jsonl",
        layers="-1",
        max_seq_length=8,
    )
    run(features, *flags(**states))
    speed = dict(measure_speed=False)
    run(export, *flags(**model, **speed, output_dir=f"{place}/served/1"))


def convert_both_ways(place):
    there = dict(input_dir=f"{place}/finetuned", output_dir=f"{place}/hf")
    run(convert, "--from=tf", "--to=hf", *flags(**there))
    back = dict(input_dir=f"{place}/hf", output_dir=f"{place}/tf")
    run(convert, "--from=hf", "--to=tf", *flags(**back, model_type="albert"))


@pytest.fixture(
    scope="module", params=["file", pytest.param("ram", marks=HAS_RAM)], ids=str
)
def place(request, tmp_path_factory):
    """The URL below which the chain has read and written all its files."""
    local = tmp_path_factory.mktemp("local")
    url = f"ram://{local}"
    if request.param == "file":
        url = f"file://{tmp_path_factory.mktemp('remote')}"
    write_inputs(local, url)
    before, working = read_all(f"{url}/in"), tmp_path_factory.mktemp("working")
    home = os.getcwd()
    os.chdir(str(working))
    try:
        pre_train(url)
        fine_tune(url)
        if request.param == "file":
            use_models(url)
            convert_both_ways(url)
        assert files.walk(".") == []
    finally:
        os.chdir(home)
        locks.release_objects()
    assert read_all(f"{url}/in") == before
    return url


def names(folder):
    return set(files.walk(folder))


def test_data_commands(place):
    assert files.exists(f"{place}/clean.txt.gz")
    assert names(f"{place}/vocabulary") == {"vocab.txt", "tokenizer_config.json"}
    assert {"manifest.json", "pretraining-00000.tfrecord"} <= names(f"{place}/records")
    assert files.matching(place, "*.tfrecord") == [
        f"{place}/a.tfrecord",
        f"{place}/b.tfrecord",
    ]
    assert not files.matching(place, "*.shards")


def test_training_and_its_pictures(place):
    pretrained, finetuned = names(f"{place}/pretrained"), names(f"{place}/finetuned")
    assert {"eval_results.json", "training_curves.png", "vocab.txt"} <= pretrained
    assert "report.html" in pretrained & finetuned
    assert {"test_results.json", "confusion_matrix_test.png", "task.json"} <= finetuned
    for folder in ("pretrained", "finetuned/best"):
        found = checkpoints.find_checkpoint(f"{place}/{folder}")
        assert found.startswith(f"{place}/{folder}/model.ckpt-")
    png = files.read_bytes(f"{place}/pretrained/training_curves.png")
    assert png.startswith(b"\x89PNG")


ON_FILES = pytest.mark.parametrize("place", ["file"], indirect=True)


@ON_FILES
def test_prediction_and_features(place):
    predicted = files.read_text(f"{place}/out/predictions.tsv").splitlines()
    assert predicted[0].startswith("id\tprediction") and len(predicted) == 5
    lines = files.read_text(f"{place}/out/features.jsonl").splitlines()
    assert json.loads(lines[0])["features"][0]["token"] == "[CLS]"


@ON_FILES
def test_conversion_and_export(place):
    assert {"config.json", "model.safetensors", "vocab.txt"} <= names(f"{place}/hf")
    weights = [
        dict(checkpoints.checkpoint_shapes(checkpoints.find_checkpoint(folder)))
        for folder in (f"{place}/finetuned/best", f"{place}/tf/best")
    ]
    assert weights[1].items() <= weights[0].items()
    served = names(f"{place}/served/1")
    assert {"saved_model.pb", "assets/vocab.txt", "assets/task.json"} <= served


def test_nothing_half_written_and_no_lock_is_left(place):
    assert not [
        name for name in names(place) if "incomplete" in name or name.endswith(".lock")
    ]


def test_a_place_out_of_reach_is_one_line(capfd):
    place = "nosuch://bucket"
    train = dict(task_name="NSMC", output_dir="out", do_train=True)
    for command, values in (
        (predict, dict(model_dir=f"{place}/run", input=f"{place}/a.txt")),
        (finetune, dict(train, model_dir=f"{place}/model")),
        (export, dict(model_dir=f"{place}/run", output_dir=f"{place}/served")),
    ):
        with pytest.raises(SystemExit) as stop:
            run(command, *flags(**values))
        said = capfd.readouterr().err
        assert stop.value.code == 1 and said.count("\n") == 1
        assert f"error: {place}/" in said and "cannot be reached (" in said
        assert "Check its name, the network, and your rights" in said


def test_commands_of_this_machine_say_so():
    with pytest.raises(InputError, match="--output_dir=gs://b/a: a recipe takes files"):
        recipe.main(["recipe", "--output_dir=gs://b/a"])
    benchmark.FLAGS(["benchmark", "--output_dir=gs://b/a"])
    with pytest.raises(InputError, match="machine only, no URLs. Copy them here first"):
        benchmark.main()
