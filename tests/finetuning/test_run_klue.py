"""KLUE's tasks from the samples' files to predictions, with a tiny model."""

import os

import numpy as np
import pytest

from data import tasks
from data.evaluation import klue_metrics
from encoder_ko import cli
from korean_encoders import Predictor
from korean_encoders.commands import predict
from tests.support import fine_tuning_runs as runs
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SAMPLES = os.path.join(ROOT, "samples")
DATA = os.path.join(SAMPLES, "klue")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return runs.write_model(folder / "model", vocab_size=3007)


def run(model, task_name, output, model_type="bert", **changes):
    flags = dict(
        task_name=task_name,
        model_type=model_type,
        bert_config_file=None,
        vocab_file=os.path.join(SAMPLES, "vocab.txt"),
        max_seq_length=64,
        max_query_length=16,
        doc_stride=16,
        num_train_epochs=3,
        do_predict=False,
        eval_every_steps=1000,
    )
    flags[f"{model_type}_config_file"] = model / "bert_config.json"
    flags.update(changes)
    assert runs.run(*runs.arguments(DATA, model, output, **flags)) == 0
    return runs.read_json(output, "eval_results.json")["metrics"]


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory):
    """Task -> (folder, metrics of dev) of a run that tests read, not change."""
    runs_by_task = {}

    def get(name):
        if name not in runs_by_task:
            output = tmp_path_factory.mktemp("finished") / "run"
            runs_by_task[name] = output, run(model, name, output)
        return runs_by_task[name]

    return get


@pytest.mark.parametrize("name", tasks.expand_groups(["klue"]))
def test_each_task_runs_on_its_sample(finished, name):
    output, metrics = finished(name)
    task = tasks.get_task(name)
    assert metrics["score"] == metrics[task.metric]
    lines = (output / "eval_results.txt").read_text().splitlines()
    shown = {line.split(" = ")[0] for line in lines}
    assert {f"eval_{metric}" for metric in task.reported} <= shown
    assert all(
        0 <= metrics[metric] <= 1 for metric in task.reported if metric != "pearson"
    )


def test_relations_are_learnt_between_markers(finished):
    """The same sentence with the entities the other way round is another input."""
    output, _ = finished("KLUE-RE")
    with Predictor.load(str(output)) as predictor:
        one, other = predictor.predict(
            [
                "<subj>이솔</subj>의 남편 <obj>박누리</obj>는 화가다.",
                "<obj>이솔</obj>의 남편 <subj>박누리</subj>는 화가다.",
            ]
        )
    assert one["probabilities"] != other["probabilities"]


def test_entities_over_characters(model, tmp_path):
    metrics = run(model, "KLUE-NER", tmp_path / "run", num_train_epochs=30)
    assert metrics["character_macro_f1"] > 0.3
    task = tasks.get_task("KLUE-NER")
    texts = [
        "".join(each.words) for each in tasks.load_split(task, DATA, "train").examples
    ]
    with Predictor.load(str(tmp_path / "run")) as predictor:
        for text, found in zip(texts, predictor.predict(texts)):
            assert found["text"] == text and found["words"] == list(text)
            assert len(found["tags"]) == len(text)
            for entity in found["entities"]:
                assert text[entity["start"] : entity["end"]] == entity["text"]
                assert entity["text"] == entity["text"].strip()


@pytest.mark.parametrize("model_type", ["albert", "bert", "electra"])
def test_dependencies(model, tmp_path, model_type):
    """The heads of the training sentences are learnt; metrics are of predictions."""
    metrics = run(
        model,
        "KLUE-DP",
        tmp_path / "run",
        model_type,
        num_train_epochs=30,
        learning_rate={"electra": 0.01}.get(model_type, 0.003),
    )
    task = tasks.get_task("KLUE-DP")
    learnt, sentences = (
        tasks.load_split(task, DATA, split).examples for split in ("train", "dev")
    )
    with Predictor.load(str(tmp_path / "run")) as predictor:
        texts = [" ".join(sentence.words) for sentence in learnt + sentences]
        found = predictor.predict(texts)
    right = [
        head == other
        for sentence, each in zip(learnt, found)
        for head, other in zip(sentence.heads, each["heads"])
    ]
    assert np.mean(right) > 0.8
    found = found[len(learnt) :]
    for sentence, each in zip(sentences, found):
        assert each["words"] == list(sentence.words)
        assert all(0 <= head <= len(sentence.words) for head in each["heads"])
    again = klue_metrics.parsing_metrics(
        [(sentence.heads, sentence.relations) for sentence in sentences],
        [
            (each["heads"], list(map(task.label_values.index, each["relations"])))
            for each in found
        ],
    )
    assert {name: metrics[name] for name in again} == pytest.approx(again)


def test_predictions_of_dependencies_as_a_table(finished, tmp_path, capfd):
    output, _ = finished("KLUE-DP")
    (tmp_path / "texts.txt").write_text("비가 왔다.\n", encoding="utf-8")
    command = ["predict.py", f"--model_dir={output}", "--output_format=tsv"]
    capfd.readouterr()
    cli.run(
        predict.main, predict.FLAGS, command + [f"--input={tmp_path / 'texts.txt'}"]
    )
    header, *rows = [
        line.split("\t") for line in capfd.readouterr().out.splitlines() if line
    ]
    assert header == ["id", "number", "word", "head", "relation"]
    assert [row[:3] for row in rows] == [["1", "1", "비가"], ["1", "2", "왔다."]]
    assert {row[4] for row in rows} <= set(tasks.get_task("KLUE-DP").label_values)


def test_words_that_are_cut_off_hang_on_the_root(model, tmp_path):
    run(model, "KLUE-DP", tmp_path / "run", num_train_epochs=1, max_seq_length=8)
    with Predictor.load(str(tmp_path / "run")) as predictor:
        (found,) = predictor.predict(["비가 " * 20])
    assert found["is_cut"] and len(found["heads"]) == 20
    assert found["heads"][-1] == 0 and np.ptp(found["heads"][10:]) == 0
