"""What pre-training reads, in upstream's form: `Inputs` and their input_fn.

Source: google-research/electra, pretrain/pretrain_data.py.
"""

from typing import Any, NamedTuple

from data.records.dataset import open_records
from data.records.input_pipeline import Batches, pretraining_input_fn

_SEED = 0


class Inputs(NamedTuple):
    """A batch; B rows of S tokens, N masked slots.

    Attributes:
      input_ids, input_mask, segment_ids: int32 [B, S].
      masked_lm_positions, masked_lm_ids: int32 [B, N], or None.
      masked_lm_weights: float32 [B, N], 0 = no prediction, or None.
    """

    input_ids: Any
    input_mask: Any
    segment_ids: Any
    masked_lm_positions: Any = None
    masked_lm_ids: Any = None
    masked_lm_weights: Any = None


def features_to_inputs(features) -> Inputs:
    """Inputs from {name: tensor}; others of the features are left out."""
    return Inputs(**{n: features[n] for n in Inputs._fields if n in features})


def get_updated_inputs(inputs: Inputs, **kwargs) -> Inputs:
    """A copy with some tensors replaced; names that it does not have are left out."""
    return features_to_inputs(dict(inputs._asdict(), **kwargs))


def get_input_fn(config, is_training, num_cpu_threads=4):
    """Batches of the records of `config.pretrain_tfrecords`, epoch after epoch.

    Args:
      config: PretrainingConfig.
      is_training: True = config.num_train_steps batches, shuffled; False =
        config.num_eval_steps batches, in order.
      num_cpu_threads: not needed; TensorFlow chooses.

    Returns:
      input_fn(params) -> dataset of {name: int32 [B, S]}; `params["batch_size"]` is B.

    Raises:
      InputError: there are no such records, or they are of another max_seq_length.
    """
    del num_cpu_threads
    records = open_records(
        config.pretrain_tfrecords,
        "electra",
        config.max_seq_length,
        config.max_predictions_per_seq,
        flag="pretrain_tfrecords",
    )
    steps = config.num_train_steps if is_training else config.num_eval_steps
    return pretraining_input_fn(records, _SEED, Batches(0, steps), is_training)
