"""The transformer encoder of all three models (post-layer-norm, arXiv:1810.04805).

The models differ only in what their variables are called, in which layers share
variables and in the form of GELU; `LayerScopes` holds the names. Layers work on
flattened tokens [R, H], because a matrix product and a row-wise pass need no more: all
T = B * S of them or, with an Unpadding, those that are not padding.
"""

import math
from typing import List, NamedTuple, Optional, Sequence

from encoder_ko import compat
from encoder_ko.compat import Size, Tensor, tf
from encoder_ko.modeling import fused, layers
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.dropout import DropoutMask, DropoutStream
from encoder_ko.modeling.gather import gather_positions
from encoder_ko.modeling.unpadding import Bands, Unpadding


class LayerScopes(NamedTuple):
    """Variable scopes of the parts of one layer, relative to the layer's scope."""

    attention: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str


BERT_SCOPES = LayerScopes(
    attention="attention/self",
    attention_output="attention/output/dense",
    attention_norm="attention/output/LayerNorm",
    intermediate="intermediate/dense",
    output="output/dense",
    output_norm="output/LayerNorm",
)

ALBERT_SCOPES = LayerScopes(
    attention="attention_1/self",
    attention_output="attention_1/output/dense",
    attention_norm="LayerNorm",
    intermediate="ffn_1/intermediate/dense",
    output="ffn_1/intermediate/output/dense",
    output_norm="LayerNorm_1",
)


class LayerVariables(NamedTuple):
    """Variables of one layer; query, key and value are each DenseVariables [H, H]."""

    query: layers.DenseVariables
    key: layers.DenseVariables
    value: layers.DenseVariables
    attention_output: layers.DenseVariables
    attention_norm: layers.NormVariables
    intermediate: layers.DenseVariables
    output: layers.DenseVariables
    output_norm: layers.NormVariables


def layer_variables(config: EncoderConfig, scopes: LayerScopes) -> LayerVariables:
    """Creates (or fetches) the variables of a layer in the current scope."""
    initializer = layers.truncated_normal(config.initializer_range)
    width, inner = config.hidden_size, config.intermediate_size

    def dense(name, inputs, outputs):
        return layers.dense_variables(name, inputs, outputs, initializer)

    return LayerVariables(
        query=dense(scopes.attention + "/query", width, width),
        key=dense(scopes.attention + "/key", width, width),
        value=dense(scopes.attention + "/value", width, width),
        attention_output=dense(scopes.attention_output, width, width),
        attention_norm=layers.norm_variables(scopes.attention_norm, width),
        intermediate=dense(scopes.intermediate, width, inner),
        output=dense(scopes.output, inner, width),
        output_norm=layers.norm_variables(scopes.output_norm, width),
    )


class LayerWeights(NamedTuple):
    """LayerVariables as the products use them: cast once, even where layers share.

    Attributes:
      qkv: [H, 3H], query, key and value beside each other; attention_output [H, H];
      intermediate: [H, I]; output [I, H]; all in the compute type.
      qkv_bias: float32 [3H]. variables: the LayerVariables.
    """

    qkv: Tensor
    qkv_bias: Tensor
    attention_output: Tensor
    intermediate: Tensor
    output: Tensor
    variables: LayerVariables


def layer_weights(variables: LayerVariables, dtype: tf.DType) -> LayerWeights:
    """Casts the kernels of a layer to the compute type and joins query, key, value."""
    joined = (variables.query, variables.key, variables.value)
    return LayerWeights(
        qkv=tf.concat([tf.cast(v.kernel, dtype) for v in joined], 1),
        qkv_bias=tf.concat([v.bias for v in joined], 0),
        attention_output=tf.cast(variables.attention_output.kernel, dtype),
        intermediate=tf.cast(variables.intermediate.kernel, dtype),
        output=tf.cast(variables.output.kernel, dtype),
        variables=variables,
    )


def shared_weights(weights: LayerWeights, uses: int) -> Sequence[LayerWeights]:
    """LayerWeights of `uses` layers that share them. Their gradients add in float32.

    Left to themselves those of a bfloat16 computation add in bfloat16, and slowly.
    """
    products = ("qkv", "attention_output", "intermediate", "output")
    copies = [_copies(getattr(weights, name), uses) for name in products]
    return [weights._replace(**dict(zip(products, of_use))) for of_use in zip(*copies)]


def _copies(kernel, uses):
    @compat.custom_gradient
    def apply(kernel):
        copies = [tf.identity(kernel) for _ in range(uses)]
        return copies, lambda *upstream: fused.sum_in_float32(upstream)

    return apply(kernel)


def unshared_weights(
    config: EncoderConfig, scopes: LayerScopes, dtype: tf.DType
) -> Sequence[LayerWeights]:
    """Layers with variables of their own, in the scopes `layer_0`, `layer_1`, ..."""
    weights = []
    for number in range(config.num_hidden_layers):
        with tf.variable_scope(f"layer_{number}"):
            variables = layer_variables(config, scopes)
        weights.append(layer_weights(variables, dtype))
    return weights


# --- Attention -------------------------------------------------------------------


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_bias: Tensor,
    mask: Optional[DropoutMask] = None,
) -> Tensor:
    """dropout(softmax(query key^T / sqrt(D) + key_bias)) value.

    The gradient of the softmax needs the inner product of each row of probabilities
    with its gradient; that of the result with its gradient is the same, and shorter.

    Args:
      query: [B, N, Q, D]. key, value: [B, N, S, D].
      key_bias: float32 [B, 1, 1, S], 0 or -10000 (padding).
      mask: DropoutMask of [B, N, Q, S], or None.

    Returns:
      [B, N, Q, D], the type of `query`.
    """
    scale = tf.constant(1.0 / math.sqrt(query.shape.as_list()[-1]))

    @compat.custom_gradient
    def apply(query, key, value):
        scores = tf.matmul(query, key, transpose_b=True)
        masked = fused.mask_scores(scores, key_bias, scale)
        whole = compat.softmax(tf.reshape(masked, tf.shape(scores)))
        kept = layers.dropout(whole, mask)
        context = tf.matmul(kept, value)

        def gradients(upstream):
            by_scores = fused.softmax_gradient(
                tf.matmul(upstream, value, transpose_b=True),
                whole,
                fused.row_products(upstream, context),
                scale,
                mask,
            )
            return (
                tf.matmul(by_scores, key),
                tf.matmul(by_scores, query, transpose_a=True),
                tf.matmul(kept, upstream, transpose_a=True),
            )

        return context, gradients

    return apply(query, key, value)


def key_mask_bias(input_mask: Tensor) -> Tensor:
    """float32 [B, 1, 1, S]: 0 for tokens, -10000 for padding, from int32 [B, S].

    Upstream: the mask is over keys only; padding positions still attend. From int32
    [B, Q, S], which says for each query what it attends to, float32 [B, 1, Q, S].
    """
    mask = tf.cast(input_mask, tf.float32)
    mask = mask[:, None, None] if mask.shape.ndims == 2 else mask[:, None]
    return (1.0 - mask) * -10000.0


# --- The encoder -----------------------------------------------------------------


class TransformerEncoder(NamedTuple):
    """How to run a stack of layers.

    Attributes:
      config: EncoderConfig.
      activation: name in `activations.ACTIVATIONS` of the feed-forward layer.
      dropout: DropoutStream while training, else None.
      batch, length: B and S, Python ints where known, else int32 scalars.
      unpadding: Unpadding of the batch where padding is left out; None = R is T.
      bands: Bands of the batch, with an unpadding.
    """

    config: EncoderConfig
    activation: str
    dropout: Optional[DropoutStream]
    batch: Size
    length: Size
    unpadding: Optional[Unpadding] = None
    bands: Optional[Bands] = None

    def _mask(self, shape, rate):
        return self.dropout.mask(shape, rate) if self.dropout else None

    def layer(
        self, x: Tensor, key_biases: Sequence[Tensor], weights: LayerWeights
    ) -> Tensor:
        """One layer: [R, H] -> [R, H]."""
        context = self._attend_to_all(x, key_biases, weights)
        return self._finish_layer(context, x, weights)

    def layer_at(
        self,
        positions: Tensor,
        x: Tensor,
        key_biases: Sequence[Tensor],
        weights: LayerWeights,
        wanted: Optional[Unpadding] = None,
    ) -> Tensor:
        """One layer for some tokens: int32 [B, P] and [R, H] -> [B * P, H].

        Where only some of the positions are `wanted`, the rest has no meaning.
        """
        at_positions = gather_positions(self._sequences(x), positions)
        at_positions = tf.reshape(at_positions, [-1, self.config.hidden_size])
        count = layers.shape_of(positions)[1]
        context = self._attend_from(at_positions, count, x, key_biases, weights)
        if wanted is None:
            return self._finish_layer(context, at_positions, weights)
        context, at_positions = wanted.unpad(context), wanted.unpad(at_positions)
        return wanted.pad(self._finish_layer(context, at_positions, weights))

    def _finish_layer(self, context, x, weights):
        """What follows the attention, row by row: [T, H] and the layer's input."""
        config, variables = self.config, weights.variables
        shape, rate = (
            [layers.shape_of(x)[0], config.hidden_size],
            config.hidden_dropout_prob,
        )
        attended = layers.bias_dropout_residual_norm(
            tf.matmul(context, weights.attention_output),
            variables.attention_output.bias,
            x,
            variables.attention_norm,
            self._mask(shape, rate),
        )
        inner = layers.biased_activation(
            tf.matmul(attended, weights.intermediate),
            variables.intermediate.bias,
            self.activation,
        )
        return layers.bias_dropout_residual_norm(
            tf.matmul(inner, weights.output),
            variables.output.bias,
            attended,
            variables.output_norm,
            self._mask(shape, rate),
        )

    def _sequences(self, x):
        """[R, H] -> [B, S, H]."""
        if self.unpadding is not None:
            x = self.unpadding.pad(x)
        return tf.reshape(x, [self.batch, self.length, x.shape[-1]])

    def _attend_to_all(self, x, key_biases, weights):
        """Self-attention before its output product: [R, H] -> [R, H]."""
        product = tf.matmul(x, weights.qkv)
        split = self._split_heads(product, weights.qkv_bias)
        contexts = [
            self._attend(query, key, value, key_bias)
            for (query, key, value), key_bias in zip(split, key_biases)
        ]
        if self.bands is not None:
            return self.bands.join_heads(contexts)
        return self._join_heads(*contexts)

    def _attend_from(self, x, count, keys, key_biases, weights):
        """Attention of `count` tokens of each sequence to all tokens of it.

        Before its output product: [B * count, H] and [R, H] -> [B * count, H].
        """
        width = self.config.hidden_size
        kernel, bias = weights.qkv, weights.qkv_bias
        product = tf.matmul(x, kernel[:, :width])
        (query,) = self._transposed_heads(product, bias[:width], count)
        queries = self.bands.split_batch(query) if self.bands else [query]
        product = tf.matmul(keys, kernel[:, width:])
        split = self._split_heads(product, bias[width:])
        contexts = [
            self._attend(query, key, value, key_bias)
            for query, (key, value), key_bias in zip(queries, split, key_biases)
        ]
        context = self.bands.join_batch(contexts) if self.bands else contexts[0]
        return self._join_heads(context)

    def _attend(self, query, key, value, key_bias):
        """`attend` with the dropout of its probabilities: [b, N, Q, D]."""
        batch, heads, count, _ = layers.shape_of(query)
        shape = [batch, heads, count, layers.shape_of(key)[2]]
        mask = self._mask(shape, self.config.attention_probs_dropout_prob)
        return attend(query, key, value, key_bias, mask)

    def _split_heads(self, product, bias):
        """[R, parts * H] -> of each band query, key, ..., each [b, N, S', D]."""
        if self.bands is None:
            return [self._transposed_heads(product, bias, self.length)]
        *_, parts, heads, size = self._shape_of_parts(bias, self.length)
        return self.bands.split_heads(layers.biased(product, bias), parts, heads, size)

    def _transposed_heads(self, product, bias, length):
        """[B * L, parts * H] -> `parts` tensors [B, N, L, D]."""
        shape = self._shape_of_parts(bias, length)
        split = tf.reshape(layers.biased(product, bias), shape)
        return tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]), num=shape[2])

    def _shape_of_parts(self, bias, length):
        """B, L, parts, N, D."""
        heads, width = self.config.num_attention_heads, self.config.hidden_size
        parts = bias.shape.as_list()[0] // width
        return [self.batch, length, parts, heads, width // heads]

    def _join_heads(self, context):
        """[B, N, L, D] -> [B * L, H]."""
        context = tf.transpose(context, [0, 2, 1, 3])
        return tf.reshape(context, [-1, self.config.hidden_size])

    def run(
        self,
        x: Tensor,
        input_mask: Tensor,
        weights_of_blocks: Sequence[LayerWeights],
        positions: Optional[Tensor] = None,
        wanted: Optional[Unpadding] = None,
    ) -> List[Tensor]:
        """All layers.

        Args:
          x: [B, S, H] in the compute type.
          input_mask: int32 [B, S], 1 = token, 0 = padding.
          weights_of_blocks: LayerWeights of each block.
          positions: int32 [B, P], the tokens for which the last layer is computed;
            None = all. They come out the same as with the others, since they read only
            what the layer before made of those.
          wanted: Unpadding of the positions; None = all are wanted.

        Returns:
          list of [B, S, H], one for each layer; the last [B, P, H] with `positions`.
        """
        config = self.config
        key_biases = [key_mask_bias(input_mask)]
        if self.bands is not None:
            key_biases = self.bands.split_key_bias(*key_biases)
        x = tf.reshape(x, [-1, config.hidden_size])
        if self.unpadding is not None:
            x = self.unpadding.unpad(x)
        outputs = []
        *all_but_last, last = weights_of_blocks
        for number, weights in enumerate(all_but_last):
            with tf.name_scope(f"layer_{number}"):
                x = self.layer(x, key_biases, weights)
            outputs.append(self._sequences(x))
        with tf.name_scope(f"layer_{len(all_but_last)}"):
            if positions is None:
                return outputs + [self._sequences(self.layer(x, key_biases, last))]
            x = self.layer_at(positions, x, key_biases, last, wanted)
        shape = [self.batch, layers.shape_of(positions)[1], config.hidden_size]
        return outputs + [tf.reshape(x, shape)]
