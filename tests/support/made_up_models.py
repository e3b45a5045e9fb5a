"""Fine-tuned models that were never trained: folders of runs, with random weights."""

import dataclasses
import functools
import pathlib
import tempfile

import numpy as np

from data import tasks
from data.tokenization import build_tokenizer, preset
from encoder_ko.compat import tf
from encoder_ko.finetuning import saved_run, task_types
from encoder_ko.inference import saved_model
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support.reference_graphs import load_values

NARROW = {"albert": {"embedding_size": 8}, "electra": {"embedding_size": 8}}
TASKS = {
    tasks.CLASSIFICATION: "NSMC",
    tasks.REGRESSION: "KorSTS",
    tasks.TAGGING: "NaverNER",
    tasks.QUESTION_ANSWERING: "KorQuAD",
    tasks.DEPENDENCY_PARSING: "KLUE-DP",
}


def fine_tuned_model(folder, family, task_type, **task_changes):
    """Writes a run's folder and loads it; no weight has its initial value."""
    changes = tuple(sorted(task_changes.items()))
    for name, content in _files(family, task_type, changes).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return saved_run.FineTunedModel.load(str(folder), FAMILIES)


@functools.lru_cache(maxsize=None)
def _files(family, task_type, task_changes):
    """{name: content} of such a folder."""
    with tempfile.TemporaryDirectory() as folder:
        _write(pathlib.Path(folder), FAMILIES[family], task_type, dict(task_changes))
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in pathlib.Path(folder).rglob("*")
            if path.is_file()
        }


def _write(folder, family, kind, task_changes):
    vocab_file = runs.write_model(folder / "model") / "vocab.txt"
    task = dataclasses.replace(tasks.get_task(TASKS[kind]), **task_changes)
    tokenizer = build_tokenizer(preset("korean_cased"), str(vocab_file))
    settings = task_types.TaskSettings(
        max_seq_length=12, max_query_length=4, doc_stride=4
    )
    task_type = task_types.build(task, tokenizer, settings)
    settings = dict(runs.CONFIG, num_hidden_layers=2, **NARROW.get(family.name, {}))
    config = family.config_class.from_dict(settings)
    run = RunFolder(str(folder))
    saved_run.write(run, family.name, config, task_type)
    model = saved_run.FineTunedModel(run.path, family, config, task_type, "")
    generator = np.random.RandomState(3)
    with tf.Graph().as_default(), tf.Session() as session:
        saved_model.build_graph(model)
        values = {
            variable: generator.normal(0.1, 0.4, variable.shape.as_list())
            for variable in tf.global_variables()
        }
        load_values(values, session)
        (folder / "best").mkdir()
        saver = tf.train.Saver(save_relative_paths=True)
        saver.save(session, run("best", "model.ckpt-1"), write_meta_graph=False)
