"""A tiny model, a tiny data set, and run_classifier.py in this process or another.

The model has one layer of width 16, so that a run takes a second or two.
"""

import json
import os
import subprocess
import sys
from unittest import mock

from data.evaluation import plots
from encoder_ko import cli
from korean_encoders.commands import finetune
from tests.support.paths import ROOT
from tests.support.quick_graphs import quick_graphs

CONFIG = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}

_GOOD = ("재밌다", "최고", "감동", "추천", "멋진")
_BAD = ("지루함", "최악", "별로", "실망", "돈아까움")
_NEUTRAL = ("영화", "배우", "연출", "그냥", "정말", "ㅋㅋ", "너무", "또")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") + _GOOD + _BAD + _NEUTRAL


def texts_and_labels(count, start=0):
    """`count` reviews of one to eight words, and 0 or 1 in turn."""
    for number in range(start, start + count):
        label = number % 2
        words = (_BAD, _GOOD)[label]
        text = [words[number % 5]]
        text += [_NEUTRAL[(number * 3 + i) % 8] for i in range(number % 8)]
        yield " ".join(text), label


def write_table(path, header, rows, end="\n"):
    """A tab separated file; `end` is the line end."""
    lines = ["\t".join(header)] + ["\t".join(map(str, row)) for row in rows]
    with open(str(path), "w", encoding="utf-8", newline="") as writer:
        writer.write("".join(line + end for line in lines))


def write_reviews(path, count, start=0, end="\n"):
    """A file of NSMC's columns; ids are start, start + 1, ..."""
    write_table(
        path,
        ("id", "document", "label"),
        (
            (start + n, text, label)
            for n, (text, label) in enumerate(texts_and_labels(count, start))
        ),
        end,
    )


def write_model(folder, **changes):
    """bert_config.json and vocab.txt."""
    folder.mkdir(exist_ok=True)
    config = json.dumps(dict(CONFIG, **changes))
    (folder / "bert_config.json").write_text(config, encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return folder


def write_data(folder, train=22, dev=7, test=9, end="\n"):
    """train.tsv, dev.tsv and test.tsv, no row in two of them."""
    folder.mkdir(exist_ok=True)
    write_reviews(folder / "train.tsv", train, 0, end)
    write_reviews(folder / "dev.tsv", dev, 1000, end)
    write_reviews(folder / "test.tsv", test, 2000, end)
    return folder


def arguments(data, model, output, **changes):
    """Flags of a run over tiny data and model; None leaves a flag out."""
    flags = dict(
        task_name="NSMC",
        data_dir=data,
        bert_config_file=model / "bert_config.json",
        vocab_file=model / "vocab.txt",
        output_dir=output,
        do_train=True,
        do_eval=True,
        do_predict=True,
        max_seq_length=8,
        train_batch_size=4,
        eval_batch_size=4,
        predict_batch_size=4,
        learning_rate=0.01,
        num_train_epochs=2,
    )
    flags.update(changes)
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def run(*flags):
    """`run_with_pictures`, without these, which take a tenth of it."""
    pictures = ("write_confusion_matrix_png", "write_scatter_png")
    nothing = {name: lambda *arguments, **named: None for name in pictures}
    with mock.patch.multiple(plots, **nothing):
        return run_with_pictures(*flags)


def run_with_pictures(*flags):
    """`run_as_shipped`, with a graph that is quicker to build."""
    with quick_graphs():
        return run_as_shipped(*flags)


def run_as_shipped(*flags):
    """Runs the script in this process; the exit status."""
    try:
        cli.run(finetune.main, finetune.FLAGS, ["run_classifier.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


_RUN = """
import sys
from tests.support import fine_tuning_runs
sys.exit(fine_tuning_runs.run(*sys.argv[1:]))
"""


def start(*flags):
    """Starts `run` in a process of its own."""
    return _process(["-c", _RUN, *flags], cwd=ROOT)


def start_as_shipped(*flags, **options):
    """Starts the script in a process of its own."""
    script = os.path.join(ROOT, "run_classifier.py")
    return _process([script, *flags], **options)


def _process(arguments, **options):
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        encoding="utf-8",
        **options,
    )


def read_json(*parts):
    with open(os.path.join(*map(str, parts)), encoding="utf-8") as reader:
        return json.load(reader)


def read_rows(*parts):
    """The cells of every line."""
    with open(os.path.join(*map(str, parts)), encoding="utf-8", newline="") as reader:
        lines = reader.read().split("\n")
    assert lines[-1] == ""
    return [line.split("\t") for line in lines[:-1]]
