"""KorQuAD from the files to the results, with a tiny model."""

import json
from unittest import mock

import pytest

from data.evaluation.answer_metrics import answer_metrics
from data.evaluation.squad2_metrics import squad2_metrics
from encoder_ko.finetuning import job
from korean_encoders import Predictor
from tests.support import fine_tuning_runs as runs

pytestmark = pytest.mark.slow

NAMES = ("철수", "영희", "민수", "지수")
PLACES = ("서울", "부산", "대구")
PIECES = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "##는",
    "##에",
    "##가",
    ".",
    "?",
)
WORDS = ("누", "어디", "산다", "그", "또", "집", "어제", "왔다")


def article(number, with_answers=True):
    """A passage in which a person lives in a place, and asks for both."""
    name, place = NAMES[number % 4], PLACES[number % 3]
    context = "어제 왔다. " * (number % 3) + f"{name}는 {place}에  산다."
    context += " 그 집 또." * (number % 2)
    questions = []
    for where, question, answer in (("who", "누가?", name), ("where", "어디?", place)):
        answers = [{"text": answer, "answer_start": context.index(answer)}]
        questions.append(
            {
                "id": f"{number}-{where}",
                "question": question,
                "answers": answers * with_answers,
            }
        )
    return {
        "title": f"글 {number}",
        "paragraphs": [{"context": context, "qas": questions}],
    }


def write_articles(path, articles):
    content = {"version": "KorQuAD_v1.0", "data": list(articles)}
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    model = runs.write_model(folder / "model", vocab_size=40)
    vocabulary = PIECES + NAMES + PLACES + WORDS
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    write_articles(data / "KorQuAD_v1.0_train.json", map(article, range(60)))
    write_articles(data / "KorQuAD_v1.0_dev.json", map(article, range(100, 107)))
    return data, model, folder


def run(folders, output, model_type="bert", **changes):
    data, model, folder = folders
    flags = dict(
        task_name="KorQuAD",
        model_type=model_type,
        bert_config_file=None,
        max_seq_length=16,
        max_query_length=4,
        doc_stride=4,
        num_train_epochs=8,
        eval_every_steps=1000,
        dev_fraction=0.1,
    )
    flags[f"{model_type}_config_file"] = model / "bert_config.json"
    flags.update(changes)
    return runs.run(*runs.arguments(data, model, folder / output, **flags))


@pytest.mark.parametrize("model_type", ["albert", "bert", "electra"])
def test_from_files_to_results(folders, model_type):
    _, _, folder = folders
    learning_rate = {"albert": 0.005, "bert": 0.01, "electra": 0.005}[model_type]
    assert run(folders, model_type, model_type, learning_rate=learning_rate) == 0
    output = folder / model_type

    questions = {
        qa["id"]: (paragraph["context"], qa["answers"][0]["text"])
        for paragraph in (article(n)["paragraphs"][0] for n in range(100, 107))
        for qa in paragraph["qas"]
    }
    predictions = runs.read_json(output, "predictions.json")
    assert list(predictions) == list(questions)
    nbest = runs.read_json(output, "nbest_predictions.json")
    for name, (context, _) in questions.items():
        assert predictions[name] == nbest[name][0]["text"]
        assert sum(each["probability"] for each in nbest[name]) == pytest.approx(1)
        for each in nbest[name]:
            start = each["answer_start"]
            assert context[start : start + len(each["text"])] == each["text"]

    metrics = runs.read_json(output, "test_results.json")["metrics"]
    again = answer_metrics({n: [a] for n, (_, a) in questions.items()}, predictions)
    assert {key: metrics[key] for key in again} == again
    assert metrics["score"] == metrics["f1"] > 0.7
    dev = runs.read_json(output, "eval_results.json")["metrics"]
    assert dev["num_examples"] == 12  # six whole articles of sixty
    text = (output / "eval_results.txt").read_text()
    assert "eval_exact_match = " in text and "eval_f1 = " in text


def with_impossible(number):
    """An article that is also asked for a time, which its passage does not tell."""
    found = article(number)
    asked = {"id": f"{number}-when", "question": "집?", "is_impossible": True}
    found["paragraphs"][0]["qas"].append(dict(asked, answers=[]))
    return found


@pytest.mark.parametrize("model_type", ["albert", "bert", "electra"])
def test_questions_without_an_answer(folders, tmp_path, model_type):
    write_articles(
        tmp_path / "KorQuAD_v1.0_train.json", map(with_impossible, range(40))
    )
    test = list(map(with_impossible, range(100, 104)))
    write_articles(tmp_path / "KorQuAD_v1.0_dev.json", test)
    settings = dict(version_2_with_negative=True, do_eval=False, num_train_epochs=12)
    settings["learning_rate"] = {"electra": 0.005}.get(model_type, 0.01)
    arguments = ((tmp_path,) + folders[1:], f"none-{model_type}", model_type)
    assert run(*arguments, **settings) == 0
    output = folders[2] / f"none-{model_type}"
    metrics = runs.read_json(output, "test_results.json")["metrics"]
    assert (metrics["HasAns_total"], metrics["NoAns_total"]) == (8, 4)
    assert metrics["score"] == metrics["f1"]
    assert metrics["best_f1"] > 0.4  # more than by answering none
    odds = runs.read_json(output, "null_odds.json")
    predictions = runs.read_json(output, "predictions.json")
    threshold = {"electra": -2.75}.get(model_type, 0.0)
    best = runs.read_json(output, "nbest_predictions.json")
    again = squad2_metrics(
        {
            each["id"]: [answer["text"] for answer in each["answers"]]
            for passage in test
            for each in passage["paragraphs"][0]["qas"]
        },
        {name: candidates[0]["text"] for name, candidates in best.items()},
        odds,
        threshold,
    )
    assert {key: metrics[key] for key in again} == again
    assert {name for name in odds if odds[name] > threshold} == {
        name for name in predictions if not predictions[name]
    }
    assert {f"{n}-when" for n in range(100, 104)} <= set(odds)

    described = runs.read_json(output, "task.json")
    assert described["task"]["unanswerable"] is True
    assert described["settings"]["null_score_diff_threshold"] == threshold
    with Predictor.load(str(output)) as predictor:
        context = test[0]["paragraphs"][0]["context"]
        asked = {"who": "누가?", "where": "어디?", "when": "집?"}
        found = predictor.predict([(text, context) for text in asked.values()])
        for name, each in zip(asked, found):
            assert each["answer"] == predictions[f"100-{name}"]
            assert each["no_answer_score"] == pytest.approx(
                odds[f"100-{name}"], abs=1e-3
            )
            assert each["answer"] == context[each["start"] : each["end"]]


def test_only_questions_can_be_without_an_answer(folders, capfd):
    flags = dict(task_name="NSMC", version_2_with_negative=True)
    assert run(folders, "negative", **flags) == 1
    error = capfd.readouterr().err
    assert "--version_2_with_negative is for question answering; NSMC is" in error


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, 384),
        ({"task_defaults": True}, 512),
        ({"config": '{"max_seq_length": 200}'}, 200),
        ({"max_seq_length": 256}, 256),
    ],
)
def test_lengths_where_none_is_given(folders, tmp_path, changes, expected):
    """Upstream's, so that the stride of 128 and questions of 64 tokens have room."""
    model = runs.write_model(tmp_path, max_position_embeddings=512)
    flags = dict(
        task_name="KorQuAD",
        vocab_file=folders[1] / "vocab.txt",
        max_seq_length=None,
        do_predict=False,
        num_train_epochs=None,
    )
    arguments = runs.arguments(
        folders[0], model, tmp_path / "out", **dict(flags, **changes)
    )
    with mock.patch.object(job, "run") as run_job:
        assert runs.run(*arguments) == 0
    settings = run_job.call_args[0][0].task_settings
    assert settings.max_seq_length == expected
    assert (settings.doc_stride, settings.max_query_length) == (128, 64)


def test_the_lengths_of_the_defaults_can_be_trained(folders, tmp_path):
    model = runs.write_model(tmp_path, max_position_embeddings=384)
    write_articles(tmp_path / "KorQuAD_v1.0_train.json", map(article, range(4)))
    lengths = dict(max_seq_length=None, max_query_length=None, doc_stride=None)
    changes = dict(lengths, do_eval=False, do_predict=False, num_train_epochs=1)
    (tmp_path / "vocab.txt").write_bytes((folders[1] / "vocab.txt").read_bytes())
    assert run((tmp_path, model, tmp_path), "defaults", **changes) == 0


def test_questions_without_answers_and_long_ones(folders, tmp_path, capfd):
    articles = [article(number, with_answers=False) for number in range(3)]
    articles[0]["paragraphs"][0]["qas"][0]["question"] = "누가 또 또 또 또 또?"
    write_articles(tmp_path / "KorQuAD_v1.0_dev.json", articles)
    write_articles(tmp_path / "KorQuAD_v1.0_train.json", map(article, range(4)))
    status = run(
        (tmp_path,) + folders[1:], "unlabelled", do_eval=False, num_train_epochs=1
    )
    assert status == 0
    output = folders[2] / "unlabelled"
    assert len(runs.read_json(output, "predictions.json")) == 6
    assert not (output / "test_results.json").exists()
    error = capfd.readouterr().err
    message = "longer than --max_query_length=4 tokens, whose end is cut off: 1."
    assert error.count(message) == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"doc_stride": 10}, "--doc_stride=10 is more than the 9 tokens"),
        ({"max_query_length": 13}, "--max_seq_length=16 leaves no token"),
        ({"max_answer_length": 0}, "--max_answer_length=0"),
        ({"max_seq_length": 200}, "--max_seq_length=200 is above"),
    ],
)
def test_lengths_that_cannot_be(folders, capfd, changes, message):
    assert run(folders, "lengths", **changes) == 1
    assert message in capfd.readouterr().err


def test_bad_files(folders, tmp_path, capfd):
    path = tmp_path / "KorQuAD_v1.0_train.json"
    broken = (tmp_path,) + folders[1:]
    write_articles(path, map(article, range(6)))
    path.write_text(path.read_text()[:-40])
    assert run(broken, "broken", do_predict=False) == 1
    assert "KorQuAD_v1.0_train.json" in capfd.readouterr().err

    articles = [article(number) for number in range(6)]
    articles[2]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] += 1
    write_articles(path, articles)
    assert run(broken, "misplaced", do_predict=False) == 1
    error = capfd.readouterr().err
    assert "question 2-who: answer_start does not point at '민수'" in error
    assert "--max_bad_rows" in error
    assert run(broken, "misplaced", do_predict=False, max_bad_rows=1) == 0
