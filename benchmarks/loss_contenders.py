"""The training loops that `loss_curves.py` compares: one run each, loss by loss.

Ours runs first and writes down what it trained on: its initial values and the masked
rows of every step. Hugging Face's network begins with those values and is given those
rows. Google's ELECTRA reads the same records in an order of its own. Each runs in a
process of its own, under an interpreter of its own: hence the imports inside the
functions.
"""

import contextlib
import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Optional

from benchmarks import pretrain_contenders


class Run(NamedTuple):
    """A run of training; every one of a seed sees the same rows, masks and values.

    Attributes:
      worker: a key of RUNNERS. precision: float32 or bfloat16.
      learning_rate: peak. seed: of initial values, order of rows and masks.
    """

    worker: str
    precision: str
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.worker}_{self.precision}_{self.learning_rate:g}_{self.seed}"


class Work(NamedTuple):
    """What all runs have in common, as `work.json` holds it.

    Attributes:
      folder: where the files are.
      model: keys of ELECTRA's configuration file.
      records: pattern of files. vocab_file: of the records.
      batch_size: sequences per step. max_seq_length: tokens.
      steps: that are trained. schedule_steps: at which the rate would reach 0.
      warmup_steps: of the rate.
      adam: beta_1, beta_2, epsilon, weight_decay.
      upstream_dir: checkout of google-research/electra; None = not beside it, and with
        bias correction.
      objective: "masked words" or "electra".
    """

    folder: str
    model: Dict[str, Any]
    records: str
    vocab_file: str
    batch_size: int
    max_seq_length: int
    steps: int
    schedule_steps: int
    warmup_steps: int
    adam: Dict[str, float]
    upstream_dir: Optional[str] = None
    objective: str = "masked words"

    @property
    def max_predictions(self) -> int:
        """Masked tokens of a row at most; Google's ELECTRA knows no other number."""
        return int(0.155 * self.max_seq_length) if self.upstream_dir else 20

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def initial_path(self, seed: int) -> str:
        """float32 tensors by Hugging Face's names."""
        return self.path(f"initial_{seed}.npz")

    def rows_path(self, seed: int) -> str:
        """int32 [steps, B, S or N] by the names of the features."""
        return self.path(f"rows_{seed}.npz")

    def result_path(self, run: Run) -> str:
        return self.path(run.name + ".json")

    def save(self) -> None:
        write_json(self.path("config.json"), self.model)
        write_json(self.path("work.json"), self._asdict())

    @classmethod
    def load(cls, folder: str) -> "Work":
        with open(os.path.join(folder, "work.json")) as stream:
            return cls(**json.load(stream))._replace(folder=folder)


def write_json(path: str, content: Any) -> None:
    """Writes a file as a whole: one that exists is complete."""
    with _whole(path) as temporary, open(temporary, "w") as stream:
        json.dump(content, stream)


@contextlib.contextmanager
def _whole(path):
    temporary = path + ".part"
    yield temporary
    os.replace(temporary, path)


class _Losses:
    """Collects the losses of a run and says how it goes on standard error."""

    def __init__(self, work: Work, run: Run, software: str):
        self._work, self._run, self._software = work, run, software
        self._found: Dict[str, List[float]] = {}
        self._started = time.time()

    def add(self, **values: float) -> None:
        """Of the next step; `losses` is that of the masked words.

        `gradient_norms` are before clipping.
        """
        for name, value in values.items():
            self._found.setdefault(name, []).append(float(value))
        step = len(self._found["losses"])
        if step % 50 == 0:
            mean = sum(self._found["losses"][-50:]) / 50
            print(f"{self._run.name}: step {step}, {mean:.4f}", flush=True)

    def save(self) -> None:
        content = dict(
            self._run._asdict(),
            **self._found,
            seconds=time.time() - self._started,
            software=self._software,
        )
        write_json(self._work.result_path(self._run), content)


# --- This project ----------------------------------------------------------------


def run_ours(work: Work, run: Run) -> None:
    """What run_pretraining.py does with these flags, without checkpoints."""
    import dataclasses
    import shutil

    from encoder_ko import compat
    from encoder_ko.compat import tf
    from encoder_ko.pretraining import job as pretraining_job
    from encoder_ko.training.run_folder import RunFolder

    compat.keep_freed_memory()  # as cli.run does
    job = _job(work, run)
    shutil.rmtree(job.output.folder, ignore_errors=True)
    seen = {}

    def build(config, features, options):
        output = job.network.build(config, features, options)
        seen["rows"] = _seen(features, output, run.seed)
        seen["losses"] = output.losses["masked_lm_loss"]
        if work.objective == "electra":
            seen["discriminator_losses"] = output.losses["disc_loss"]
        return output

    def create_optimizer(loss, update):
        train = job.network.create_optimizer(loss, update)
        seen["gradient_norms"] = train.gradient_norm
        return train

    network = dataclasses.replace(
        job.network, build=build, create_optimizer=create_optimizer
    )
    losses = _Losses(work, run, f"TensorFlow {compat.TF_VERSION}")
    rows = []

    class Watch(tf.train.SessionRunHook):
        def after_create_session(self, session, coord):
            if work.upstream_dir:
                return
            variables = {v.op.name: v for v in tf.trainable_variables()}
            _save_initial(work, run.seed, job, session.run(variables))

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(dict(seen))

        def after_run(self, run_context, run_values):
            found = dict(run_values.results)
            rows.append(found.pop("rows"))
            losses.add(**found)

    pretrainer = pretraining_job.build_pretrainer(
        dataclasses.replace(job, network=network), RunFolder(job.output.folder)
    )
    pretrainer.train(job.data, work.steps, [Watch()])
    _save_rows(work, run.seed, rows)
    losses.save()
    shutil.rmtree(job.output.folder)


def _job(work, run):
    from data.io.cli import parse_into
    from korean_encoders.commands import pretrain

    settings = {
        "model_type": "electra",
        "electra_objective": work.objective == "electra",
        "electra_config_file": work.path("config.json"),
        "input_file": work.records,
        "vocab_file": work.vocab_file,
        "output_dir": work.path(run.name),
        "max_seq_length": work.max_seq_length,
        "max_predictions_per_seq": work.max_predictions,
        "train_batch_size": work.batch_size,
        "learning_rate": run.learning_rate,
        "num_train_steps": work.schedule_steps,
        "num_warmup_steps": work.warmup_steps,
        "save_checkpoints_steps": work.schedule_steps,
        "compute_type": run.precision,
        "random_seed": run.seed,
        "adam_bias_correction": run.worker == "corrected" or not work.upstream_dir,
        "adam_beta1": work.adam["beta_1"],
        "adam_beta2": work.adam["beta_2"],
        "adam_epsilon": work.adam["epsilon"],
        "weight_decay_rate": work.adam["weight_decay"],
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    parse_into(pretrain.FLAGS, ["run_pretraining.py", *flags], "")
    return pretrain.job_of_flags()


def _seen(features, output, seed):
    """The masked rows as the network reads them, by a second draw of the same masks."""
    from electra_ko.pretrain import masking
    from encoder_ko.compat import tf
    from encoder_ko.modeling.random_stream import RandomStream
    from korean_encoders.commands import masking_flags, pretrain

    tokenizer = pretrain.job_of_flags().tokenizer
    options = masking_flags.electra_options(pretrain.FLAGS, tokenizer).masking
    step = tf.train.get_or_create_global_step()
    masked = masking.mask(features, options, RandomStream(seed, step))
    same = tf.debugging.assert_equal(
        masked.ids, output.predictions["masked_lm_ids"], message="other masks"
    )
    with tf.control_dependencies([same]):
        return {
            "input_ids": tf.identity(masked.input_ids),
            "input_mask": tf.identity(features["input_mask"]),
            "segment_ids": tf.identity(features["segment_ids"]),
            "positions": tf.identity(masked.positions),
            "ids": tf.identity(masked.ids),
            "weights": tf.cast(masked.weights, tf.int32),
        }


def _save_initial(work, seed, job, values):
    """The variables by Hugging Face's names, if they are not there yet."""
    import numpy as np

    from electra_ko.hugging_face import MASKED_WORDS
    from encoder_ko.hub import weights

    (model,) = weights.to_hugging_face(
        [MASKED_WORDS], job.network.config, values, "pretraining", "initial values"
    )
    with _whole(work.initial_path(seed)) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **model.tensors)


def _save_rows(work, seed, rows):
    import numpy as np

    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    with _whole(work.rows_path(seed)) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **found)


# --- Hugging Face's network, PyTorch's optimiser ---------------------------------


def run_hf(work: Work, run: Run) -> None:
    """ElectraForMaskedLM, torch.optim.AdamW, clip_grad_norm_; bfloat16 by autocast."""
    import numpy as np
    import torch
    import transformers

    torch.manual_seed(run.seed)
    config = transformers.ElectraConfig(**work.model, layer_norm_eps=1e-12)
    model = transformers.ElectraForMaskedLM(config)
    _load(model, work.initial_path(run.seed))
    model.train()
    excluded = ("LayerNorm", "bias")
    groups = [[], []]
    for name, parameter in model.named_parameters():
        groups[any(part in name for part in excluded)].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": groups[0], "weight_decay": work.adam["weight_decay"]},
            {"params": groups[1], "weight_decay": 0.0},
        ],
        lr=run.learning_rate,
        betas=(work.adam["beta_1"], work.adam["beta_2"]),
        eps=work.adam["epsilon"],
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: _rate(work, s))
    losses = _Losses(
        work,
        run,
        f"PyTorch {torch.__version__}, transformers {transformers.__version__}",
    )
    rows = np.load(work.rows_path(run.seed))
    rows = {name: torch.from_numpy(rows[name]) for name in rows.files}
    for step in range(work.steps):
        batch = {name: value[step].long() for name, value in rows.items()}
        with torch.autocast("cpu", torch.bfloat16, run.precision == "bfloat16"):
            loss = _loss(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.add(losses=loss.item(), gradient_norms=norm.item())
    losses.save()


def _rate(work, step):
    """ELECTRA's factor on the peak: linear decay times the warm-up, from step 0."""
    warming = min(1.0, step / work.warmup_steps) if work.warmup_steps else 1.0
    return warming * (1.0 - min(step / work.schedule_steps, 1.0))


def _load(model, path):
    """Loads tensors; all of the network's must be there."""
    import numpy as np
    import torch

    found = np.load(path)
    tensors = {name: torch.from_numpy(found[name]) for name in found.files}
    result = model.load_state_dict(tensors, strict=False)
    tied = {"generator_lm_head.weight"}
    buffers = {"electra.embeddings.position_ids", "electra.embeddings.token_type_ids"}
    missing = set(result.missing_keys) - tied - buffers
    if missing or set(result.unexpected_keys) - buffers:
        raise ValueError(f"{missing} missing, {result.unexpected_keys} unexpected")
    model.tie_weights()


def _loss(model, batch):
    """The mean cross entropy of the masked tokens, as ours takes it."""
    import torch

    hidden = model.electra(
        input_ids=batch["input_ids"],
        attention_mask=batch["input_mask"],
        token_type_ids=batch["segment_ids"],
    ).last_hidden_state
    positions = batch["positions"][:, :, None].expand(-1, -1, hidden.shape[-1])
    predicted = model.generator_predictions(torch.gather(hidden, 1, positions))
    logits = model.generator_lm_head(predicted).float()
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch["ids"].flatten(), reduction="none"
    )
    weights = batch["weights"].flatten()
    return (losses * weights).sum() / (weights.sum() + 1e-6)


# --- Google's ELECTRA --------------------------------------------------------------


def run_google(work: Work, run: Run) -> None:
    """input_fn and model_fn of its run_pretraining.py in a bare session."""
    import random

    import numpy as np
    import tensorflow as tf

    random.seed(run.seed)
    np.random.seed(run.seed)
    tf.compat.v1.set_random_seed(run.seed)
    input_fn, model_fn = pretrain_contenders.electra_of_google(
        work.upstream_dir,
        work.folder,
        work.model,
        electra_objective=work.objective == "electra",
        vocab_file=work.vocab_file,
        pretrain_tfrecords=work.records,
        max_seq_length=work.max_seq_length,
        train_batch_size=work.batch_size,
        learning_rate=run.learning_rate,
        weight_decay_rate=work.adam["weight_decay"],
        num_train_steps=work.schedule_steps,
        num_warmup_steps=work.warmup_steps,
    )
    built = _recorded_networks()
    features = input_fn({"batch_size": work.batch_size})
    features = tf.compat.v1.data.make_one_shot_iterator(features).get_next()
    spec = model_fn(features, None, tf.estimator.ModeKeys.TRAIN, {})
    (network,) = built
    fetches = {"losses": network.mlm_output.loss}
    if work.objective == "electra":
        fetches["discriminator_losses"] = network.disc_loss
    losses = _Losses(work, run, f"TensorFlow {tf.__version__}")
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        for _ in range(work.steps):
            found, _ = session.run([fetches, spec.train_op])
            losses.add(**found)
    losses.save()


def _recorded_networks():
    """The networks that Google's model_fn builds from now on, with `disc_loss`."""
    import run_pretraining  # of the checkout

    built = []

    class Recorded(run_pretraining.PretrainingModel):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            built.append(self)

        def _get_discriminator_output(self, *arguments):
            output = super()._get_discriminator_output(*arguments)
            self.disc_loss = output.loss
            return output

    run_pretraining.PretrainingModel = Recorded
    return built


RUNNERS = {
    "ours": run_ours,
    "corrected": run_ours,
    "hf": run_hf,
    "google": run_google,
}
