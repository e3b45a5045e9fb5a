"""Benchmarks: children that take turns, and what is reported of them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import (
    finetune_contenders,
    finetune_throughput,
    pretrain_contenders,
    pretrain_throughput,
    products,
    side_by_side,
    turns,
)
from benchmarks.side_by_side import Entry, Report
from data.records import tfrecords
from data.records.dataset import open_records
from data.records.schema import pretraining_features
from encoder_ko.compat import tf
from tests.support.paths import ROOT

CHILD = """
import sys, time
sys.path.insert(0, {root!r})
from benchmarks.turns import TurnTaker
taker = TurnTaker("software 1.0")
print("a library's greeting", flush=True)
lengths = iter(range(10, 100, 10))
for length in lengths:
    taker.before_step()
    time.sleep(0.01)
    taker.after_step(4, length)
{end}
"""


def contender(tmp_path, end=""):
    program = CHILD.format(root=ROOT, end=end)
    command = [sys.executable, "-c", program]
    return turns.Contender("child", command, str(tmp_path / "child.log"))


def test_a_child_runs_the_steps_it_is_told_and_keeps_its_place(tmp_path):
    with contender(tmp_path) as child:
        first, second = child.take_turn(1), child.take_turn(3)
    assert (first.steps, first.examples, first.padded_length) == (1, 4, 10)
    assert (second.steps, second.examples, second.padded_length) == (3, 12, 30)
    assert second.seconds >= 0.03
    assert second.rate == pytest.approx(12 / second.seconds)
    assert second.software == "software 1.0"


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="needs Linux's /proc")
def test_a_child_stands_still_until_its_turn(tmp_path):
    with contender(tmp_path) as child:
        child.take_turn(1)
        stat = f"/proc/{child._process.pid}/stat"
        for _ in range(100):
            with open(stat) as reader:
                state = reader.read().rsplit(")", 1)[1].split()[0]
            if state == "T":
                break
            time.sleep(0.01)
    assert state == "T"


def test_a_child_that_ends_is_reported_with_its_last_words(tmp_path):
    with contender(tmp_path, end="sys.exit('no more steps')") as child:
        child.take_turn(9)
        with pytest.raises(RuntimeError, match="child ended with status 1.*last:"):
            child.take_turn(1)
    assert "no more steps" in (tmp_path / "child.log").read_text()


def test_no_child_is_left(tmp_path):
    with contender(tmp_path) as child:
        child.take_turn(1)
    assert child._process.returncode == -signal.SIGKILL


def test_no_contender_starts_without_the_memory_for_it(tmp_path, monkeypatch):
    with contender(tmp_path) as child:
        child.take_turn(1)
        assert 1e6 < child.peak_bytes() < 1e11
        entry = Entry("hf", "float32")
        side_by_side._require_memory([child], entry)
        monkeypatch.setattr(turns, "available_bytes", lambda: child.peak_bytes() - 1)
        with pytest.raises(SystemExit, match="Hugging Face float32 does not start"):
            side_by_side._require_memory([child], entry)
        monkeypatch.setattr(turns, "available_bytes", lambda: None)
        side_by_side._require_memory([child], entry)


def turn(seconds, examples=100, steps=5, length=20.0, others=0.0):
    return turns.Turn(seconds, 2 * seconds, steps, examples, length, others, "x 1")


def test_turns_of_a_round_are_weighed_by_their_length():
    whole = turns.joined([turn(1.0, others=0.4), turn(3.0, 50, 15, 40.0, others=0.0)])
    assert whole == turns.Turn(4.0, 8.0, 20, 150, 35.0, 0.1, "x 1")
    assert whole.rate == 37.5
    assert turns.joined([turn(1.0), turn(1.0, others=None)]).other_cores is None


def report(others=0.0):
    return Report(
        {
            Entry("ours", "float32"): [turn(2.0), turn(5.0), turn(4.0)],
            Entry("ours", "bfloat16"): [turn(1.0, others=others)],
            Entry("hf", "float32"): [turn(5.0)],
            Entry("hf", "bfloat16"): [turn(2.0)],
            Entry("google", "float32"): [turn(50.0, length=128.0)],
        },
        "2 cores, a processor",
        "--rounds=3",
        "Fine-tuning BERT-base on NSMC",
        "examples",
        "finetune_throughput.py",
    )


def test_rates_are_medians_and_ratios_are_of_the_same_precision():
    figures = report().figures()[Entry("ours", "float32")]
    assert (figures.median, figures.least, figures.most) == (25.0, 20.0, 50.0)
    assert report().ratios() == {
        "ours float32 / Hugging Face float32": 1.25,
        "ours float32 / Google float32": 12.5,
        "ours bfloat16 / Hugging Face bfloat16": 2.0,
        "ours bfloat16 / Google float32": 50.0,
    }
    assert json.loads(json.dumps(report().as_dict()))["ratios"] == report().ratios()


def test_the_report_is_markdown_with_a_row_for_the_readme():
    lines = report().markdown().split("\n")
    assert "| ours float32 | x 1 | 25.00 (20.00 to 50.00) | 20.0 | 0.00 |" in lines
    assert "- ours bfloat16 / Google float32: 50.00" in lines
    assert lines[-1].startswith(
        "| Fine-tuning BERT-base on NSMC, examples per second |"
    )
    assert lines[-1].endswith("| 2 cores, a processor |")


@pytest.mark.parametrize("others, expected", [(0.05, False), (0.5, True)])
def test_a_disturbed_measurement_says_so(others, expected):
    text = report(others).markdown()
    assert ("Disturbed: other processes were busy. Measure again." in text) == expected


def test_prepared_examples_are_the_same_for_all_contenders(tmp_path, monkeypatch):
    """12 batches of 32 are all that the 400 sample reviews make."""
    from data.records import input_pipeline

    samples = os.path.join(ROOT, "samples")
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "finetune_throughput.py",
            "--data_dir=" + os.path.join(samples, "sentiment"),
            "--vocab_file=" + os.path.join(samples, "vocab.txt"),
        ],
    )
    finetune_throughput.prepare(finetune_throughput._arguments(), str(tmp_path))
    work = finetune_contenders.Work.load(str(tmp_path))
    assert work.num_examples == 384
    examples = finetune_contenders.load_examples(work)
    read = [
        values["input_ids"] for values in _decoded(input_pipeline.tf, work.records_path)
    ]
    assert [list(tokens) for tokens in examples.input_ids] == read
    assert set(examples.labels) == {0, 1}


def _decoded(tf, path):
    for serialized in tfrecords.read_records(path):
        values = tf.train.Example.FromString(serialized).features.feature
        yield {name: list(v.int64_list.value) for name, v in values.items()}


def test_batches_are_padded_with_zeros():
    examples = finetune_contenders.Examples(
        [np.array([2, 5, 3]), np.array([2, 3])], np.array([1, 0])
    )
    batch = finetune_contenders.padded_batch(examples, [1, 0], 4)
    assert batch.input_ids.tolist() == [[2, 3, 0, 0], [2, 5, 3, 0]]
    assert batch.input_mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert batch.labels.tolist() == [0, 1]


@pytest.mark.parametrize("model_type, width", [("electra", 256), ("albert", 768)])
def test_google_and_ours_pretrain_on_the_same_records(
    tmp_path, monkeypatch, model_type, width
):
    """Google's schema: ALBERT without word order prediction, ELECTRA unmasked."""
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "pretrain_throughput.py",
            "--layers=2",
            "--upstream_dir=up",
            "--albert_dir=other",
            "--upstream_python=python3.7",
        ],
    )
    arguments = pretrain_throughput._arguments()
    pretrain_throughput.prepare(arguments, model_type, str(tmp_path))
    work = pretrain_contenders.Work.load(str(tmp_path))
    assert work.upstream_dir == {"electra": "up/electra", "albert": "other"}[model_type]
    assert work.model["vocab_size"] == 3007 and work.model["hidden_size"] == width
    found = open_records(
        work.records_path, model_type, 128, pretrain_contenders.MAX_PREDICTIONS
    )
    expected = pretraining_features(model_type, 128, 20)
    assert found.features == expected and found.total > 100
    records = list(_decoded(tf, work.records_path))[::3]
    tokens, masked = products.tokens_and_masked(work.records_path, every=3)
    assert tokens == np.mean([sum(each["input_mask"]) for each in records])
    assert 0 < masked < 20 if model_type == "albert" else masked == 0
    programs = pretrain_throughput.programs(arguments, work)
    assert [entry.title for entry in programs] == [
        "ours float32",
        "ours bfloat16",
        "its products alone float32",
        "its products alone bfloat16",
        "Google float32",
    ]


SMALL = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "embedding_size": 4,
    "vocab_size": 50,
}


def test_the_products_of_a_step_are_counted():
    """10 tokens of 2 rows, 3 masked; the last layer for what the head reads."""
    first = [(10, 4, 8), (10, 8, 24), (10, 8, 8), (10, 8, 16), (10, 16, 8)]

    def last(read):
        return [(10, 8, 16), (read, 8, 8), (read, 8, 8), (read, 8, 16), (read, 16, 8)]

    words = [(3, 8, 4), (3, 4, 50)]
    assert products.of_fine_tuning(SMALL, 10, 2) == [*first, *last(2), (2, 8, 8)]
    bert = products.of_pretraining("bert", SMALL, 10, 3, 2)
    assert bert == [*first, *last(5), *words, (2, 8, 8)]
    alone = products.of_pretraining("electra", SMALL, 10, 3, 2, False)
    assert alone == [*first, *last(3), *words]
    electra = products.of_pretraining("electra", SMALL, 10, 3, 2, True, 0.5)
    assert electra[-11:] == [*first, *last(10), (10, 8, 8)]
    assert electra[-13:-11] == [(3, 4, 4), (3, 4, 50)]  # the generator is 4 wide
    base = products.of_encoder(finetune_throughput.BERT_BASE, 7, 7)
    weights = 12 * (4 * 768**2 + 2 * 768 * 3072)
    assert sum(product.operations for product in base) == 6 * 7 * weights


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_no_product_is_optimised_away(precision):
    """Nobody reads them; each is there three times, forward and backward."""
    least = [products.Product(4, 8, 2), products.Product(4, 8, 3)] * 2
    with tf.Graph().as_default(), products.open_session() as session:
        step = products.one_after_the_other(least, precision)
        session.run(tf.global_variables_initializer())
        ran = tf.RunMetadata()
        session.run(step, None, tf.RunOptions(output_partition_graphs=True), ran)
    nodes = [node.op for graph in ran.partition_graphs for node in graph.node]
    assert len([op for op in nodes if op.endswith("MatMul")]) == 3 * len(least)


def test_products_are_a_contender(tmp_path):
    program = (
        "from benchmarks import products\n"
        "least = [products.Product(4, 8, 2), products.Product(4, 8, 3)]\n"
        "products.run(least, 'bfloat16', 5, 2.5)"
    )
    command = [sys.executable, "-c", program]
    with turns.Contender("products", command, str(tmp_path / "log")) as child:
        turn = child.take_turn(3)
    assert (turn.steps, turn.examples, turn.padded_length) == (3, 15, 2.5)


KILLED = """
import os, signal, sys
from benchmarks.turns import Contender
contender = Contender("child", [sys.executable, "-c", sys.argv[1]], sys.argv[2])
contender._process.send_signal(signal.SIGSTOP)
print(contender._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_killed_benchmark_leaves_no_stopped_child(tmp_path):
    command = [sys.executable, "-c", KILLED, "input()", str(tmp_path / "child.log")]
    killed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    child = int(killed.stdout)
    deadline = time.time() + 20
    state = "T"
    while state != "Z":  # ended, and not yet asked for
        assert time.time() < deadline
        time.sleep(0.05)
        try:
            with open(f"/proc/{child}/stat") as reader:
                state = reader.read().split()[2]
        except (FileNotFoundError, ProcessLookupError):
            break
