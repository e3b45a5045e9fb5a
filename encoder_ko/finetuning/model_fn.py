"""The graph of a fine-tuning step or prediction, and what is shown of its steps."""

import time
from typing import Callable, Dict, Optional, Tuple

from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.replicas import distribution
from encoder_ko.training import hooks, restoring, tpu_loop


def model_fn_builder(
    encoder,
    hyperparameters=None,
    batch_size: int = 0,
    replicas: Optional[distribution.OneReplica] = None,
    report_path: Optional[str] = None,
    steps_per_loop: int = 1,
    skip_padding: bool = False,
    build_saver: Optional[Callable[[], tf.train.SessionRunHook]] = None,
    clock: Callable[[], float] = time.time,
):
    """The model_fn of a TPUEstimator.

    Args:
      encoder: trainer.Encoder.
      hyperparameters: family.Hyperparameters; None = for prediction only.
      batch_size: examples per update over all replicas, for the progress line.
      replicas: what trains; None = one replica.
      report_path: where to write which variables were restored; only given when
        training starts at step 0.
      steps_per_loop: updates that a TPU makes in one call.
      skip_padding: see EncoderModel; no head reads padding.
      build_saver: makes the hook that saves checkpoints; None = the Estimator's own.
      clock: seconds, for the progress line.
    """
    replicas = replicas or distribution.OneReplica()

    def head_on_encoder(features, dropout=None):
        model = encoder.family.model_class(
            encoder.config,
            dropout is not None,
            features["input_ids"],
            features["input_mask"],
            features["segment_ids"],
            use_one_hot_embeddings=replicas.on_tpu,
            dtype=encoder.dtype,
            dropout=dropout,
            only_first_token=encoder.task_type.only_first_token,
            skip_padding=skip_padding,
        )
        return encoder.task_type.head(encoder.family, model, features, dropout)

    def training_spec(features, config):
        step = distribution.random_step(tf.train.get_or_create_global_step())
        dropout = DropoutStream(hyperparameters.seed, step)
        head = head_on_encoder(features, dropout)
        loss = _share_of_loss(encoder.family, head)
        scaffold_fn = restoring.start_from(
            encoder.init_checkpoint, report_path, replicas.on_tpu
        )
        train = encoder.family.create_optimizer(loss, encoder.config, hyperparameters)
        shown = _Shown(hyperparameters.train_steps, batch_size, head, train, features)
        host_call = None
        if replicas.on_tpu:
            training_hooks, host_call = shown.by_loops(steps_per_loop, config)
        else:
            training_hooks = shown.by_calls(clock, quiet=not replicas.is_chief)
        if build_saver:  # last: what was shown of a step is not held up
            training_hooks.append(build_saver())
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.TRAIN,
            loss=loss,
            train_op=train.op,
            training_hooks=training_hooks,
            scaffold_fn=scaffold_fn,
            host_call=host_call,
        )

    def model_fn(features, labels, mode, params, config=None):
        del labels, params
        if mode != tf.estimator.ModeKeys.TRAIN:
            return _prediction_spec(head_on_encoder(features), features)
        with distribution.training_graph(replicas):
            return training_spec(features, config)

    return model_fn


def _share_of_loss(family, head):
    """What this replica minimises."""
    if family.loss_reduction == "sum":
        return distribution.share_of_sum(head.loss)
    return distribution.share_of_loss(head.loss, head.weight)


def prediction_graph(encoder) -> Tuple[Dict[str, Tensor], Dict[str, Tensor]]:
    """Builds prediction in the default graph, for sessions without an Estimator.

    Args:
      encoder: trainer.Encoder.

    Returns:
      (placeholders, outputs) by name: features of a batch that is padded to any length,
      and what the model_fn predicts from them.
    """
    features = {
        "input_mask": tf.placeholder(tf.int32, [None, None]),
        "is_real_example": tf.placeholder(tf.float32, [None]),
    }
    for feature in encoder.task_type.features():
        dtype = tf.float32 if feature.dtype == "float32" else tf.int32
        shape = [None] if feature.length else [None, None]
        features[feature.name] = tf.placeholder(dtype, shape)
    build = model_fn_builder(encoder, skip_padding=True)
    spec = build(features, None, tf.estimator.ModeKeys.PREDICT, {})
    return features, dict(spec.predictions)


def _prediction_spec(head, features):
    return tf.estimator.tpu.TPUEstimatorSpec(
        mode=tf.estimator.ModeKeys.PREDICT,
        predictions=dict(
            head.outputs,
            per_example_loss=head.per_example_loss,
            example_index=features["example_index"],
        ),
    )


class _Shown:
    """What the screen and TensorBoard show of each step, over all replicas."""

    def __init__(self, train_steps, batch_size, head, train, features):
        self._train_steps, self._batch_size, self._op = (
            train_steps,
            batch_size,
            train.op,
        )
        self._loss = distribution.mean(tf.reduce_mean(head.per_example_loss))
        self._scalars = {
            "learning_rate": train.learning_rate,
            "gradient_norm": train.gradient_norm,
        }
        self._tokens = distribution.total(tf.reduce_sum(features["input_mask"]))

    def by_calls(self, clock, quiet):
        """Hooks for sessions whose calls make a step each, and summaries."""
        for name, value in self._scalars.items():
            tf.summary.scalar(name, value)
        shown = {"loss": self._loss, "learning_rate": self._scalars["learning_rate"]}
        return self._hooks(shown, self._tokens, clock, quiet)

    def by_loops(self, steps_per_loop, config):
        """Hooks for a TPU, and the `host_call` that gives them what they show.

        Args:
          config: RunConfig, for where summaries go, and how often.
        """
        values = dict(self._scalars, loss=self._loss, tokens=self._tokens)
        table = tpu_loop.StepTable(list(values), steps_per_loop)
        with tf.control_dependencies([self._op]):
            step = tf.train.get_global_step().read_value()
        shown = {name: name for name in ("loss", "learning_rate")}

        def build(clock):
            watching = self._hooks(shown, "tokens", clock)
            scalars = ["loss", *self._scalars]
            every, path = config.save_summary_steps, config.model_dir
            return watching + [tpu_loop.ScalarsHook(watching[0], scalars, path, every)]

        return [tpu_loop.ReplayHook(table, build)], table.host_call(step, values)

    def _hooks(self, shown, tokens, clock, quiet=False):
        steps = hooks.StepHook()
        progress = hooks.ProgressHook(
            steps,
            self._train_steps,
            self._batch_size,
            shown,
            tokens=tokens,
            quiet=quiet,
            clock=clock,
        )
        return [steps, progress]
