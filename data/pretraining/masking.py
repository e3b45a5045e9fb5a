"""Which tokens of pre-training instances are masked or moved: pure functions of arrays.

Rows are instances with [CLS] and [SEP] in place; every random choice comes from the
generator that is passed in. Whole words (BERT), n-grams of words (ALBERT) and the
n-grams whose order word order prediction (WOP) shuffles are chosen by one algorithm,
`choose_ngrams`; single pieces by a shorter one that does the same.

Whole words follow Korean spacing, as the vocabulary shows it: a word is a piece and
the continuations after it (`##` pieces, or pieces without U+2581).

    [CLS] 한국 ##어 를 공부 ##한다 [SEP]      pieces
          |한국어|  |를| |공부한다|            words of 2, 1 and 2 pieces

Sources: Devlin et al. 2018 (arXiv 1810.04805), google-research/bert and /albert
create_pretraining_data.py; StructBERT (arXiv 1908.04577) for the word order objective.

Letters: N rows, S positions, K words and C chosen positions of all rows one after
another, P predictions.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

_MASK_BELOW = 0.8
_KEEP_BELOW = 0.9  # and above, a random token


@dataclasses.dataclass(frozen=True)
class MaskingOptions:
    """How many tokens are masked, and in what units.

    Attributes:
      masked_lm_prob: share of the tokens of a row, [CLS] and [SEP] counted.
      max_predictions_per_seq: P, the most per row.
      whole_words: whether words are masked as a whole, not piece by piece.
      ngram: the longest run of words masked at once; 1 = single words.
      favor_shorter_ngram: whether n words have a probability proportional to 1/n;
        otherwise these probabilities are taken in reverse.
      wop_prob: share of the tokens of a row that word order prediction moves; 0 = none.
      wop_ngram: tokens per shuffled n-gram.
    """

    masked_lm_prob: float = 0.15
    max_predictions_per_seq: int = 20
    whole_words: bool = False
    ngram: int = 1
    favor_shorter_ngram: bool = True
    wop_prob: float = 0.0
    wop_ngram: int = 3


class VocabularyTraits(NamedTuple):
    """What masking has to know of a vocabulary of V tokens."""

    mask_id: int
    is_special: np.ndarray  # bool [V]: never masked nor moved
    is_continuation: np.ndarray  # bool [V]: goes on with the word before it


class Words(NamedTuple):
    """Words of N rows, K in all, in order of row and position."""

    eligible: np.ndarray  # bool [N, S], pieces of words; all others are special
    begins: np.ndarray  # bool [N, S], first pieces
    ends: np.ndarray  # int64 [K + 1]: word k is eligible pieces ends[k] to ends[k + 1]
    count: np.ndarray  # int64 [N], words per row


class Predictions(NamedTuple):
    """Positions to predict, padded with 0; weights are 1 for real ones."""

    positions: np.ndarray  # int32 [N, P], ascending
    ids: np.ndarray  # int32 [N, P], the original tokens
    weights: np.ndarray  # float32 [N, P]


def prediction_counts(lengths: np.ndarray, share: float, most: int) -> np.ndarray:
    """Tokens to predict per row: min(most, max(1, round(length * share))).

    Upstream: Python's round, half to even; lengths count [CLS] and [SEP]. With share
    0.15: length 10 -> round(1.5) = 2, length 30 -> round(4.5) = 4, length 128 -> 19.

    Args:
      lengths: integers [N], tokens per row.
    """
    wanted = np.maximum(1, np.rint(lengths * share).astype(np.int64))
    return np.minimum(most, wanted)


def find_words(eligible: np.ndarray, continues: np.ndarray) -> Words:
    """Groups eligible pieces into words.

    A piece that is not eligible (a special token) ends the word and the segment, so a
    continuation after [SEP] begins a word of its own.

    Args:
      eligible: bool [N, S], pieces that may be chosen.
      continues: bool [N, S], pieces that belong to the word of the piece before.

    Returns:
      Words. `[CLS] 한국 ##어 를 [SEP] ##만 [SEP]` -> begins at 1, 3 and 5; ends 0, 2,
      3, 4; count 3.
    """
    begins = eligible.copy()
    begins[:, 1:] &= ~(eligible[:, :-1] & continues[:, 1:])
    firsts = np.flatnonzero(begins[eligible])
    ends = np.append(firsts, np.count_nonzero(eligible))
    return Words(eligible, begins, ends, begins.sum(axis=1))


def words_to_segment_end(words: Words) -> np.ndarray:
    """Words from each word to the end of its segment, itself too, int64 [K].

    `[CLS] 한국 ##어 를 [SEP] ##만 [SEP]` -> 2, 1, 1.
    """
    opens = words.eligible.copy()
    opens[:, 1:] &= ~words.eligible[:, :-1]
    total = len(words.ends) - 1
    first = np.append(np.flatnonzero(opens[words.begins]), total)
    return np.repeat(first[1:], np.diff(first)) - np.arange(total)


def ngram_weights(ngram: int, favor_shorter: bool) -> np.ndarray:
    """Relative probabilities of 1..ngram words: 1/n, or reversed. float64 [ngram].

    For 3: [1, 1/2, 1/3]; reversed [1/3, 1/2, 1].
    """
    weights = 1.0 / np.arange(1, ngram + 1)
    return weights if favor_shorter else weights[::-1]


def choose_ngrams(
    words: Words,
    following: np.ndarray,
    budgets: np.ndarray,
    weights: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Chooses n-grams of words at random until each row's budget of pieces is used.

    All words of a row are visited in random order. At each, n is drawn from `weights`,
    cut off at the end of the segment, and lowered while the n-gram is larger than what
    is left of the budget. An n-gram that still does not fit, or that meets a word
    chosen before, is skipped.

    Args:
      words: the candidates.
      following: int64 [K], words from each one that an n-gram may take, itself too;
        0 = no n-gram begins here.
      budgets: int64 [N], pieces to choose per row at most.
      weights: float64 [n], relative probabilities of n-grams of 1..n words.

    Returns:
      bool [N, S], the pieces chosen. Words of 2, 1 and 3 pieces, budget 3, visited in
      the order 0, 2, 1 as unigrams -> the first (2), not the third (3 > 1 left), the
      second.
    """
    starts = np.cumsum(words.count) - words.count
    left = budgets.copy()
    chosen = np.zeros(len(following) + len(weights), bool)
    active = np.arange(len(budgets))
    is_word = np.arange(int(words.count.max())) < words.count[:, None]
    orders = np.ascontiguousarray(_random_order(is_word, generator).T)
    for turn, order in enumerate(orders):
        active = active[(left[active] > 0) & (turn < words.count[active])]
        if not len(active):
            break
        word = starts[active] + order[active]
        grams = _draw_sizes(following[word], weights, generator)
        for _ in range(len(weights) - 1):
            too_large = words.ends[word + grams] - words.ends[word] > left[active]
            grams -= too_large & (grams > 1)
        size = words.ends[word + grams] - words.ends[word]
        taken = (grams > 0) & (size <= left[active])
        for offset in range(len(weights)):
            taken &= (offset >= grams) | ~chosen[word + offset]
        word, grams = word[taken], grams[taken]
        left[active[taken]] -= size[taken]
        for offset in range(len(weights)):
            chosen[word[offset < grams] + offset] = True
    pieces = np.zeros_like(words.eligible)
    pieces[words.eligible] = np.repeat(chosen[: len(following)], np.diff(words.ends))
    return pieces


def choose_pieces(
    eligible: np.ndarray, budgets: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Chooses single pieces at random until each row's budget is used.

    What `choose_ngrams` would do where every piece is a word, in fewer steps.

    Args:
      eligible: bool [N, S].
      budgets: int64 [N], pieces to choose per row at most.

    Returns:
      bool [N, S].
    """
    first = _random_order(eligible, generator)[:, : int(budgets.max())]
    most = np.minimum(budgets, eligible.sum(axis=1))
    wanted = np.arange(first.shape[1]) < most[:, None]
    rows = np.arange(len(eligible))[:, None] * eligible.shape[1]
    chosen = np.zeros(eligible.shape, bool)
    chosen.ravel()[(first + rows)[wanted]] = True
    return chosen


def _random_order(eligible: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The eligible columns of each row in random order, then the others: [N, columns].

    Keys of 16 bits: a radix sort orders them several times as fast as it would doubles,
    and equal keys (one pair in eight rows of 128) merely fall in order of position.
    """
    last = (1 << 16) - 1
    keys = generator.integers(0, last, eligible.shape, dtype=np.uint16)
    keys[~eligible] = last
    return keys.argsort(axis=1, kind="stable")


def _draw_sizes(
    available: np.ndarray, weights: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """n per candidate, from `weights` cut off at `available`; 0 where none is left."""
    if len(weights) == 1:
        return np.minimum(available, 1)
    cumulative = np.append(0.0, np.cumsum(weights))
    total = cumulative[np.minimum(available, len(weights))]
    drawn = generator.random(len(available)) * total
    sizes = np.searchsorted(cumulative, drawn, side="right")
    return np.where(total > 0, sizes, 0)


def gather_predictions(
    input_ids: np.ndarray, chosen: np.ndarray, length: int
) -> Predictions:
    """Predictions of the original tokens at the chosen positions.

    Args:
      input_ids: int32 [N, S], the original tokens.
      chosen: bool [N, S], at most `length` per row.
      length: P, predictions per row, padding included.

    Returns:
      Predictions. [CLS] 오늘 날씨 좋 ##다 [SEP] with 오늘 and ##다 chosen, P = 3 ->
      positions 1 4 0, ids 오늘 ##다 [PAD], weights 1 1 0.
    """
    flat = np.flatnonzero(chosen)
    rows, columns = chosen.shape
    filled = np.arange(length) < chosen.sum(axis=1)[:, None]
    predictions = Predictions(
        np.zeros((rows, length), np.int32),
        np.zeros((rows, length), np.int32),
        filled.astype(np.float32),
    )
    predictions.positions[filled] = flat % columns
    predictions.ids[filled] = input_ids.ravel()[flat]
    return predictions


def choose_masked(
    input_ids: np.ndarray,
    lengths: np.ndarray,
    vocabulary: VocabularyTraits,
    options: MaskingOptions,
    generator: np.random.Generator,
) -> np.ndarray:
    """The positions to mask, bool [N, S].

    Args:
      input_ids: int32 [N, S], special tokens in place.
      lengths: int [N], tokens before the padding.
    """
    eligible = ~vocabulary.is_special[input_ids]
    budgets = prediction_counts(
        lengths, options.masked_lm_prob, options.max_predictions_per_seq
    )
    if options.ngram == 1 and not options.whole_words:
        return choose_pieces(eligible, budgets, generator)
    if options.whole_words:
        continues = vocabulary.is_continuation[input_ids]
    else:
        continues = np.zeros(input_ids.shape, bool)
    words = find_words(eligible, continues)
    weights = ngram_weights(options.ngram, options.favor_shorter_ngram)
    following = words_to_segment_end(words)
    return choose_ngrams(words, following, budgets, weights, generator)


def replace_masked(
    input_ids: np.ndarray,
    masked: np.ndarray,
    vocabulary: VocabularyTraits,
    generator: np.random.Generator,
) -> np.ndarray:
    """The tokens that the model sees: 80% [MASK], 10% unchanged, 10% random.

    Every piece draws for itself, also within a whole word. Upstream: random tokens come
    from the whole vocabulary, special tokens included.

    Args:
      input_ids: int32 [N, S], the original tokens.
      masked: bool [N, S], positions to predict.

    Returns:
      int32 [N, S], a copy.
    """
    flat = np.flatnonzero(masked)
    kind, other = generator.random((2, len(flat)))
    random_ids = (other * len(vocabulary.is_special)).astype(np.int32)
    seen = np.where(kind < _KEEP_BELOW, input_ids.ravel()[flat], random_ids)
    seen[kind < _MASK_BELOW] = vocabulary.mask_id
    replaced = input_ids.copy()
    replaced.ravel()[flat] = seen
    return replaced


def choose_moved(
    input_ids: np.ndarray,
    lengths: np.ndarray,
    masked: np.ndarray,
    vocabulary: VocabularyTraits,
    options: MaskingOptions,
    generator: np.random.Generator,
) -> np.ndarray:
    """The positions of the n-grams that WOP shuffles, bool [N, S].

    In order of row and position, every `wop_ngram` of them are one n-gram. N-grams
    never hold a special or a masked token, never overlap, and hold at least two
    different tokens, so that their order can change. About `wop_prob` of the tokens of
    a row move, in whole n-grams; one n-gram at least where one fits.

    Args:
      input_ids: int32 [N, S], the original tokens.
      lengths: int [N], tokens before the padding.
      masked: bool [N, S], positions that are masked.
    """
    eligible = ~(vocabulary.is_special[input_ids] | masked)
    tokens = find_words(eligible, np.zeros(input_ids.shape, bool))
    ngram = options.wop_ngram
    padded = np.append(input_ids[eligible], np.zeros(ngram, input_ids.dtype))
    count = len(padded) - ngram
    differs = np.zeros(count, bool)
    for offset in range(1, ngram):
        differs |= padded[offset : offset + count] != padded[:count]
    following = np.where(differs, words_to_segment_end(tokens), 0)
    wanted = np.maximum(ngram, np.rint(lengths * options.wop_prob).astype(np.int64))
    only_whole = np.append(np.zeros(ngram - 1), 1.0)
    return choose_ngrams(
        tokens, following, wanted // ngram * ngram, only_whole, generator
    )


def shuffle_ngrams(
    input_ids: np.ndarray, moved: np.ndarray, ngram: int, generator: np.random.Generator
) -> np.ndarray:
    """The tokens in the n-grams of `choose_moved`, each in an order not its own.

    Args:
      input_ids: int32 [N, S], the original tokens.
      moved: bool [N, S], as `choose_moved` returns it.

    Returns:
      int32 [C], what stands at the C moved positions: 오늘 날씨 가 -> for example
      날씨 가 오늘. Equal tokens do not count: ㅋ ㅋ ㅎ never becomes ㅋ ㅋ ㅎ.
    """
    ngrams = input_ids[moved].reshape(-1, ngram)
    shuffled = ngrams.copy()
    same = np.arange(len(ngrams))
    while len(same):
        order = generator.random((len(same), ngram)).argsort(axis=1, kind="stable")
        shuffled[same] = np.take_along_axis(ngrams[same], order, axis=1)
        same = same[(shuffled[same] == ngrams[same]).all(axis=1)]
    return shuffled.ravel()
