"""ETAHook and get_bert_config.

Source: google-research/electra, util/training_utils.py.
"""

import datetime
import time

from electra_ko.model.modeling import BertConfig, config_of_size
from electra_ko.util import utils
from encoder_ko.compat import tf


class ETAHook(tf.train.SessionRunHook):
    """Prints progress: `20/100 = 20.0%, SPS: 4.0, ELAP: 5, ETA: 20 - loss: 0.6931`.

    SPS is steps a second.

    Args:
      to_log: {name: scalar tensor} whose values are printed.
      n_steps: steps of the run.
      iterations_per_loop: steps of one session run on a TPU.
      on_tpu: whether a session run has so many; elsewhere it has one.
      log_every: prints every so many steps.
      is_training: whether steps are the global step's, which may not begin at 0.
    """

    def __init__(
        self,
        to_log,
        n_steps,
        iterations_per_loop,
        on_tpu,
        log_every=1,
        is_training=True,
    ):
        self._to_log = to_log
        self._n_steps = n_steps
        self._steps_of_run = iterations_per_loop if on_tpu else 1
        self._log_every = log_every
        self._is_training = is_training
        self._start_time = None
        self._done = 0  # steps since the hook saw the first

    def begin(self):
        self._step_tensor = tf.train.get_or_create_global_step()

    def before_run(self, run_context):
        if self._start_time is None:
            self._start_time = time.time()
        return tf.train.SessionRunArgs(self._to_log)

    def after_run(self, run_context, run_values):
        self._done += self._steps_of_run
        self._log(run_context.session, run_values.results)

    def end(self, session):
        self._log(session, {})

    def _log(self, session, values):
        step = session.run(self._step_tensor) if self._is_training else self._done
        if step % self._log_every or not self._done:
            return
        elapsed = time.time() - self._start_time
        per_step = max(elapsed, 1e-9) / self._done
        message = (
            f"{step}/{self._n_steps} = {100.0 * step / self._n_steps:.1f}%, "
            f"SPS: {1 / per_step:.1f}, ELAP: {secs_to_str(elapsed)}, "
            f"ETA: {secs_to_str((self._n_steps - step) * per_step)}"
        )
        utils.log(message + "".join(f" - {n}: {v:.4f}" for n, v in values.items()))


def secs_to_str(secs):
    """Hours, minutes and seconds without zeros in front: 75 -> `1:15`, 5 -> `5`."""
    text = str(datetime.timedelta(seconds=int(round(secs))))
    return text if "day" in text else text.lstrip("0:") or "0"


def get_bert_config(config) -> BertConfig:
    """The network that a PretrainingConfig or FinetuningConfig asks for.

    `model_size`, changed by `model_hparam_overrides`; heads and the feed-forward layer
    follow the hidden size unless they are among those, too.

    Raises:
      InputError: an unknown `model_size` or key.
    """
    found = config_of_size(
        config.model_size,
        config.vocab_size,
        overrides=config.model_hparam_overrides,
    ).to_dict()
    del found["embedding_size"]  # upstream's has none
    return BertConfig.from_dict(found)
