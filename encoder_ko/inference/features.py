"""Hidden states of chosen layers for any text: what upstream calls feature extraction.

Source: google-research/bert, extract_features.py, whose JSON lines these are.
"""

import json
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from data.features.model_inputs import build_input
from data.io.errors import InputError
from data.tokenization import Tokenizer
from encoder_ko.compat import tf
from encoder_ko.training import restoring

_DECIMALS = 6
PAIR_SEPARATOR = " ||| "


class Line(NamedTuple):
    """One line of input: its number from 0, a text, and the second one of a pair."""

    number: int
    text_a: str
    text_b: Optional[str]


class HiddenStates(NamedTuple):
    """The pieces of one line, [CLS] and [SEP] among them, and a state for each.

    Attributes:
      line: see Line. tokens: T pieces.
      states: float32 [L, T, H], the chosen layers in the order that was asked for.
      is_cut: whether the end of the line is not among the pieces.
    """

    line: Line
    tokens: List[str]
    states: np.ndarray
    is_cut: bool


def split_pair(number: int, text: str) -> Line:
    """ "영화 ||| 재밌다" is a pair, anything else one text; the last ||| counts."""
    text = text.strip()
    first, separator, second = text.rpartition(PAIR_SEPARATOR)
    return Line(number, first, second) if separator else Line(number, second, None)


def parse_layers(text: str, num_layers: int) -> List[int]:
    """ "-1,-2" -> [-1, -2]; 0 is the first layer, -1 the last one.

    Raises:
      InputError: no number, or no layer of the model.
    """
    try:
        layers = [int(part) for part in text.split(",")]
    except ValueError:
        layers = []
    if not layers or any(not -num_layers <= layer < num_layers for layer in layers):
        raise InputError(
            f"--layers={text}: the model has {num_layers} layers, expected "
            f"numbers from {-num_layers} to {num_layers - 1}, with commas between them."
        )
    return layers


class Extractor:
    """An encoder with the weights of a checkpoint.

    Attributes:
      unknown_pieces: PieceCounts of all lines so far.

    Args:
      model_class, config: EncoderModel and EncoderConfig of one of the three models.
      tokenizer: that of the model.
      checkpoint: prefix of a pre-trained or fine-tuned checkpoint.
      layers: as `parse_layers` gives them.
      dtype: compute type.

    Raises:
      InputError: the checkpoint lacks variables of the encoder.
    """

    def __init__(
        self,
        model_class: Any,
        config: Any,
        tokenizer: Tokenizer,
        checkpoint: str,
        layers: Sequence[int],
        dtype: Any = tf.float32,
    ):
        self._tokenizer, self._checkpoint = tokenizer, checkpoint
        self.unknown_pieces = tokenizer.count_pieces()
        with tf.Graph().as_default():
            self._inputs = [
                tf.placeholder(tf.int32, [None, None], name)
                for name in ("input_ids", "input_mask", "segment_ids")
            ]
            model = model_class(config, False, *self._inputs, dtype=dtype)
            outputs = model.get_all_encoder_layers()
            self._outputs = [tf.cast(outputs[layer], tf.float32) for layer in layers]
            needed = [v for v in tf.global_variables() if "/pooler/" not in v.op.name]
            self._session = restoring.open_session(checkpoint, needed)

    def extract(
        self, lines: Iterable[Line], max_seq_length: int, batch_size: int
    ) -> Iterator[HiddenStates]:
        """The states of each line, in order; a batch is padded to its longest line."""
        for batch in _batches(lines, batch_size):
            inputs = [self._input(line, max_seq_length) for line in batch]
            shape = [len(batch), max(len(each.input_ids) for each in inputs)]
            ids = np.full(shape, self._tokenizer.pad_id, np.int32)
            mask, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
            for row, each in enumerate(inputs):
                length = len(each.input_ids)
                ids[row, :length], segments[row, :length] = each[:2]
                mask[row, :length] = 1
            feed = dict(zip(self._inputs, (ids, mask, segments)))
            states = np.stack(self._session.run(self._outputs, feed))
            for row, (line, each) in enumerate(zip(batch, inputs)):
                if not np.isfinite(states[:, row]).all():
                    raise InputError(
                        f"The hidden states of line {line.number + 1} are not numbers "
                        f"(NaN or infinite): weights in {self._checkpoint} are broken."
                    )
                tokens = self._tokenizer.convert_ids_to_tokens(each.input_ids)
                chosen = states[:, row, : len(tokens)]
                yield HiddenStates(line, tokens, chosen, each.is_cut)

    def _input(self, line: Line, max_seq_length: int):
        texts = [line.text_a] if line.text_b is None else [line.text_a, line.text_b]
        ids = self._tokenizer.encode_ids_batch(texts) + [None]
        return build_input(self._tokenizer, ids[0], ids[1], max_seq_length)


def _batches(lines, size):
    batch = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def as_json(found: HiddenStates, layers: Sequence[int]) -> str:
    """Upstream's JSON object, on one line, and in it whether the text was cut.

    {"linex_index": 0, "features": [{"token": "[CLS]", "layers": [{"index": -1,
    "values": [0.123456, ...]}]}], "is_cut": false}
    """
    features = [
        {"token": token, "layers": _layers_of(layers, found.states[:, position])}
        for position, token in enumerate(found.tokens)
    ]
    record = {"linex_index": found.line.number, "features": features}
    return json.dumps(dict(record, is_cut=found.is_cut), ensure_ascii=False)


def _layers_of(layers, states) -> List[Dict[str, Any]]:
    return [
        {"index": layer, "values": [round(float(value), _DECIMALS) for value in values]}
        for layer, values in zip(layers, states)
    ]
