"""BERT's and ALBERT's masks drawn in the graph, other ones at every step.

The same choices as `data.pretraining.masking` makes when records are built, as
operations on batches, so that one copy of the text is enough. Two things differ, so
that all rows can be done at once: n-grams come from one random cut of the row into
n-grams, and the last one is cut off where the budget ends.

Letters: B batch, S sequence, P predictions, W moved positions, K moved n-grams of n.
"""

from typing import Any, Mapping

from data.pretraining.masking import MaskingOptions, VocabularyTraits, ngram_weights
from data.records.schema import wop_length
from encoder_ko.compat import tf
from encoder_ko.modeling.gather import gather_positions, indices_of, scatter_update
from encoder_ko.modeling.random_stream import RandomStream

_MASKED_BELOW = 0.8
_KEPT_BELOW = 0.9  # above: a random token
_TRIES_TO_SHUFFLE = 8


def options_for(
    max_predictions_per_seq: int,
    usual: Mapping[str, Any],
    recorded: Mapping[str, Any],
    given: Mapping[str, Any],
) -> MaskingOptions:
    """How to mask: as flags say, else as the records were built, else as usual.

    Args:
      usual: every option of data.create_pretraining_data by the name of its flag.
      recorded: settings of the records, by the same names.
      given: flags; None = not given.
    """
    chosen = {}
    for name, value in usual.items():
        chosen[name] = recorded.get(name, value)
        if given[name] is not None:
            chosen[name] = given[name]
    return MaskingOptions(
        max_predictions_per_seq=max_predictions_per_seq,
        whole_words=chosen.pop("do_whole_word_mask"),
        **chosen,
    )


def mask_anew(
    features,
    options: MaskingOptions,
    vocabulary: VocabularyTraits,
    random: RandomStream,
):
    """Undoes the masks and moves of a batch of records and draws new ones.

    Args:
      features: int32 input_ids, input_mask [B, S], S known, and masked_lm_... and
        wop_... as records have them.
      options: how much to mask, and in what units; WOP is off if `wop_prob` is 0.
      vocabulary: of the tokenizer.
      random: where the random numbers come from.

    Returns:
      The features with new input_ids, masked_lm_... [B, P] and, with WOP, wop_...
      [B, W]; without it there are none of these.
    """
    original = original_ids(features)
    length = original.shape.as_list()[1]
    special = tf.gather(tf.constant(vocabulary.is_special), original)
    eligible = tf.logical_and(~special, features["input_mask"] > 0)
    tokens = tf.reduce_sum(features["input_mask"], 1)

    begins = eligible
    if options.whole_words:
        goes_on = tf.gather(tf.constant(vocabulary.is_continuation), original)
        begins = tf.logical_and(eligible, ~(goes_on & _shift(eligible)))
    budgets = _share(tokens, options.masked_lm_prob, options.max_predictions_per_seq)
    chosen = _choose(eligible, begins, budgets, options, random)
    masked = {n: value for n, value in features.items() if not n.startswith("wop_")}
    masked.update(
        _predictions(original, chosen, options.max_predictions_per_seq),
        input_ids=_replace(original, chosen, vocabulary, random),
    )
    moved = wop_length(length, options.wop_prob, options.wop_ngram)
    if moved:
        budgets = tf.maximum(
            options.wop_ngram, _share(tokens, options.wop_prob, length)
        )
        free = tf.logical_and(eligible, ~chosen)
        masked.update(
            _move(original, masked["input_ids"], free, budgets, moved, options, random)
        )
    return masked


def original_ids(features):
    """int32 [B, S], the tokens as they were before masking and moving.

    `오늘 [MASK] 좋다` with 날씨 to be predicted at position 1 -> 오늘 날씨 좋다.
    """
    ids = features["input_ids"]
    for name in ("masked_lm", "wop"):
        if name + "_ids" in features:
            ids, _ = scatter_update(
                ids, features[name + "_ids"], features[name + "_positions"]
            )
    return ids


def _share(tokens, share, most):
    """min(most, max(1, round(tokens x share))), half to even: int32 [B]."""
    wanted = tf.cast(tf.round(tf.cast(tokens, tf.float32) * share), tf.int32)
    return tf.minimum(most, tf.maximum(1, wanted))


def _shift(flags):
    """bool [B, S]: the flag of the position before, False at position 0."""
    return tf.pad(flags[:, :-1], [[0, 0], [1, 0]])


def _number(begins):
    """int32 [B, S]: 0 from the first begin on, 1 from the second, ... (-1 before)."""
    return tf.cumsum(tf.cast(begins, tf.int32), 1) - 1


def _choose(eligible, begins, budgets, options, random):
    """bool [B, S]: words in random order, or n-grams of them, up to the budget.

    Args:
      eligible: bool [B, S], ordinary tokens.
      begins: bool [B, S], first pieces of words.
      budgets: int32 [B], pieces.
    """
    shape = tf.shape(eligible)
    words = tf.maximum(_number(begins), 0)
    sizes = tf.scatter_nd(indices_of(words), tf.cast(eligible, tf.int32), shape)
    fits = gather_positions(sizes, words) <= budgets[:, None]
    usable = tf.logical_and(eligible, fits)

    grams = tf.maximum(_number(_gram_begins(usable, begins, words, options, random)), 0)
    turn = gather_positions(random.uniform(shape), grams)
    order = tf.argsort(tf.where(usable, turn, 2.0 * tf.ones_like(turn)), stable=True)

    # A word is taken if it ends within the budget; ranks are places in that order.
    ranks = tf.broadcast_to(tf.range(shape[1])[None], shape)
    is_end = tf.logical_or(
        gather_positions(begins, order), ~gather_positions(usable, order)
    )
    within = tf.logical_and(is_end, ranks <= budgets[:, None])
    taken = tf.reduce_max(tf.where(within, ranks, tf.zeros_like(ranks)), 1)
    chosen = ranks < taken[:, None]
    return tf.scatter_nd(indices_of(order), tf.cast(chosen, tf.int32), shape) > 0


def _gram_begins(usable, begins, words, options, random):
    """bool [B, S]: where n-grams begin in a random cut of each row into n-grams.

    They end with a segment. With n-grams of one word, `begins` itself.
    """
    usable_begins = tf.logical_and(usable, begins)
    if options.ngram == 1:
        return usable_begins
    weights = ngram_weights(options.ngram, options.favor_shorter_ngram)
    limits = (weights.cumsum() / weights.sum())[:-1]
    drawn = random.uniform(tf.shape(usable))
    sizes = 1 + tf.add_n([tf.cast(drawn >= limit, tf.int32) for limit in limits])
    grams = tf.searchsorted(tf.cumsum(sizes, 1), words, side="right")
    goes_on = tf.equal(grams[:, 1:], grams[:, :-1])
    goes_on = tf.pad(goes_on, [[0, 0], [1, 0]]) & _shift(usable)
    return tf.logical_and(usable_begins, ~goes_on)


def _replace(original, chosen, vocabulary, random):
    """80% [MASK], 10% as they were, 10% any token of the vocabulary: int32 [B, S]."""
    shape = tf.shape(original)
    kind, other = random.uniform(shape), random.uniform(shape)
    any_token = tf.cast(other * len(vocabulary.is_special), tf.int32)
    seen = tf.where(kind < _KEPT_BELOW, original, any_token)
    seen = tf.where(kind < _MASKED_BELOW, tf.fill(shape, vocabulary.mask_id), seen)
    return tf.where(chosen, seen, original)


def _predictions(original, chosen, most):
    """The records' features of the chosen positions, ascending, padded with 0."""
    count = tf.reduce_sum(tf.cast(chosen, tf.int32), 1)
    first = tf.argsort(tf.cast(~chosen, tf.int32), stable=True)[:, :most]
    real = tf.sequence_mask(count, most)
    positions = first * tf.cast(real, tf.int32)
    positions.set_shape([original.shape[0], most])
    return {
        "masked_lm_positions": positions,
        "masked_lm_ids": gather_positions(original, positions)
        * tf.cast(real, tf.int32),
        "masked_lm_weights": tf.cast(real, tf.float32),
    }


# --- Word order ------------------------------------------------------------------


def _move(original, masked, free, budgets, moved, options, random):
    """Shuffles n-grams of free tokens; see `data.pretraining.masking.choose_moved`.

    Args:
      original, masked: int32 [B, S], tokens before and after masking.
      free: bool [B, S], neither special nor masked.
      budgets: int32 [B], tokens to move.
      moved: W, a multiple of n.

    Returns:
      input_ids, wop_positions, wop_ids, wop_weights.
    """
    ngram = options.wop_ngram
    candidates = _ngram_candidates(original, free, ngram, random)
    turn = random.uniform(tf.shape(free))
    turn = tf.where(candidates, turn, 2.0 * tf.ones_like(turn))
    firsts = tf.argsort(turn, stable=True)[:, : moved // ngram]
    available = tf.reduce_sum(tf.cast(candidates, tf.int32), 1)
    count = tf.minimum(available, budgets // ngram)
    real = tf.sequence_mask(count, moved // ngram)
    # In order of position, the unused ones last.
    firsts = tf.sort(tf.where(real, firsts, tf.fill(tf.shape(firsts), tf.int32.max)))
    firsts = tf.where(real, firsts, tf.zeros_like(firsts))
    real = tf.reshape(
        tf.tile(tf.cast(real, tf.int32)[:, :, None], [1, 1, ngram]), [-1, moved]
    )
    positions = tf.reshape(firsts[:, :, None] + tf.range(ngram), [-1, moved]) * real
    ids = gather_positions(original, positions) * real
    shuffled = _shuffle(tf.reshape(ids, [-1, ngram]), random)
    input_ids, _ = scatter_update(masked, tf.reshape(shuffled, [-1, moved]), positions)
    return {
        "input_ids": input_ids,
        "wop_positions": positions,
        "wop_ids": ids,
        "wop_weights": tf.cast(real, tf.float32),
    }


def _ngram_candidates(original, free, ngram, random):
    """bool [B, S]: first tokens of n-grams that do not overlap and can be reordered.

    Each run of free tokens is cut into n-grams from a random place on.
    """
    shape = tf.shape(free)
    positions = tf.broadcast_to(tf.range(shape[1])[None], shape)
    opens = tf.logical_and(free, ~_shift(free))
    runs = indices_of(tf.maximum(_number(opens), 0))

    def of_run(values, flags):
        """Adds up the values with a flag in each run, for each of its positions."""
        values = tf.where(flags, values, tf.zeros_like(values))
        return tf.gather_nd(tf.scatter_nd(runs, values, shape), runs)

    start = of_run(positions, opens)
    size = of_run(tf.ones_like(positions), free)
    offset = of_run(tf.cast(random.uniform(shape) * ngram, tf.int32), opens)
    place = positions - start - offset
    begins = tf.equal(place % ngram, 0) & (place >= 0)
    begins = begins & (place + offset + ngram <= size) & free
    later = tf.pad(original, [[0, 0], [0, ngram]])
    differs = [
        tf.not_equal(later[:, shift : shift + shape[1]], original)
        for shift in range(1, ngram)
    ]
    return begins & tf.reduce_any(tf.stack(differs), 0)


def _shuffle(ngrams, random):
    """int32 [K, n] -> [K, n], each row in an order in which it differs from itself.

    Orders are drawn until one differs; after eight tries, all tokens move up by one.
    Rows of equal tokens stay as they are.
    """
    shape = tf.shape(ngrams)
    result = tf.roll(ngrams, 1, 1)
    for _ in range(_TRIES_TO_SHUFFLE):
        order = tf.argsort(random.uniform(shape), stable=True)
        drawn = gather_positions(ngrams, order)
        differs = tf.reduce_any(tf.not_equal(drawn, ngrams), 1, keepdims=True)
        result = tf.where(tf.broadcast_to(differs, shape), drawn, result)
    return result
