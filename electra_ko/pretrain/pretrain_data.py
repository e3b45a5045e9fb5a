"""What pre-training reads, in upstream's form: `Inputs` and their input_fn.

Source: google-research/electra, pretrain/pretrain_data.py.
"""

from typing import Any, NamedTuple

from data.records.dataset import open_records
from data.records.pretraining_pipeline import training_input_fn
from data.records.shares import Batches
from electra_ko.util import utils

_SEED = 0
_RED, _PLAIN = "\033[91m", "\033[0m"


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


def print_tokens(inputs: Inputs, inv_vocab, updates_mask=None) -> None:
    """Prints the first row up to its padding: `나는 [MASK] (오늘) 왔다`, masked in red.

    Args:
      inputs: of arrays, not of tensors.
      inv_vocab: {id: token}.
      updates_mask: [B, S], 1 where a token is masked, or None.

    Raises:
      ValueError: `updates_mask` says otherwise than the masked positions.
    """
    originals = {
        int(position): inv_vocab[int(token)]
        for token, position, weight in zip(
            inputs.masked_lm_ids[0],
            inputs.masked_lm_positions[0],
            inputs.masked_lm_weights[0],
        )
        if weight
    }
    words = []
    for position, token in enumerate(inputs.input_ids[0]):
        word = inv_vocab[int(token)]
        if word == "[PAD]":
            break
        masked = position in originals
        if updates_mask is not None and bool(updates_mask[0][position]) != masked:
            raise ValueError(f"updates_mask is wrong at position {position}.")
        words.append(
            f"{_RED}{word} ({originals[position]}){_PLAIN}" if masked else word
        )
    utils.log(" ".join(words))


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
    return training_input_fn(records, _SEED, Batches(0, steps), is_training)
