"""NaverNER from the files to the results, with a tiny model."""

import subprocess
import sys

import pytest

from data.evaluation.metrics import entity_metrics
from tests.support import fine_tuning_runs as runs

pytestmark = pytest.mark.slow

NAMES = {"PER": ("철수", "영희", "민수"), "LOC": ("서울", "부산")}
OTHERS = ("그는", "어제", "갔다", "왔다", "TV")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "##는", "##로", "씨")


def sentences(count, start=0):
    """Words and tags: a person, with or without "씨", and a place between others."""
    for number in range(start, start + count):
        words, tags = [OTHERS[number % 5]], ["O"]
        words.append(NAMES["PER"][number % 3] + "는" * (number % 2))
        tags.append("PER-B")
        if number % 4 == 0:
            words.append("씨")
            tags.append("PER-I")
        if number % 3:
            words.append(NAMES["LOC"][number // 3 % 2] + "로")
            tags.append("LOC-B")
        words.append(OTHERS[2 + number % 3])
        tags.append("O")
        yield words, tags


def write_sentences(path, rows, labelled=True):
    lines = [
        "\t".join([" ".join(words)] + [" ".join(tags)] * labelled)
        for words, tags in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train_sentencepiece(data, output):
    """A model of lower-cased text, by a process of its own.

    SentencePiece's trainer and TensorFlow 1.15 crash in one.
    """
    command = [sys.executable, "-m", "data.train_vocab", "--algorithm=bpe"]
    command += [f"--input_file={data / 'train.tsv'}", f"--output_dir={output}"]
    command += ["--vocab_size=40", "--character_coverage=1", "--do_lower_case"]
    subprocess.run(command, check=True, cwd=runs.ROOT)
    return output / "spm.model"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagging")
    model = runs.write_model(folder / "model")
    vocabulary = PIECES + NAMES["PER"] + NAMES["LOC"] + OTHERS
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    write_sentences(data / "train.tsv", sentences(80))
    write_sentences(data / "test.tsv", sentences(13, 500))
    return data, model, folder


def run(folders, output, model_type="bert", **changes):
    data, model, folder = folders
    flags = dict(
        task_name="NaverNER",
        model_type=model_type,
        bert_config_file=None,
        max_seq_length=16,
        num_train_epochs=6,
        eval_every_steps=1000,
        dev_fraction=0.2,
    )
    flags[f"{model_type}_config_file"] = model / "bert_config.json"
    flags.update(changes)
    flags = runs.arguments(data, model, folder / output, **flags)
    return runs.run_with_pictures(*flags)


@pytest.mark.parametrize("model_type", ["albert", "bert", "electra"])
def test_from_files_to_results(folders, model_type):
    """ALBERT with SentencePiece, whose pieces here are smaller and more."""
    data, _, folder = folders
    settings = dict(learning_rate={"electra": 0.005}.get(model_type, 0.01))
    if model_type == "albert":
        vocab_file = train_sentencepiece(data, folder / "spm")
        settings.update(vocab_file=vocab_file, max_seq_length=24)
    assert run(folders, model_type, model_type, **settings) == 0
    output = folder / model_type

    rows = runs.read_rows(output, "test_results.tsv")
    assert rows[0] == ["id", "word", "tag", "prediction"]
    found = {}
    for example_id, word, tag, prediction in rows[1:]:
        found.setdefault(example_id, []).append((word, tag, prediction))
    assert list(found) == [f"test-{line}" for line in range(1, 14)]
    expected = list(sentences(13, 500))
    for (words, tags), sentence in zip(expected, found.values()):
        assert [row[:2] for row in sentence] == list(zip(words, tags))

    metrics = runs.read_json(output, "test_results.json")["metrics"]
    again = entity_metrics(
        [[tag for _, tag, _ in sentence] for sentence in found.values()],
        [[prediction for *_, prediction in sentence] for sentence in found.values()],
    )
    assert {key: metrics[key] for key in again} == again
    assert metrics["score"] == metrics["f1"] > 0.9
    assert set(metrics["per_class"]) == {"PER", "LOC"} == set(metrics["types"]) - {"O"}
    assert sum(map(sum, metrics["confusion_matrix"])) == len(rows) - 1

    lines = dict(
        line.split(" = ")
        for line in (output / "eval_results.txt").read_text().splitlines()
    )
    assert {"eval_f1", "eval_precision", "eval_recall", "eval_loss"} <= set(lines)
    dev = runs.read_json(output, "eval_results.json")["metrics"]
    assert dev["num_examples"] == 16
    for name in ("confusion_matrix.png", "confusion_matrix_test.png"):
        assert (output / name).stat().st_size > 1000


def test_a_test_file_without_tags(folders, capfd):
    data, _, folder = folders
    unlabelled = folder / "unlabelled"
    unlabelled.mkdir()
    write_sentences(unlabelled / "test.tsv", sentences(3), labelled=False)
    write_sentences(unlabelled / "train.tsv", sentences(8))
    status = run(
        (unlabelled,) + folders[1:],
        "output",
        do_eval=False,
        num_train_epochs=1,
        max_seq_length=5,
    )
    assert status == 0
    rows = runs.read_rows(folder / "output", "test_results.tsv")
    assert rows[0] == ["id", "word", "prediction"]
    assert [row[1] for row in rows[1:]] == [w for ws, _ in sentences(3) for w in ws]
    assert not (folder / "output" / "test_results.json").exists()
    assert "test: the end of" not in capfd.readouterr().err  # windows read on


@pytest.mark.parametrize(
    "line, message",
    [
        ("그는 왔다\tO", "line 1: 2 words and 1 tags, expected one tag per word"),
        ("그는 왔다\tO 사람", "line 1: tag '사람', expected one of 29"),
        ("그는  왔다\tO O", "line 1: an empty word"),
    ],
)
def test_bad_rows_stop_with_their_line(folders, tmp_path, capfd, line, message):
    (tmp_path / "train.tsv").write_text(line + "\n", encoding="utf-8")
    assert run((tmp_path,) + folders[1:], "bad", do_predict=False) == 1
    assert message in capfd.readouterr().err


def test_class_weights_are_refused(folders, capfd):
    assert run(folders, "weights", class_weights="balanced") == 1
    error = capfd.readouterr().err
    assert (
        "--class_weights is for classification; NaverNER is a task of the type" in error
    )
