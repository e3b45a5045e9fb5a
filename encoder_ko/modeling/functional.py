"""Layers as functions that make their own variables, and shapes: upstream's names.

Programs written for Google's `modeling.py` build their heads from these. The models
themselves are in `model` and do not need them.
Sources: modeling.py of google-research/bert, albert and electra.

Letters: B batch, F and T sequences attended from and to, H width.
"""

import re
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

from encoder_ko.compat import Size, Tensor, tf
from encoder_ko.modeling import activations, embeddings, layers


def create_initializer(initializer_range=0.02):
    """A truncated normal with this standard deviation."""
    return layers.truncated_normal(initializer_range)


# --- Shapes ----------------------------------------------------------------------


def get_shape_list(
    tensor: Tensor, expected_rank=None, name: Optional[str] = None
) -> List:
    """The shape: Python ints where known, int32 scalars elsewhere.

    Args:
      tensor: any tensor.
      expected_rank: int or several, or None.
      name: stands in the message in place of the tensor's.

    Raises:
      ValueError: another rank.
    """
    if expected_rank is not None:
        assert_rank(tensor, expected_rank, name)
    shape = tensor.shape.as_list()
    return layers.shape_of(tensor) if None in shape else shape


def assert_rank(
    tensor: Tensor, expected_rank: Union[int, Sequence[int]], name: Optional[str] = None
) -> None:
    """Raises ValueError unless the tensor has the rank, or one of the ranks."""
    ranks = [expected_rank] if isinstance(expected_rank, int) else expected_rank
    if tensor.shape.ndims not in ranks:
        raise ValueError(
            f"For the tensor `{name or tensor.name}` in scope "
            f"`{tf.get_variable_scope().name}`, the actual rank `{tensor.shape.ndims}` "
            f"(shape = {tensor.shape}) is not equal to the expected rank "
            f"`{expected_rank}`"
        )


def reshape_to_matrix(input_tensor: Tensor) -> Tensor:
    """[..., H] -> [R, H], all but the last axis as rows.

    Raises:
      ValueError: fewer than two axes.
    """
    if input_tensor.shape.ndims < 2:
        raise ValueError(
            f"Input tensor must have at least rank 2. Shape = {input_tensor.shape}"
        )
    if input_tensor.shape.ndims == 2:
        return input_tensor
    return tf.reshape(input_tensor, [-1, input_tensor.shape[-1]])


def reshape_from_matrix(
    output_tensor: Tensor, orig_shape_list: Sequence[Size]
) -> Tensor:
    """[R, W] -> the axes of `orig_shape_list` with W as the last."""
    if len(orig_shape_list) == 2:
        return output_tensor
    width = get_shape_list(output_tensor)[-1]
    return tf.reshape(output_tensor, list(orig_shape_list[:-1]) + [width])


def create_attention_mask_from_input_mask(
    from_tensor: Tensor, to_mask: Tensor
) -> Tensor:
    """float32 [B, F, T] with 1 where attended: int [B, F, ...] and int [B, T]."""
    batch, length = get_shape_list(from_tensor, expected_rank=[2, 3])[:2]
    assert_rank(to_mask, 2)
    mask = tf.cast(to_mask, tf.float32)[:, None, :]
    return tf.ones([batch, length, 1], tf.float32) * mask


# --- Activations, dropout, normalisation -----------------------------------------


def activation_of(activation_string, gelu: Callable) -> Optional[Callable]:
    """The function that a name means; None for a linear layer.

    Args:
      activation_string: name in any case; "", "linear" or None; a function is returned
        as it is.
      gelu: the model's form of GELU.

    Raises:
      ValueError: an unknown name.
    """
    if activation_string is not None and not isinstance(activation_string, str):
        return activation_string
    name = (activation_string or "linear").lower()
    if name == "linear":
        return None
    if name == "gelu":
        return gelu
    if name not in activations.ACTIVATIONS:
        raise ValueError(f"Unsupported activation: {name}")
    return activations.ACTIVATIONS[name]


def dropout(input_tensor: Tensor, dropout_prob: Optional[float]) -> Tensor:
    """Each value is 0 with the probability, else divided by what is left of 1.

    It follows the seed of the graph. None and 0 leave the tensor as it is.
    """
    if not dropout_prob:
        return input_tensor
    return tf.nn.dropout(input_tensor, rate=dropout_prob)


def layer_norm(input_tensor: Tensor, name: Optional[str] = None) -> Tensor:
    """Normalises the last axis; makes `beta` and `gamma` in the scope `name`.

    None is the next free of LayerNorm, LayerNorm_1, ...
    """
    width = input_tensor.shape.as_list()[-1]
    with tf.variable_scope(name, default_name="LayerNorm") as scope:
        variables = layers.norm_variables(scope, width)
    flat = layers.layer_norm(tf.reshape(input_tensor, [-1, width]), variables)
    normalized = tf.reshape(flat, tf.shape(input_tensor))
    normalized.set_shape(input_tensor.shape)
    return normalized


def layer_norm_and_dropout(
    input_tensor: Tensor, dropout_prob: Optional[float], name: Optional[str] = None
) -> Tensor:
    """`dropout(layer_norm(input_tensor))`."""
    return dropout(layer_norm(input_tensor, name), dropout_prob)


# --- Embeddings ------------------------------------------------------------------


def embedding_lookup(
    input_ids: Tensor,
    vocab_size: int,
    embedding_size: int = 128,
    initializer_range: float = 0.02,
    word_embedding_name: str = "word_embeddings",
    use_one_hot_embeddings: bool = False,
) -> Tuple[Tensor, tf.Variable]:
    """Makes a table in the current scope and looks ids up.

    Args:
      input_ids: int32 [B, S], or [B, S, C] for C columns beside each other.
      vocab_size, embedding_size: V and E of the table.
      initializer_range: standard deviation of its initial values.
      word_embedding_name: its name.
      use_one_hot_embeddings: see `embeddings.lookup`.

    Returns:
      (float32 [B, S, E], or [B, S, C * E]; the table, float32 [V, E]).
    """
    table = layers.variable(
        word_embedding_name,
        [vocab_size, embedding_size],
        create_initializer(initializer_range),
    )
    found = embeddings.lookup(table, input_ids, use_one_hot_embeddings)
    if input_ids.shape.ndims == 3:
        *rows, columns = get_shape_list(input_ids)
        found = tf.reshape(found, rows + [columns * embedding_size])
    return found, table


def embedding_postprocessor(
    input_tensor: Tensor,
    use_token_type: bool = False,
    token_type_ids: Optional[Tensor] = None,
    token_type_vocab_size: int = 16,
    token_type_embedding_name: str = "token_type_embeddings",
    use_position_embeddings: bool = True,
    position_embedding_name: str = "position_embeddings",
    initializer_range: float = 0.02,
    max_position_embeddings: int = 512,
    dropout_prob: Optional[float] = 0.1,
    use_one_hot_embeddings: bool = True,
) -> Tensor:
    """Adds token types and positions, normalises, drops; makes the variables.

    Args:
      input_tensor: float32 [B, S, E].
      use_token_type, use_position_embeddings: what is added.
      token_type_ids: int32 [B, S].
      token_type_vocab_size, max_position_embeddings: rows of the tables.
      token_type_embedding_name, position_embedding_name: their names.
      initializer_range: standard deviation of their initial values.
      dropout_prob: see `dropout`.
      use_one_hot_embeddings: see `embeddings.lookup`, for the token types.

    Returns:
      float32 [B, S, E].

    Raises:
      ValueError: no `token_type_ids`, or S is above `max_position_embeddings`.
    """
    _, length, width = get_shape_list(input_tensor, expected_rank=3)
    initializer = create_initializer(initializer_range)
    total = input_tensor
    if use_token_type:
        if token_type_ids is None:
            raise ValueError("`use_token_type` needs `token_type_ids`.")
        shape = [token_type_vocab_size, width]
        table = layers.variable(token_type_embedding_name, shape, initializer)
        total += embeddings.lookup(table, token_type_ids, use_one_hot_embeddings)
    if use_position_embeddings:
        if isinstance(length, int) and length > max_position_embeddings:
            raise ValueError(
                f"The sequence length {length} is above max_position_embeddings="
                f"{max_position_embeddings}."
            )
        shape = [max_position_embeddings, width]
        table = layers.variable(position_embedding_name, shape, initializer)
        total += table[None, :length]
    return layer_norm_and_dropout(total, dropout_prob)


# --- Checkpoints -----------------------------------------------------------------


def variable_names(tvars) -> List[str]:
    """Names without ":0"."""
    return [re.sub(r":\d+$", "", variable.name) for variable in tvars]


def checkpoint_names(init_checkpoint: str) -> Set[str]:
    """Names of the variables that a checkpoint (prefix of its files, or folder) has."""
    return {name for name, _ in tf.train.list_variables(init_checkpoint)}


def initialized_names(names: Sequence[str]) -> Dict[str, int]:
    """Upstream's form of a set: each name, and the name with ":0", is a key."""
    return {name + suffix: 1 for name in names for suffix in ("", ":0")}
