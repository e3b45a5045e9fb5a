"""EncoderModel: input ids to hidden states, the part common to the three models."""

import copy
from typing import ContextManager, List, Optional, Sequence

from data.io.errors import InputError
from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import embeddings, layers, transformer
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.gather import gather_positions
from encoder_ko.modeling.random_stream import step_of_run
from encoder_ko.modeling.unpadding import bands_of, unpadding_of

_BANDS = 2  # in training; more of them save little, and have more to start


def default_dropout(seed: int = 0) -> DropoutStream:
    """Dropout that follows the global step or, without one, a new draw each run."""
    return DropoutStream(seed, step_of_run(seed))


class EncoderModel:
    """Base of BertModel, AlbertModel and ElectraModel.

    Args:
      config: EncoderConfig of the model.
      is_training: False switches dropout off, whatever the configuration says.
      input_ids: int32 [B, S]; B and S may be dynamic.
      input_mask: int32 [B, S], 1 = token, 0 = padding; None = no padding.
      token_type_ids: int32 [B, S]; None = all 0.
      use_one_hot_embeddings: see `embeddings.lookup`; set on TPU.
      scope: variable scope, the model's upstream name by default.
      dtype: compute type, tf.float32 or tf.bfloat16; variables are float32.
      dropout: DropoutStream while training; None = `default_dropout()`.
      only_first_token: True where nothing but `get_pooled_output` is wanted: the last
        layer is then computed for the first token of each sequence alone, and its
        output is [B, 1, H].
      predicted_positions: int32 [B, P] where nothing but `get_pooled_output` and
        `get_output_at` these positions is wanted: the last layer is then computed for
        the first token and for these alone, and its output is [B, 1 + P, H].
      predicted_weights: float32 [B, P], 0 for positions that only fill up a row, for
        which, with `skip_padding`, nothing is wanted; None = there are none.
      skip_padding: True where nothing is wanted for padding, and every sequence begins
        with a token: the layers leave padding out (see `unpadding`), and what stands in
        its place in their outputs has no meaning. Not on TPU, where shapes are fixed.

    Attributes:
      all_encoder_layers, sequence_output, pooled_output, embedding_table: what the
        getters return, under upstream's names.
      predicted_unpadding: Unpadding of the predicted positions, or None.

    Raises:
      InputError: the configuration cannot be built, or S is known and above
        `max_position_embeddings`.
    """

    default_scope = None
    gelu = "gelu"
    has_pooler = True

    def __init__(
        self,
        config,
        is_training,
        input_ids,
        input_mask=None,
        token_type_ids=None,
        use_one_hot_embeddings=False,
        scope=None,
        dtype=tf.float32,
        dropout: Optional[DropoutStream] = None,
        only_first_token: bool = False,
        predicted_positions=None,
        predicted_weights=None,
        skip_padding: bool = False,
    ):
        self.config = config = copy.copy(config)
        config.check()
        self._dropout = (dropout or default_dropout()) if is_training else None
        input_ids = tf.convert_to_tensor(input_ids)
        batch, length = layers.shape_of(input_ids)
        _check_length(length, config)
        self.predicted_positions = predicted_positions
        self.predicted_unpadding = _unpadding(predicted_weights, skip_padding)
        if input_mask is None:
            input_mask = tf.ones([batch, length], tf.int32)
        if token_type_ids is None:
            token_type_ids = tf.zeros([batch, length], tf.int32)

        with tf.variable_scope(scope, default_name=self.default_scope):
            with self.embedding_scope():
                self._tables = embeddings.embedding_variables(config)
            self.embedding_table = self._tables.word
            words = self.look_up_words(input_ids, use_one_hot_embeddings)
            self._word_embedding_output = words
            self._embedding_output = embeddings.embed(
                self._tables,
                words,
                self.look_up_token_types(token_type_ids, use_one_hot_embeddings),
                dtype,
                self._embedding_dropout([batch * length, config.embedding_width]),
            )
            self._encoder_input = self.encoder_input(self._embedding_output)
            with tf.variable_scope("encoder"):
                weights = self.weights_of_blocks(dtype)
            encoder = transformer.TransformerEncoder(
                config,
                self.activation,
                self._dropout,
                batch,
                length,
                *self._without_padding(input_mask, skip_padding),
            )
            self.all_encoder_layers = encoder.run(
                self._encoder_input,
                self.attention_mask(input_mask),
                weights,
                *self._places_to_read(batch, only_first_token, predicted_weights),
            )
            self.sequence_output = self.all_encoder_layers[-1]
            self.pooled_output = self._pool(self.sequence_output)

    def _without_padding(self, input_mask, skip_padding):
        """Unpadding and Bands of the batch; None each with padding.

        Dropout of attention has one mask for the whole batch, and so one band.
        """
        if not skip_padding:
            return None, None
        unpadding = unpadding_of(input_mask)
        dropout = self.config.attention_probs_dropout_prob
        bands = _BANDS if self._dropout and not dropout else 1
        return unpadding, bands_of(input_mask, unpadding, bands)

    def _places_to_read(self, batch, only_first_token, predicted_weights):
        """Of the last layer: int32 [B, P] and their Unpadding, None each for all."""
        first = tf.zeros([batch, 1], tf.int32)
        if self.predicted_positions is None:
            return (first if only_first_token else None), None
        positions = tf.concat([first, self.predicted_positions], 1)
        if self.predicted_unpadding is None:
            return positions, None
        weights = tf.concat([tf.ones([batch, 1]), predicted_weights], 1)
        return positions, unpadding_of(weights)

    # What the models do differently.

    def embedding_scope(self) -> ContextManager:
        """Scope of the embedding variables."""
        return tf.variable_scope("embeddings")

    def look_up_words(self, input_ids: Tensor, use_one_hot_embeddings: bool) -> Tensor:
        """float32 [B, S, E]."""
        return embeddings.lookup(self._tables.word, input_ids, use_one_hot_embeddings)

    def look_up_token_types(
        self, token_type_ids: Tensor, use_one_hot_embeddings: bool
    ) -> Tensor:
        """float32 [B, S, E]. Upstream: BERT and ELECTRA always multiply one-hot."""
        return embeddings.lookup(self._tables.token_type, token_type_ids, one_hot=True)

    def encoder_input(self, embedding_output: Tensor) -> Tensor:
        """[B, S, E] -> [B, S, H]."""
        return embedding_output

    def attention_mask(self, input_mask: Tensor) -> Tensor:
        """What is attended to: [B, S], or [B, S, S] where it depends on the query."""
        return input_mask

    def weights_of_blocks(self, dtype: tf.DType) -> Sequence[transformer.LayerWeights]:
        """Creates the layers' variables; the weights of each block, first block first.

        Those of blocks that share variables come from `transformer.shared_weights`.
        """
        raise NotImplementedError

    # Upstream's getters. Tensors have the compute type.

    def get_pooled_output(self) -> Tensor:
        """[B, H]: tanh(dense(first token)); ELECTRA: the first token as it is."""
        return self.pooled_output

    def get_sequence_output(self) -> Tensor:
        """[B, S, H], the last layer."""
        return self.sequence_output

    def get_output_at(self, positions: Tensor) -> Tensor:
        """[B, P, H], the last layer at int32 positions [B, P].

        Raises:
          ValueError: the model was built for other positions.
        """
        output = self.get_sequence_output()
        if self.predicted_positions is None:
            return gather_positions(output, positions)
        if positions is not self.predicted_positions:
            raise ValueError("The model computes the last layer for other positions.")
        return output[:, 1:]

    def get_all_encoder_layers(self) -> List[Tensor]:
        """List of [B, S, H], first layer first."""
        return self.all_encoder_layers

    def get_word_embedding_output(self) -> Tensor:
        """float32 [B, S, E], rows of the word table, before norm and dropout."""
        return self._word_embedding_output

    def get_embedding_output(self) -> Tensor:
        """[B, S, E], after layer norm and dropout."""
        return self._embedding_output

    def get_encoder_input(self) -> Tensor:
        """[B, S, H], what enters the first layer."""
        return self._encoder_input

    def get_embedding_table(self) -> tf.Variable:
        """float32 [vocab_size, E]."""
        return self.embedding_table

    @property
    def activation(self) -> str:
        """Name in `activations.ACTIVATIONS`, with this model's form of GELU."""
        name = self.config.hidden_act
        return self.gelu if name == "gelu" else name

    def _embedding_dropout(self, shape):
        if self._dropout is None:
            return None
        return self._dropout.mask(shape, self.config.hidden_dropout_prob)

    def _pool(self, sequence_output):
        first = sequence_output[:, 0, :]
        if not self.has_pooler:
            return first
        width = self.config.hidden_size
        with tf.variable_scope("pooler"):
            variables = layers.dense_variables(
                "dense",
                width,
                width,
                layers.truncated_normal(self.config.initializer_range),
            )
        return layers.dense(first, variables, "tanh")


def _unpadding(used, skip_padding):
    """Unpadding of what is above 0; None where nothing is to be left out."""
    return unpadding_of(used) if skip_padding and used is not None else None


def _check_length(length, config):
    if isinstance(length, int) and length > config.max_position_embeddings:
        raise InputError(
            f"The sequence length {length} is above max_position_embeddings="
            f"{config.max_position_embeddings} of the model: lower --max_seq_length."
        )
