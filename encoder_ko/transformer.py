"""The transformer encoder of all three models (post-layer-norm, arXiv:1810.04805).

The models differ only in what their variables are called, in which layers share
variables and in the form of GELU; `LayerScopes` holds the names. Layers work on
flattened tokens [T, H], because a matrix product and a row-wise pass need no more.
"""

import math
from typing import NamedTuple, Optional, Sequence

from encoder_ko import compat, layers
from encoder_ko.compat import tf


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


def layer_variables(config, scopes: LayerScopes) -> LayerVariables:
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

    qkv: object
    qkv_bias: object
    attention_output: object
    intermediate: object
    output: object
    variables: LayerVariables


def layer_weights(variables: LayerVariables, dtype) -> LayerWeights:
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


def unshared_weights(config, scopes: LayerScopes, dtype) -> Sequence[LayerWeights]:
    """Layers with variables of their own, in the scopes `layer_0`, `layer_1`, ..."""
    weights = []
    for number in range(config.num_hidden_layers):
        with tf.variable_scope(f"layer_{number}"):
            variables = layer_variables(config, scopes)
        weights.append(layer_weights(variables, dtype))
    return weights


# --- Attention -------------------------------------------------------------------


def _split_heads_forward(product, bias):
    """[B, S, 3, N, D] and bias [3, N, D] -> query, key, value, each [B, N, S, D]."""
    biased = tf.cast(product, tf.float32) + bias
    split = tf.transpose(tf.cast(biased, product.dtype), [2, 0, 3, 1, 4])
    return tuple(tf.unstack(split, num=3))


def _split_heads_backward(*upstream):
    by_product = tf.transpose(tf.stack(upstream), [1, 3, 0, 2, 4])
    return by_product, tf.reduce_sum(tf.cast(by_product, tf.float32), [0, 1])


_split_heads_forward = compat.compiled(_split_heads_forward)
_split_heads_backward = compat.compiled(_split_heads_backward)


@tf.custom_gradient
def _split_heads(product, bias):
    return _split_heads_forward(product, bias), _split_heads_backward


def _softmax_forward(scale):
    def forward(scores, key_bias, *mask):
        logits = tf.cast(scores, tf.float32) * scale + key_bias
        logits -= tf.reduce_max(logits, -1, keepdims=True)
        exponent = tf.exp(logits)
        whole = exponent / tf.reduce_sum(exponent, -1, keepdims=True)
        kept = whole * layers.keep_factor(*mask) if mask else whole
        return tf.cast(kept, scores.dtype), tf.cast(whole, scores.dtype)

    return compat.compiled(forward)


def _softmax_backward(scale):
    def backward(whole, upstream, *mask):
        by_whole = tf.cast(upstream, tf.float32)
        if mask:
            by_whole *= layers.keep_factor(*mask)
        probabilities = tf.cast(whole, tf.float32)
        along = tf.reduce_sum(by_whole * probabilities, -1, keepdims=True)
        return tf.cast(probabilities * (by_whole - along) * scale, whole.dtype)

    return compat.compiled(backward)


class Attention:
    """Softmax of scaled scores with a key mask and dropout, for one head size."""

    def __init__(self, head_size: int):
        self._forward = _softmax_forward(1.0 / math.sqrt(head_size))
        self._backward = _softmax_backward(1.0 / math.sqrt(head_size))

    def probabilities(self, scores, key_bias, mask=None):
        """softmax(scores / sqrt(D) + key_bias), then dropout.

        Args:
          scores: [B, N, S, S], queries by keys.
          key_bias: float32 [B, 1, 1, S], 0 or -10000 (padding).
          mask: DropoutMask of [B, N, S, S], or None.

        Returns:
          [B, N, S, S], the type of `scores`.
        """
        drawn = tuple(mask) if mask is not None else ()

        @tf.custom_gradient
        def apply(scores):
            kept, whole = self._forward(scores, key_bias, *drawn)
            return kept, lambda dy: self._backward(whole, dy, *drawn)

        return apply(scores)


def key_mask_bias(input_mask):
    """float32 [B, 1, 1, S]: 0 for tokens, -10000 for padding, from int32 [B, S].

    Upstream: the mask is over keys only; padding positions still attend.
    """
    return (1.0 - tf.cast(input_mask[:, None, None, :], tf.float32)) * -10000.0


# --- The encoder -----------------------------------------------------------------


class Encoder(NamedTuple):
    """How to run a stack of layers.

    Attributes:
      config: EncoderConfig.
      activation: name in `layers.ACTIVATIONS` of the feed-forward layer.
      dropout: DropoutStream while training, else None.
      batch, length: B and S, Python ints where known, else int32 scalars.
    """

    config: object
    activation: str
    dropout: Optional[layers.DropoutStream]
    batch: object
    length: object

    def _mask(self, shape, rate):
        return self.dropout.mask(shape, rate) if self.dropout else None

    def layer(self, x, key_bias, weights: LayerWeights, attention: Attention):
        """One layer: [T, H] -> [T, H]."""
        config, variables = self.config, weights.variables
        width, rate = config.hidden_size, config.hidden_dropout_prob
        tokens = self.batch * self.length
        context = self._attend(x, key_bias, weights, attention)
        attended = layers.bias_dropout_residual_norm(
            tf.matmul(context, weights.attention_output),
            variables.attention_output.bias,
            x,
            variables.attention_norm,
            self._mask([tokens, width], rate),
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
            self._mask([tokens, width], rate),
        )

    def _attend(self, x, key_bias, weights, attention):
        """Multi-head self-attention before its output product: [T, H] -> [T, H]."""
        config, batch, length = self.config, self.batch, self.length
        heads = config.num_attention_heads
        head_size = config.hidden_size // heads
        product = tf.reshape(
            tf.matmul(x, weights.qkv), [batch, length, 3, heads, head_size]
        )
        query, key, value = _split_heads(
            product, tf.reshape(weights.qkv_bias, [3, heads, head_size])
        )
        probabilities = attention.probabilities(
            tf.matmul(query, key, transpose_b=True),
            key_bias,
            self._mask(
                [batch, heads, length, length], config.attention_probs_dropout_prob
            ),
        )
        context = tf.transpose(tf.matmul(probabilities, value), [0, 2, 1, 3])
        return tf.reshape(context, [batch * length, config.hidden_size])

    def run(self, x, input_mask, weights_of_blocks: Sequence[LayerWeights]):
        """All layers.

        Args:
          x: [B, S, H] in the compute type.
          input_mask: int32 [B, S], 1 = token, 0 = padding.
          weights_of_blocks: LayerWeights of each layer; layers may share one.

        Returns:
          list of [B, S, H], one for each layer.
        """
        config = self.config
        attention = Attention(config.hidden_size // config.num_attention_heads)
        key_bias = key_mask_bias(input_mask)
        x = tf.reshape(x, [-1, config.hidden_size])
        outputs = []
        for number, weights in enumerate(weights_of_blocks):
            with tf.name_scope(f"layer_{number}"):
                x = self.layer(x, key_bias, weights, attention)
            outputs.append(tf.reshape(x, [self.batch, self.length, config.hidden_size]))
        return outputs
