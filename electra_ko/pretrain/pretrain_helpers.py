"""Masking and sampling with upstream's names and arguments, on `masking`.

What is drawn depends on the graph's seed and on the global step where there is one, and
is another at each place of the graph.
Source: google-research/electra, pretrain/pretrain_helpers.py.

Letters: B batch, S sequence, N masked slots, V vocabulary.
"""

import functools
import zlib

from data.tokenization.full_tokenizer import load_vocab
from electra_ko.pretrain import masking, pretrain_data
from encoder_ko.compat import tf
from encoder_ko.modeling.functional import get_shape_list
from encoder_ko.modeling.gather import gather_positions, scatter_update
from encoder_ko.modeling.random_stream import RandomStream, step_of_run

__all__ = [
    "gather_positions",
    "get_candidates_mask",
    "get_vocab",
    "mask",
    "sample_from_softmax",
    "scatter_update",
    "unmask",
]

_load_vocab = functools.lru_cache(maxsize=None)(load_vocab)


def get_vocab(config):
    """Piece -> id of `config.vocab_file`, which is read once."""
    return _load_vocab(config.vocab_file)


def get_candidates_mask(config, inputs, disallow_from_mask=None):
    """Which tokens may be masked: not [CLS], [SEP], [MASK] or padding.

    Args:
      config: PretrainingConfig; its `vocab_file` is read.
      inputs: pretrain_data.Inputs.
      disallow_from_mask: bool [B, S], further tokens that may not be, or None.

    Returns:
      bool [B, S].
    """
    allowed = masking.candidates(inputs.input_ids, inputs.input_mask, _special(config))
    if disallow_from_mask is not None:
        allowed = tf.logical_and(allowed, tf.logical_not(disallow_from_mask))
    return allowed


def _special(config):
    vocab = get_vocab(config)
    return vocab["[SEP]"], vocab["[CLS]"], vocab["[MASK]"]


def mask(
    config,
    inputs,
    mask_prob,
    proposal_distribution=1.0,
    disallow_from_mask=None,
    already_masked=None,
):
    """Chooses tokens of each row and replaces most of them by [MASK].

    Args:
      config: PretrainingConfig: `vocab_file`, `max_predictions_per_seq` (N).
      inputs: pretrain_data.Inputs.
      mask_prob: share of the tokens of a row, [CLS] and [SEP] counted.
      proposal_distribution: float [B, S], how probable each token is; 1 = equally.
      disallow_from_mask: bool [B, S], tokens that may not be masked, or None.
      already_masked: float [B, N], 1 for slots that stay empty, or None.

    Returns:
      pretrain_data.Inputs with the masked tokens; see `masking.Masked`.
    """
    allowed = get_candidates_mask(config, inputs, disallow_from_mask)
    masked = masking.mask_by_weight(
        inputs.input_ids,
        inputs.input_mask,
        proposal_distribution * tf.cast(allowed, tf.float32),
        masking.GeneratorMasking(
            mask_id=get_vocab(config)["[MASK]"],
            never_masked=_special(config),
            mask_prob=mask_prob,
            max_predictions_per_seq=config.max_predictions_per_seq,
        ),
        _random("mask"),
        already_masked,
    )
    return pretrain_data.get_updated_inputs(
        inputs,
        input_ids=tf.stop_gradient(masked.input_ids),
        masked_lm_positions=masked.positions,
        masked_lm_ids=masked.ids,
        masked_lm_weights=masked.weights,
    )


def unmask(inputs):
    """Inputs with the original tokens at the masked positions."""
    input_ids, _ = scatter_update(
        inputs.input_ids, inputs.masked_lm_ids, inputs.masked_lm_positions
    )
    return pretrain_data.get_updated_inputs(inputs, input_ids=input_ids)


def sample_from_softmax(logits, disallow=None):
    """Draws one of V for each row of logits, with the probabilities of their softmax.

    Args:
      logits: float32 [..., V].
      disallow: float32 [..., V], 1 for what may not be drawn, or None.

    Returns:
      float32 [..., V], one-hot.
    """
    if disallow is not None:
        logits -= 1000.0 * disallow
    *rows, size = get_shape_list(logits)
    probabilities = tf.reshape(tf.nn.softmax(logits), [-1, size])
    uniform = _random("sample").uniform([tf.shape(probabilities)[0], 1])
    drawn = masking.draw(probabilities, uniform)
    return tf.one_hot(tf.reshape(drawn, rows), size)


def _random(name):
    """A stream for one place of the graph."""
    graph = tf.get_default_graph()
    seed = zlib.crc32(graph.unique_name(name).encode()) + (graph.seed or 0)
    return RandomStream(seed, step_of_run(seed))
