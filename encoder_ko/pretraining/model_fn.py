"""The graph of a pre-training step or evaluation, and what is shown of its steps."""

import dataclasses
import time
from typing import Callable, Optional

from encoder_ko.compat import tf
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.random_stream import step_of_contents
from encoder_ko.optimization import updates
from encoder_ko.pretraining import graph_masking, objectives
from encoder_ko.replicas import distribution
from encoder_ko.training import checkpoints, hooks, restoring, tpu_loop
from encoder_ko.training.collapse import UnigramEntropy
from encoder_ko.training.run_folder import RunFolder
from encoder_ko.training.training_log import FILE_NAME, TrainingLogHook

# The mean loss of an evaluation, where the Estimator has that of one core only.
MEAN_LOSS = "mean_loss"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Where a graph runs, and who watches.

    Attributes:
      folder: where the log and the list of restored variables go.
      replicas: what trains.
      starts: whether this run begins at step 0, from `init_checkpoint` if it has one.
      signal_hook: ends training.
      save_checkpoints_steps: updates between checkpoints.
      steps_per_loop: updates that a TPU makes in one call.
      unigrams: counts the masked tokens over all sessions of the run; not on a TPU.
      is_due: whether a step needs a checkpoint beside these.
      clock: seconds, for the progress line and the log.
    """

    folder: RunFolder
    replicas: distribution.OneReplica
    starts: bool = False
    signal_hook: Optional[hooks.StopOnSignalHook] = None
    save_checkpoints_steps: int = 1000
    steps_per_loop: int = 1
    unigrams: Optional[UnigramEntropy] = None
    is_due: Callable[[int], bool] = lambda step: False
    clock: Callable[[], float] = time.time


def model_fn_builder(network, schedule, surroundings: Surroundings):
    """The model_fn of a TPUEstimator.

    Args:
      network: trainer.PretrainingNetwork.
      schedule: args.Schedule.
      surroundings: see Surroundings.
    """

    def model_fn(features, labels, mode, params, config=None):
        del labels, params, config
        replicas = surroundings.replicas
        if mode == tf.estimator.ModeKeys.EVAL:
            return _evaluation_spec(network, schedule, features)
        with distribution.training_graph(replicas):
            return _training_spec(network, schedule, surroundings, features)

    return model_fn


def evaluation_output(network, seed: int, features, use_tpu: bool = False):
    """The PretrainingOutput of a batch, whose contents decide its masks."""
    random = DropoutStream(seed, step_of_contents(features["input_ids"]))
    return graph_of_batch(network, features, random, False, use_tpu)


def _evaluation_spec(network, schedule, features):
    """For a TPU; elsewhere evaluation.EvaluationSession evaluates."""
    output = evaluation_output(network, schedule.seed, features, use_tpu=True)
    real = tf.reduce_sum(objectives.real_examples(features))
    mean_loss = objectives.WeightedMean(output.loss[None], real[None])
    metrics = dict(output.metrics, **{MEAN_LOSS: mean_loss})
    return tf.estimator.tpu.TPUEstimatorSpec(
        mode=tf.estimator.ModeKeys.EVAL,
        loss=output.loss,
        eval_metrics=objectives.streaming_metrics(metrics),
    )


def _training_spec(network, schedule, surroundings, features):
    folder, on_tpu = surroundings.folder, surroundings.replicas.on_tpu
    update = updates.UpdateOptions(
        accumulation_steps=schedule.accumulation_steps,
        skip_nonfinite=True,
        loss_scaling=network.dtype == tf.float16,
    )
    step = distribution.random_step(updates.micro_step(update))
    random = DropoutStream(schedule.seed, step)
    output = graph_of_batch(network, features, random, True, on_tpu)
    report_path = folder("restored_variables.json") if surroundings.starts else None
    scaffold_fn = restoring.start_from(
        network.init_checkpoint,
        report_path,
        on_tpu,
        network.resizable,
        network.stand_in,
    )
    train = network.create_optimizer(output.loss, update)
    shown = _Shown(schedule, surroundings, output, train, features["input_mask"])
    if on_tpu:
        training_hooks, host_call = shown.by_loops(surroundings.steps_per_loop)
        training_hooks.append(surroundings.signal_hook)
    else:
        training_hooks = shown.by_calls(surroundings.clock)
        training_hooks.append(surroundings.signal_hook)
        host_call = None
        if surroundings.replicas.is_chief:
            # Last, unlike the Estimator's own: a checkpoint's step is in the log.
            saver_hook = hooks.SaverHook(
                folder.path, surroundings.save_checkpoints_steps, surroundings.is_due
            )
            training_hooks.append(saver_hook)
    return tf.estimator.tpu.TPUEstimatorSpec(
        mode=tf.estimator.ModeKeys.TRAIN,
        loss=_finite(output.loss),
        train_op=train.op,
        training_hooks=training_hooks,
        scaffold_fn=scaffold_fn,
        host_call=host_call,
    )


def _finite(loss):
    """The loss for the Estimator, which ends training at NaN without a reason.

    Our hooks show the loss as it is, and stop with a message. Where it is not finite,
    this one is the greatest float32, which nobody takes for a loss.
    """
    return tf.where(tf.math.is_finite(loss), loss, loss.dtype.max)


def graph_of_batch(network, features, random, is_training, use_tpu):
    """The PretrainingOutput of one batch as it was read."""
    if network.masker:
        features = graph_masking.mask_anew(features, *network.masker, random)
    options = objectives.GraphOptions(
        is_training,
        random,
        network.dtype,
        use_one_hot_embeddings=use_tpu,
        skip_padding=not use_tpu,
        wop_weight=network.wop_weight,
    )
    return network.build(network.config, features, options)


class _Shown:
    """What the screen and the log show of each step, over all replicas."""

    def __init__(self, schedule, surroundings, output, train, input_mask):
        self._schedule, self._op = schedule, train.op
        self._folder = surroundings.folder
        self._quiet = not surroundings.replicas.is_chief
        self._unigrams, self._masked_tokens = surroundings.unigrams, None
        if not surroundings.replicas.on_tpu:  # whose host gets no tokens
            self._masked_tokens = {
                "ids": output.predictions["masked_lm_ids"],
                "weights": output.predictions["masked_lm_weights"],
            }
        losses = {"loss": output.loss, **output.losses}
        self._losses = dict(zip(losses, distribution.means(list(losses.values()))))
        self._numbers = {
            "learning_rate": train.learning_rate,
            "gradient_norm": train.gradient_norm,
        }
        if schedule.skip_nonfinite:
            self._numbers["skipped_updates"] = train.skipped
        self._metrics = objectives.batch_metrics(output.metrics)
        self._tokens = distribution.total(tf.reduce_sum(input_mask))

    def by_calls(self, clock):
        """Hooks for sessions whose calls make a step, or a part of one, each."""
        return self._hooks(
            self._losses, self._numbers, self._metrics, self._tokens, clock
        )

    def by_loops(self, steps_per_loop):
        """Hooks for a TPU, and the `host_call` that gives them what they show."""
        values = dict(
            self._losses, **self._numbers, **self._metrics, tokens=self._tokens
        )
        table = tpu_loop.StepTable(list(values), steps_per_loop)
        with tf.control_dependencies([self._op]):
            step = tf.train.get_global_step().read_value()
        columns = [
            {name: name for name in part}
            for part in (self._losses, self._numbers, self._metrics)
        ]
        replay = tpu_loop.ReplayHook(
            table, lambda clock: self._hooks(*columns, "tokens", clock)
        )
        return [replay], table.host_call(step, values)

    def _hooks(self, losses, numbers, metrics, tokens, clock):
        schedule = self._schedule
        steps = hooks.StepHook(schedule.accumulation_steps)
        return [
            steps,
            hooks.ProgressHook(
                steps,
                schedule.train_steps,
                schedule.batch_size,
                dict(losses, **numbers),
                unit="sequences",
                tokens=tokens,
                lost_loss_advice=None if schedule.skip_nonfinite else self._advice,
                quiet=self._quiet,
                clock=clock,
            ),
            TrainingLogHook(
                steps,
                self._folder(FILE_NAME),
                schedule.log_every_steps,
                schedule.train_steps,
                losses,
                numbers,
                metrics,
                schedule.batch_size,
                tokens,
                self._masked_tokens,
                self._unigrams,
                clock,
            ),
        ]

    def _advice(self):
        last = checkpoints.newest_checkpoint(self._folder.path)
        return (
            f"The last good checkpoint is {last or 'none'}. Lower --learning_rate or "
            "lengthen the warm-up in another --output_dir, with this checkpoint as "
            "--init_checkpoint, or pass --skip_nonfinite to leave such updates out."
        )
