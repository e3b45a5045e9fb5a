"""A tiny corpus, tiny models, and run_pretraining.py in this process or another."""

import json
import os
import subprocess
import sys
from unittest import mock

import numpy as np

from data import create_pretraining_data
from data.evaluation import plots
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.report.pretraining import run_page
from korean_encoders.commands import pretrain
from tests.support.paths import ROOT
from tests.support.quick_graphs import quick_graphs

_WORDS = (
    "나는 오늘 학교에 갔다 날씨가 좋아서 기분도 좋았다 점심은 김밥 친구와 함께 먹었고 "
    "저녁에는 영화를 봤다 비가 와서 집에서 책을 읽다가 잠이 들었다 ㅋㅋ 정말"
).split()
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") + tuple(_WORDS)

CONFIG = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
OWN_KEYS = {
    "bert": {},
    "albert": {"embedding_size": 8},
    "electra": {"embedding_size": 8, "hidden_size": 64},
}


def write_corpus(folder, documents=60):
    """Documents of three to six sentences of three to seven words."""
    generator = np.random.RandomState(0)
    lines = []
    for _ in range(documents):
        for _ in range(generator.randint(3, 7)):
            lines.append(" ".join(generator.choice(_WORDS, generator.randint(3, 8))))
        lines.append("")
    path = folder / "corpus.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def prepare(folder, model_type):
    """Corpus, vocabulary, configuration and records of one model in a folder."""
    corpus = write_corpus(folder).read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    config = json.dumps(dict(CONFIG, **OWN_KEYS[model_type]))
    (folder / "config.json").write_text(config, encoding="utf-8")
    build_records(folder, model_type, corpus)
    return folder


def preparer(tmp_path_factory):
    """Model type -> the folder of `prepare`, made when first asked for."""
    folders = {}

    def get(model_type):
        if model_type not in folders:
            folder = tmp_path_factory.mktemp(model_type)
            folders[model_type] = prepare(folder, model_type)
        return folders[model_type]

    return get


def build_records(folder, model_type, text):
    """records/ of a text, with the folder's vocab.txt."""
    corpus = folder / "corpus.txt"
    corpus.write_text(text, encoding="utf-8")
    create_pretraining_data.main(
        [
            "create_pretraining_data",
            f"--model_type={model_type}",
            f"--input_file={corpus}",
            f"--output_dir={folder / 'records'}",
            f"--vocab_file={folder / 'vocab.txt'}",
            "--max_seq_length=16",
            "--max_predictions_per_seq=4",
            "--dupe_factor=1",
            "--block_bytes=2000",
        ]
    )


def arguments(folder, model_type, output, **changes):
    """Flags of a run on a prepared folder; None leaves a flag out."""
    flags = {
        "model_type": model_type,
        f"{model_type}_config_file": folder / "config.json",
        "input_file": folder / "records" / "*.tfrecord",
        "vocab_file": folder / "vocab.txt",
        "output_dir": output,
        "max_seq_length": 16,
        "max_predictions_per_seq": 4,
        "train_batch_size": 8,
        "eval_batch_size": 16,
        "num_train_steps": 12,
        "num_warmup_steps": 2,
        "learning_rate": 0.01,
        "save_checkpoints_steps": 4,
        "log_every_steps": 3,
    }
    flags.update(changes)
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def run(*flags):
    """`run_with_page`, without the page and the picture, which take a second."""
    with mock.patch.object(run_page, "write"):
        with mock.patch.object(plots, "write_curves_png"):
            return run_with_page(*flags)


def run_with_page(*flags):
    """`run_as_shipped`, with graphs that are quicker to build."""
    with quick_graphs():
        return run_as_shipped(*flags)


def run_as_shipped(*flags):
    """Runs the script in this process; the exit status."""
    try:
        cli.run(pretrain.main, pretrain.FLAGS, ["run_pretraining.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


_RUN = """
import sys
from tests.support import pretraining_runs
sys.exit(pretraining_runs.run(*sys.argv[1:]))
"""


def start(*flags):
    """Starts `run` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        encoding="utf-8",
    )


def weights(output):
    """All variables of the newest checkpoint, as bytes."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(output)))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def step_of(output):
    """Step of the newest checkpoint; 0 where there is none."""
    newest = tf.train.latest_checkpoint(str(output))
    return int(newest.rsplit("-", 1)[1]) if newest else 0


def read_lines(path):
    with open(str(path), encoding="utf-8") as reader:
        return [json.loads(line) for line in reader]


def read_json(*parts):
    with open(os.path.join(*map(str, parts)), encoding="utf-8") as reader:
        return json.load(reader)
