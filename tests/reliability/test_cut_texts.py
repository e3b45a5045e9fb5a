"""What is longer than the model reads: read on in windows, or marked as cut."""

import json

import numpy as np
import pytest

from data.tokenization import build_tokenizer, preset
from encoder_ko import cli
from encoder_ko.finetuning import trainer
from korean_encoders.commands import predict
from tests.support import fine_tuning_runs as runs
from tests.support.made_up_models import fine_tuned_model

pytestmark = pytest.mark.usefixtures("quickly")


def run(*flags):
    try:
        cli.run(predict.main, predict.FLAGS, ["predict.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture()
def every_word_is_a_person(monkeypatch):
    """Each token has the tag PER-B, with the probability of the model's best."""
    real = trainer.in_order

    def in_order(batches, count):
        found = real(batches, count)
        return dict(found, tag_ids=np.ones_like(found["tag_ids"]))

    monkeypatch.setattr(trainer, "in_order", in_order)


def test_each_word_of_a_long_text_has_its_tag(tmp_path, every_word_is_a_person):
    """A word's tag is that of a window with as much of the text around it."""
    fine_tuned_model(tmp_path / "run", "bert", "tagging")
    words = ["재밌다", "영화", "배우", "최고", "또"] * 8
    with predict.Predictor.load(str(tmp_path / "run")) as predictor:
        (found,) = predictor.predict([" ".join(words)])
        # Room for 10 tokens, half of them new in each window.
        windows = [words[start : start + 10] for start in range(0, 31, 5)]
        alone = predictor.predict([" ".join(window) for window in windows])
    tokenizer = build_tokenizer(
        preset("korean_cased"), str(tmp_path / "run" / "vocab.txt")
    )
    assert len(tokenizer.encode_ids_batch([" ".join(words)])[0]) == len(words)
    assert found["words"] == words and found["tags"] == ["PER-B"] * len(words)
    assert [each["text"] for each in found["entities"]] == words
    sure = [each["probability"] for each in found["entities"]]
    for number, each in enumerate(alone):
        expected = [entity["probability"] for entity in each["entities"]]
        at = number * 5
        assert sure[at + 3 : at + 7] == pytest.approx(expected[3:7], abs=1e-5)
    assert sure[-1] == pytest.approx(expected[-1], abs=1e-5)
    assert np.ptp(sure) > 1e-3  # so that an exchange would be seen


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_texts_that_are_cut_are_counted_and_marked(tmp_path, capfd, task_type):
    fine_tuned_model(tmp_path / "run", "bert", task_type)
    rows = ["최고 영화\t또"[: None if task_type == "regression" else 5]] * 2
    rows[0] = rows[0].replace("최고", "최고 " * 20)
    path, out = tmp_path / "in.tsv", tmp_path / "out.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    flags = [f"--model_dir={tmp_path / 'run'}", f"--input={path}"]
    assert run(*flags, f"--output_file={out}") == 0
    header, *written = runs.read_rows(out)
    assert [row[header.index("is_cut")] for row in written] == ["true", "false"]
    said = capfd.readouterr().err
    assert "1 of 2 texts are longer than the model reads" in said
    assert run(*flags, "--output_format=jsonl") == 0
    lines = capfd.readouterr().out.splitlines()
    assert [json.loads(line)["is_cut"] for line in lines] == [True, False]
