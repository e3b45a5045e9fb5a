"""Predictor and predict.py: what run_classifier.py predicts, for any text."""

import io
import json
import os
import shutil
import types

import numpy as np
import pytest

from data.features.prediction_input import format_of, read_items
from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions
from encoder_ko import cli
from encoder_ko.finetuning import trainer
from encoder_ko.hub import tensors
from encoder_ko.training import checkpoints
from korean_encoders.commands import predict
from tests.support import fine_tuning_runs as runs
from tests.support.made_up_models import fine_tuned_model

pytestmark = pytest.mark.slow


def run(*flags):
    """Runs the script in this process; the exit status."""
    try:
        cli.run(predict.main, predict.FLAGS, ["predict.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


def pipe(monkeypatch, content):
    """Makes these bytes the standard input."""
    stream = types.SimpleNamespace(buffer=io.BytesIO(content))
    monkeypatch.setattr("sys.stdin", stream)


@pytest.fixture(scope="module")
def nsmc(tmp_path_factory):
    """A fine-tuning run, and the texts of its test file."""
    folder = tmp_path_factory.mktemp("predict")
    model, data = runs.write_model(folder / "model"), runs.write_data(folder / "data")
    flags = runs.arguments(
        data, model, folder / "run", num_train_epochs=1, pad_to_max=True
    )
    assert runs.run(*flags) == 0
    texts = [row[1] for row in runs.read_rows(data, "test.tsv")[1:]]
    return folder / "run", texts


@pytest.fixture(scope="module")
def predictors(tmp_path_factory):
    """Models with random weights, by task type."""
    folder = tmp_path_factory.mktemp("kinds")
    made = {}
    for family, task_type in (
        ("albert", "regression"),
        ("electra", "tagging"),
        ("bert", "question_answering"),
    ):
        fine_tuned_model(folder / task_type, family, task_type)
        made[task_type] = folder / task_type
    return made


@pytest.fixture(scope="module")
def tagger(predictors):
    with predict.Predictor.load(str(predictors["tagging"])) as predictor:
        yield predictor


@pytest.fixture()
def every_word_is_a_person(monkeypatch):
    """Each token has the tag PER-B, whatever the weights are."""
    real = trainer.in_order

    def in_order(batches, count):
        found = real(batches, count)
        return dict(found, tag_ids=np.ones_like(found["tag_ids"]))

    monkeypatch.setattr(trainer, "in_order", in_order)


def test_the_probabilities_of_run_classifier(nsmc):
    run_dir, texts = nsmc
    rows = runs.read_rows(run_dir, "test_results.tsv")
    expected = np.array([row[2:-1] for row in rows[1:]], np.float64)
    with predict.Predictor.load(str(run_dir), batch_size=4) as predictor:
        found = predictor.predict(texts)
        probabilities = [list(each["probabilities"].values()) for each in found]
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=2e-6)
        assert [each["label"] for each in found] == [row[1] for row in rows[1:]]
        assert list(found[0]["probabilities"]) == rows[0][2:-1]

        backwards = predictor.predict(reversed(texts))[::-1]
        for one, other in zip(found, backwards):
            assert one["probabilities"] == pytest.approx(
                other["probabilities"], abs=1e-6
            )
        assert predictor.task.name == "NSMC"


@pytest.mark.parametrize(
    "family, task_type, changes",
    [
        ("bert", "classification", {}),
        ("albert", "regression", {}),
        ("electra", "tagging", {}),
        ("electra", "dependency_parsing", {}),
        ("bert", "question_answering", {}),
        ("albert", "question_answering", {"unanswerable": True}),
        ("electra", "question_answering", {"unanswerable": True}),
    ],
)
def test_padding_makes_no_difference(tmp_path, family, task_type, changes):
    """A text is predicted alike alone, where nothing is padded, and beside others."""
    fine_tuned_model(tmp_path / "run", family, task_type, **changes)
    texts = ["재밌다", "최고 영화 정말 배우 또", "ㅋㅋ 너무 " * 9]
    if task_type in ("regression", "question_answering"):
        texts = [("배우 또", text) for text in texts]
    with predict.Predictor.load(str(tmp_path / "run")) as predictor:
        together = predictor.predict(texts)
        alone = [predictor.predict([text])[0] for text in texts]
    assert together == [close_to(each) for each in alone]


def test_batches_of_short_texts_have_as_many_tokens_as_those_of_long_ones(tmp_path):
    """Two texts of the 12 tokens that the model reads, or eight of three."""
    fine_tuned_model(tmp_path / "run", "bert", "classification")
    shapes = []
    with predict.Predictor.load(str(tmp_path / "run"), batch_size=2) as predictor:
        run = predictor._session.run

        def recorded(outputs, feed):
            shapes.append(max(np.shape(value) for value in feed.values()))
            return run(outputs, feed)

        predictor._session.run = recorded
        found = predictor.predict(["재밌다"] * 20 + ["ㅋㅋ 너무 " * 20] * 3)
    assert shapes == [(2, 12), (2, 12), (8, 3), (8, 3), (3, 3)]
    assert found[0] == close_to(found[19]) != close_to(found[20])


def close_to(expected):
    """Floats of nested values may differ in their last digits."""
    if isinstance(expected, dict):
        return {name: close_to(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return [close_to(value) for value in expected]
    return pytest.approx(expected, abs=1e-5) if type(expected) is float else expected


def test_empty_texts_and_no_texts(nsmc):
    with predict.Predictor.load(str(nsmc[0])) as predictor:
        assert predictor.predict([]) == []
        found = predictor.predict(["", "재밌다", "  "])
        assert sum(found[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert found[0]["probabilities"] == pytest.approx(
            found[2]["probabilities"], abs=1e-6
        )
        with pytest.raises(InputError, match="is one text, expected a list"):
            predictor.predict("재밌다")
        with pytest.raises(InputError, match="Text 1: .*expected a text or two"):
            predictor.predict(["재밌다", ("a", "b", "c")])
        with pytest.raises(InputError, match="Text 0: 3, expected a text or two"):
            predictor.predict([3])
        with pytest.raises(InputError, match="Text 1: a pair, but NSMC is a task of"):
            predictor.predict(["재밌다", ("7", "최고")])


def test_a_closed_predictor_says_so(nsmc):
    predictor = predict.Predictor.load(str(nsmc[0]))
    predictor.close()
    predictor.close()
    with pytest.raises(InputError, match=r"is closed: predict before close\(\), or"):
        predictor.predict(["재밌다"])
    with pytest.raises(InputError, match="is closed"):
        predictor.predict([])


@pytest.mark.parametrize(
    "texts, message",
    [
        ({"text": "좋아"}, "A dict, expected texts in an order"),
        ({"좋아"}, "A set, expected texts in an order"),
        (None, "A NoneType, expected texts in an order"),
        ("좋아", "is one text, expected a list"),
        (b"a", "is one text, expected a list"),
        (["가", "\ud83d"], "Text 1: .* has half a character or a NUL in it"),
        (["\0a"], "Text 0: .* has half a character or a NUL in it"),
    ],
)
def test_what_is_no_list_of_texts(tagger, texts, message):
    with pytest.raises(InputError, match=message):
        tagger.predict(texts)


def test_a_fork_says_so(tagger, monkeypatch):
    """TensorFlow's threads stay in the process that loaded it."""
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InputError, match="before the process was forked"):
        tagger.predict(["재밌다"])


@pytest.mark.parametrize("place", [None, 3, b"a", ""])
def test_what_is_no_path(place):
    with pytest.raises(InputError, match="is no path: name the --output_dir"):
        predict.Predictor.load(place)


@pytest.mark.parametrize("size", [0, -1, 2.5, "4", True, None])
def test_a_batch_holds_at_least_one_text(nsmc, size):
    with pytest.raises(InputError, match=f"batch_size={size!r}, expected a whole"):
        predict.Predictor.load(str(nsmc[0]), batch_size=size)


def test_a_broken_weight_stops_at_the_first_row_that_it_spoils(nsmc, tmp_path, capfd):
    """NaN in the embedding of one piece spoils the texts that have it, no others."""
    run_dir = tmp_path / "run"
    shutil.copytree(str(nsmc[0]), str(run_dir))
    best = checkpoints.find_checkpoint(str(run_dir / "best"))
    values = tensors.read_checkpoint(best)
    vocabulary = (run_dir / "vocab.txt").read_text("utf-8").split()
    words = [piece for piece in vocabulary[5:] if piece.isalpha()]
    values["bert/embeddings/word_embeddings"][vocabulary.index(words[0])] = np.nan
    tensors.write_checkpoint(best, values)
    texts = tmp_path / "texts.txt"
    content = [words[1], "", f"{words[1]} {words[0]}", words[0]]
    texts.write_text("\n".join(content) + "\n", encoding="utf-8")
    target = tmp_path / "out.tsv"
    flags = (f"--model_dir={run_dir}", f"--input={texts}", f"--output_file={target}")
    assert run(*flags) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert f"{texts}, line 3: The prediction is not a number" in error
    assert f"weights in {best} are broken" in error
    assert not target.exists()


def test_a_file_of_unknown_pieces_is_told_with_its_cause(nsmc, tmp_path, capfd):
    run_dir, texts = nsmc
    path = tmp_path / "texts.txt"
    path.write_text("\u3069\u3046\u3082\n" * 3, encoding="utf-8")
    flags = (f"--model_dir={run_dir}", f"--input={path}")
    assert run(*flags, f"--output_file={tmp_path / 'a.tsv'}") == 0
    error = capfd.readouterr().err
    assert f"{path}: 100.0% of the pieces are unknown to the vocabulary" in error
    assert "\u3069\u3046\u3082" in error and "another language or model" in error
    path.write_text(texts[0] + "\n", encoding="utf-8")
    assert run(*flags, f"--output_file={tmp_path / 'b.tsv'}") == 0
    assert "unknown to the vocabulary" not in capfd.readouterr().err


def test_pairs_have_scores(predictors):
    with predict.Predictor.load(str(predictors["regression"])) as predictor:
        both = predictor.predict([("재밌다", "최고"), ("최고 영화", "또")])
        assert all(isinstance(each["score"], float) for each in both)
        alone = predictor.predict([("최고 영화", "또")])
        assert alone[0]["score"] == pytest.approx(both[1]["score"], abs=1e-5)
        with pytest.raises(InputError, match="Text 0: one text, but KorSTS is a task"):
            predictor.predict(["재밌다"])


def test_entities_are_cut_from_the_text_as_given(predictors, every_word_is_a_person):
    text = "  재밌다\t 최고  영화\u3000감동 "
    with predict.Predictor.load(str(predictors["tagging"])) as predictor:
        found, empty = predictor.predict([text, ""])
        assert found["text"] == text and found["words"] == text.split()
        assert [each["text"] for each in found["entities"]] == text.split()
        for each in found["entities"]:
            assert each["text"] == text[each["start"] : each["end"]]
            assert each["type"] == "PER" and 0 < each["probability"] <= 1
        assert empty["entities"] == [] and empty["words"] == []
        with pytest.raises(InputError, match="Text 0: a pair, but NaverNER"):
            predictor.predict([("재밌다", "최고")])


def test_answers_are_cut_from_the_passage(predictors):
    passage = "정말 재밌다.  배우 최고! " * 6
    with predict.Predictor.load(str(predictors["question_answering"])) as predictor:
        found = predictor.predict([("배우?", passage), ("또?", "최고")])
        for each, text in zip(found, (passage, "최고")):
            assert each["answer"] == text[each["start"] : each["end"]]
            assert sum(c["probability"] for c in each["candidates"]) == pytest.approx(1)
        with pytest.raises(InputError, match="Text 0: a question without"):
            predictor.predict(["배우?"])


def test_a_file_of_texts(nsmc, tmp_path, capfd):
    run_dir, texts = nsmc
    texts = [texts[0], "", "<b> 최고\t!"] + texts[1:]
    path = tmp_path / "texts.txt"
    path.write_text("\r\n".join(texts), encoding="utf-8")
    target = tmp_path / "found.tsv"
    command = [f"--model_dir={run_dir}", f"--input={path}", f"--output_file={target}"]
    assert run(*command) == 0
    rows = runs.read_rows(target)
    assert rows[0] == ["id", "prediction", "negative", "positive", "is_cut", "text"]
    assert [row[0] for row in rows[1:]] == [str(n) for n in range(1, len(texts) + 1)]
    assert [row[5] for row in rows[1:]] == [text.replace("\t", " ") for text in texts]
    expected = runs.read_rows(run_dir, "test_results.tsv")[1]
    np.testing.assert_allclose(
        [float(cell) for cell in rows[1][2:4]],
        [float(cell) for cell in expected[2:-1]],
        atol=2e-6,
    )
    assert run(*command) == 1
    assert "exists already. Pass --overwrite" in capfd.readouterr().err


def test_the_texts_are_never_replaced(tmp_path, capfd):
    path = tmp_path / "reviews.txt"
    path.write_text("좋다\n", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to(path)
    for output in (path, tmp_path / "link.txt"):
        command = ["--model_dir=x", f"--input={path}", f"--output_file={output}"]
        assert run(*command, "--overwrite") == 1
        message = f"--output_file={output} is one of the files of --input={path}: wri"
        assert message in capfd.readouterr().err
    assert path.read_text(encoding="utf-8") == "좋다\n"


def test_standard_input_and_output(nsmc, monkeypatch, capfdbinary):
    pipe(monkeypatch, "\ufeff재밌다 영화\n\n".encode("utf-8"))
    assert run(f"--model_dir={nsmc[0]}", "--input=-", "--output_format=jsonl") == 0
    lines = capfdbinary.readouterr().out.decode("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [each["text"] for each in records] == ["재밌다 영화", ""]
    assert set(records[0]["probabilities"]) == {"negative", "positive"}
    assert "재밌다" in lines[0]


def test_tables_of_pairs(predictors, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("번호\tb\ta\n7\t최고\t재밌다\n8\t또\t영화\n", encoding="utf-8")
    target = tmp_path / "scores.tsv"
    command = [f"--model_dir={predictors['regression']}", f"--input={path}"]
    assert run(*command, "--columns=a,b", f"--output_file={target}") == 0
    rows = runs.read_rows(target)
    assert rows[0] == ["id", "score", "is_cut", "text", "text_b"]
    assert [row[3:] for row in rows[1:]] == [["재밌다", "최고"], ["영화", "또"]]
    float(rows[1][1])


def test_comma_separated_files(nsmc, tmp_path):
    path, target = tmp_path / "in.csv", tmp_path / "found.tsv"
    content = 'id,document\n7,"재밌다, ""최고""\n영화"\n\n8,또\n'
    path.write_text(content, encoding="utf-8")
    command = [f"--model_dir={nsmc[0]}", f"--input={path}", "--columns=document"]
    assert run(*command, f"--output_file={target}") == 0
    rows = runs.read_rows(target)[1:]
    assert [(row[0], row[-1]) for row in rows] == [
        ("7", '재밌다, "최고" 영화'),
        ("8", "또"),
    ]


@pytest.mark.parametrize(
    "path, columns, form",
    [
        ("a.csv", [], "csv"),
        ("a.CSV", ["text"], "csv"),
        ("-", ["text"], "tsv"),
        ("ratings_test.txt", ["document"], "tsv"),
        ("ratings_test.txt", [], "text"),
        ("a.text", ["text"], "tsv"),
        ("a.jsonl", [], "jsonl"),
    ],
)
def test_the_form_of_the_input(path, columns, form):
    assert format_of(path, columns) == form


@pytest.mark.parametrize("form, comma", [("csv", ","), ("tsv", "\t")])
def test_tables_on_standard_input(monkeypatch, form, comma):
    table = "id,document\n7,재밌다\n8,최고\n".replace(",", comma).encode()
    pipe(monkeypatch, table)
    items = list(read_items("-", form, ["document"]))
    assert [(item.item_id, item.text) for item in items] == [
        ("7", "재밌다"),
        ("8", "최고"),
    ]
    pipe(monkeypatch, table)
    with pytest.raises(InputError, match="line 1 is a header. Pass --columns=document"):
        next(read_items("-", form))
    pipe(monkeypatch, table.replace(b"document", b"d"))
    first = next(read_items("-", form))
    assert (first.text, first.text_b) == ("id", "d")
    pipe(monkeypatch, b"")
    assert list(read_items("-", form)) == []


def test_columns_are_of_tables_only(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "최고"}\n', encoding="utf-8")
    for form in ("text", "jsonl", "json"):
        with pytest.raises(InputError, match=f"is read as {form}. Pass --input_format"):
            read_items(str(path), form, ["text"])


def test_a_column_that_stands_twice(nsmc, tmp_path, capfd):
    path = tmp_path / "a.tsv"
    path.write_text("text\ttext\n좋아요\t싫어요\n", encoding="utf-8")
    words = [f"--model_dir={nsmc[0]}", f"--input={path}", "--columns=text"]
    assert run(*words) == 1
    assert "line 1: 2 columns are named 'text'" in capfd.readouterr().err


def test_half_characters_and_nul_in_json(tmp_path):
    lines = ("\\ud83d", "\\u0000", "\\ud83d\\ude00")
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "좋다 {text}"}}\n' for text in lines))
    with pytest.raises(InputError, match="line 1: half a character or a NUL in it"):
        list(read_items(str(path), "jsonl"))
    bad_rows = BadRows(str(path), 2)
    items = list(read_items(str(path), "jsonl", bad_rows=bad_rows))
    assert [(item.item_id, item.text) for item in items] == [("3", "좋다 😀")]
    assert "2 bad rows" in bad_rows.summary()
    path.write_text('{"id": "\\udc00", "text": "좋다"}\n')
    with pytest.raises(InputError, match="line 1: half a character"):
        list(read_items(str(path), "jsonl"))

    qas = [{"id": "a-1", "question": "누구?"}, {"id": "a-2", "question": "\ud83d?"}]
    paragraphs = [{"context": "최고 배우", "qas": qas}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    with pytest.raises(InputError, match="question a-2: half a character or a NUL"):
        list(read_items(str(path), "json"))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a\0b", "a NUL byte at character 1"),
        (b"x" * 150000, "150,000 characters, expected at most 100,000"),
        (b"x" * 900000, "too many characters, expected at most 100,000"),
        (
            "영화".encode("cp949"),
            "byte 0xBF at offset 2 of the file is not valid utf-8",
        ),
    ],
    ids=["nul", "long", "longer", "cp949"],
)
def test_lines_of_standard_input_are_those_of_a_file(
    monkeypatch, tmp_path, content, message
):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" + content + b"\nb\n")
    pipe(monkeypatch, path.read_bytes())
    with pytest.raises(InputError, match=f"^Standard input, line 2: {message}"):
        list(read_items("-", "text"))
    pipe(monkeypatch, path.read_bytes())
    one = ReadingOptions(max_bad_rows=1)
    items = list(read_items("-", "text", reading=one))
    assert [(item.item_id, item.text) for item in items] == [("1", "a"), ("3", "b")]
    if b"\xbf" not in content:  # a whole file in CP949 is recognised at once
        of_file = read_items(str(path), "text", reading=one)
        assert [item.text for item in of_file] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["cp949", "utf-16"])
def test_other_encodings_and_bad_rows(nsmc, tmp_path, monkeypatch, capfd, encoding):
    content = "재밌다\n\0\n영화\n".encode(encoding)
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    command = [f"--model_dir={nsmc[0]}", f"--encoding={encoding}", "--max_bad_rows=1"]
    for source in (str(path), "-"):
        pipe(monkeypatch, content)
        assert run(*command, f"--input={source}") == 0
        written = capfd.readouterr()
        rows = [line.split("\t") for line in written.out.splitlines()]
        assert [(row[0], row[-1]) for row in rows[1:]] == [
            ("1", "재밌다"),
            ("3", "영화"),
        ]
        assert "1 bad rows (" in written.err


def test_entities_as_a_table_and_as_json(predictors, tmp_path, every_word_is_a_person):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"id": "가", "text": "재밌다  최고"}\n', encoding="utf-8")
    table, lines = tmp_path / "found.tsv", tmp_path / "found.jsonl"
    for target in (table, lines):
        command = [f"--model_dir={predictors['tagging']}", f"--input={path}"]
        assert run(*command, f"--output_file={target}") == 0
    found = json.loads(lines.read_text(encoding="utf-8"))
    assert found["id"] == "가"
    rows = runs.read_rows(table)
    assert rows[0] == ["id", "type", "entity", "start", "end", "probability"]
    assert [row[2:5] for row in rows[1:]] == [["재밌다", "0", "3"], ["최고", "5", "7"]]
    assert [row[1:5] for row in rows[1:]] == [
        [each["type"], each["text"], str(each["start"]), str(each["end"])]
        for each in found["entities"]
    ]


def test_questions_of_korquad(predictors, tmp_path, capfd):
    qas = [{"id": "질문-1", "question": "누구?", "answers": []}]
    content = {
        "data": [{"title": "글", "paragraphs": [{"context": "최고 배우", "qas": qas}]}]
    }
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    command = [f"--model_dir={predictors['question_answering']}", f"--input={path}"]
    assert run(*command) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["id"] == "질문-1" and found["text_b"] == "최고 배우"
    assert found["answer"] == "최고 배우"[found["start"] : found["end"]]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.tsv", "가\t나\n다\n", "line 2: 1 columns, expected 2"),
        ("a.tsv", "가\t나\t다\n", "line 1: 3 columns, expected one text or two"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.jsonl", "[" * 99000 + "\n", "line 1: lists or objects nested too deeply"),
        ("a.jsonl", '{"text": "가", "text": "나"}\n', "the key 'text' stands"),
        ("a.jsonl", '{"txt": "가"}\n', "line 1: expected an object such as"),
        ("a.jsonl", '{"text": 3}\n', "line 1: expected an object such as"),
        ("a.json", '{"data": [{}]}', "does not have the form of SQuAD 1.1"),
        ("a.txt", "", "is empty (0 bytes)"),
    ],
)
def test_bad_input(nsmc, tmp_path, capfd, name, content, message):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert run(f"--model_dir={nsmc[0]}", f"--input={path}") == 1
    assert message in capfd.readouterr().err


@pytest.mark.parametrize(
    "task_type, name, content, message",
    [
        (
            None,
            "a.tsv",
            "1\t최고\n",
            "a.tsv, line 1: a pair, but NSMC is a task of single",
        ),
        (
            "regression",
            "a.txt",
            "최고\n",
            "a.txt, line 1: one text, but KorSTS is a task",
        ),
        ("tagging", "a.tsv", "1\t최고\n", "a.tsv, line 1: a pair, but NaverNER is"),
        (
            "question_answering",
            "a.jsonl",
            '{"question": "누구?", "context": "최고"}\n{"id": "가", "text": "누구?"}\n',
            "a.jsonl, line 2: a question without a passage",
        ),
    ],
)
def test_pairs_and_single_texts_are_told_apart(
    nsmc, predictors, tmp_path, capfd, task_type, name, content, message
):
    path, target = tmp_path / name, tmp_path / "found.tsv"
    path.write_text(content, encoding="utf-8")
    model = predictors[task_type] if task_type else nsmc[0]
    command = [f"--model_dir={model}", f"--input={path}", f"--output_file={target}"]
    assert run(*command) == 1
    assert message in capfd.readouterr().err
    assert not target.exists()


def test_a_run_that_does_not_say_whether_it_is_of_pairs(nsmc, tmp_path):
    """As runs did before task.json held it: either is taken."""
    old = tmp_path / "old"
    shutil.copytree(str(nsmc[0]), str(old))
    described = runs.read_json(old, "task.json")
    assert described["task"].pop("is_pair") is False
    (old / "task.json").write_text(json.dumps(described), encoding="utf-8")
    with predict.Predictor.load(str(old)) as predictor:
        assert predictor.task.is_pair is None
        assert len(predictor.predict(["재밌다", ("재밌다", "최고")])) == 2


def test_wrong_flags(nsmc, tmp_path, capfd):
    path = tmp_path / "a.tsv"
    path.write_text("가\t나\n", encoding="utf-8")
    model = f"--model_dir={nsmc[0]}"
    for flags, message in (
        ([model], "--input is missing"),
        ([f"--input={path}"], "--model_dir is missing"),
        ([model, "--input=none.txt"], "none.txt does not exist"),
        ([model, f"--input={path}", "--columns=다"], "no column '다', there are 가"),
        ([model, f"--input={path}", "--columns=a,b,c"], "expected one or two names"),
        ([f"--model_dir={tmp_path}", f"--input={path}"], "holds no fine-tuned model"),
        ([model, "--input=-", "--input_format=json"], "read from a file, not '-'"),
        ([model, f"--input={path}", "--encoding=cp99"], "--encoding=cp99 is unknown"),
    ):
        assert run(*flags) == 1
        assert message in capfd.readouterr().err
