"""Word + token type + position embeddings, then layer norm and dropout."""

from typing import NamedTuple, Optional

from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import layers
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.dropout import DropoutMask


class EmbeddingVariables(NamedTuple):
    """Tables float32 [rows, E] and the layer norm of width E."""

    word: tf.Variable
    token_type: tf.Variable
    position: tf.Variable
    norm: layers.NormVariables


def embedding_variables(config: EncoderConfig) -> EmbeddingVariables:
    """Creates (or fetches) the variables in the current scope, in upstream's order."""
    initializer = layers.truncated_normal(config.initializer_range)
    width = config.embedding_width

    def table(name, rows):
        return layers.variable(name, [rows, width], initializer)

    return EmbeddingVariables(
        word=table("word_embeddings", config.vocab_size),
        token_type=table("token_type_embeddings", config.type_vocab_size),
        position=table("position_embeddings", config.max_position_embeddings),
        norm=layers.norm_variables("LayerNorm", width),
    )


def lookup(table: tf.Variable, ids: Tensor, one_hot: bool) -> Tensor:
    """Rows of a table: int32 [B, S] -> float32 [B, S, E].

    Args:
      one_hot: as a product with one-hot rows, upstream's way on TPU. The values are
        the same; the gradient of a gather is sparse, and upstream's clipping norm
        takes it over the slices without adding up equal rows.
    """
    if not one_hot:
        return tf.gather(table, ids)
    rows = table.shape[0].value if hasattr(table.shape[0], "value") else table.shape[0]
    flat = tf.one_hot(tf.reshape(ids, [-1]), rows, dtype=tf.float32)
    return tf.reshape(
        tf.matmul(flat, table), tf.concat([tf.shape(ids), [table.shape[-1]]], 0)
    )


def embed(
    variables: EmbeddingVariables,
    word: Tensor,
    token_type: Tensor,
    dtype: tf.DType,
    dropout_mask: Optional[DropoutMask] = None,
) -> Tensor:
    """Adds the three embeddings, normalises, drops.

    Args:
      word: float32 [B, S, E], rows of the word table.
      token_type: float32 [B, S, E], rows of the token type table.
      dtype: compute type of the result.
      dropout_mask: DropoutMask of [T, E], or None.

    Returns:
      [B, S, E] in `dtype`.
    """
    shape = tf.shape(word)
    total = word + token_type + variables.position[None, : shape[1], :]
    flat = tf.reshape(tf.cast(total, dtype), [-1, word.shape[-1]])
    normalized = layers.layer_norm(flat, variables.norm)
    output = tf.reshape(layers.dropout(normalized, dropout_mask), shape)
    output.set_shape(word.shape)
    return output
