"""Masking: worked examples, a slow reference, and what must hold for any input."""

import hashlib
import itertools

import numpy as np
import pytest

from data.pretraining import masking
from data.pretraining.masking import MaskingOptions, VocabularyTraits
from tests.support.upstream_code import ConstantRandom, upstream_module

PIECES = (
    "[PAD] [CLS] [SEP] [MASK] 한국 ##어 를 공부 ##한다 ##만 오늘 날씨 좋 ##다".split()
)
IDS = {piece: index for index, piece in enumerate(PIECES)}
VOCABULARY = VocabularyTraits(
    mask_id=IDS["[MASK]"],
    is_special=np.array([piece.startswith("[") for piece in PIECES]),
    is_continuation=np.array([piece.startswith("##") for piece in PIECES]),
)


def _row(text):
    return np.array([[IDS[piece] for piece in text.split()]], np.int32)


def _words(text):
    ids = _row(text)
    return masking.find_words(
        ~VOCABULARY.is_special[ids], VOCABULARY.is_continuation[ids]
    )


def _random_rows(rows, length=64, seed=0):
    """Rows of two segments of random pieces: ids int32 [rows, length], lengths."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(4, len(PIECES), (rows, length)).astype(np.int32)
    lengths = rng.integers(8, length + 1, rows)
    ids[:, 0] = IDS["[CLS]"]
    for row, size in zip(ids, lengths):
        row[rng.integers(2, size - 2)] = row[size - 1] = IDS["[SEP]"]
        row[size:] = IDS["[PAD]"]
    return ids, lengths


def _choose(ids, lengths, seed=1, **options):
    return masking.choose_masked(
        ids,
        lengths,
        VOCABULARY,
        MaskingOptions(**options),
        np.random.default_rng(seed),
    )


WAYS = [
    {},
    {"whole_words": True},
    {"whole_words": True, "ngram": 3},
    {"whole_words": True, "ngram": 3, "favor_shorter_ngram": False},
    {"ngram": 2, "max_predictions_per_seq": 4},
]


# round() goes half to even: 10 x 0.15 = 1.5 -> 2, 30 x 0.15 = 4.5 -> 4.
@pytest.mark.parametrize(
    "length, expected", [(1, 1), (3, 1), (10, 2), (30, 4), (128, 19), (512, 20)]
)
def test_prediction_counts_are_pythons(length, expected):
    assert masking.prediction_counts(np.array([length]), 0.15, 20) == [expected]
    assert min(20, max(1, int(round(length * 0.15)))) == expected


def test_words_follow_the_spacing_and_end_at_sep():
    words = _words("[CLS] 한국 ##어 를 [SEP] ##만 [SEP]")
    assert np.flatnonzero(words.begins).tolist() == [1, 3, 5]
    assert words.ends.tolist() == [0, 2, 3, 4]
    assert words.count.tolist() == [3]
    assert masking.words_to_segment_end(words).tolist() == [2, 1, 1]


def test_continuation_after_cls_or_sep_is_a_word_of_its_own():
    words = _words("[CLS] ##어 ##만 [SEP] ##어 [SEP]")
    assert np.flatnonzero(words.begins).tolist() == [1, 4]


def test_words_do_not_join_across_rows():
    ids = np.concatenate([_row("[CLS] 한국 ##어"), _row("##만 를 [SEP]")])
    words = masking.find_words(
        ~VOCABULARY.is_special[ids], VOCABULARY.is_continuation[ids]
    )
    assert words.count.tolist() == [1, 2]
    assert words.ends.tolist() == [0, 2, 3, 4]
    assert masking.words_to_segment_end(words).tolist() == [1, 2, 1]


class _Keys:
    """A generator whose keys put words in a given order, and which draws `value`."""

    def __init__(self, order, value=0.0):
        self.keys = np.argsort(order).astype(np.uint16)[None]
        self.value = value

    def integers(self, low, high, shape, dtype):
        return self.keys.copy()

    def random(self, size):
        return np.full(size, self.value)


def test_word_that_does_not_fit_is_skipped():
    # 한국어 (2), 를 (1), 공부한다만 (3) with a budget of 3, visited as 0, 2, 1.
    words = _words("[CLS] 한국 ##어 를 공부 ##한다 ##만 [SEP]")
    chosen = masking.choose_ngrams(
        words, np.ones(3, int), np.array([3]), np.ones(1), _Keys([0, 2, 1])
    )
    assert np.flatnonzero(chosen).tolist() == [1, 2, 3]


def test_ngram_shrinks_to_what_is_left_and_skips_what_is_chosen():
    # Trigrams wanted (drawn 0.99), budget 3. First word 1 (를): 를 공부한다만 = 4 > 3,
    # so 를 alone; then word 2: 3 > 2 left, skipped; then word 0: 한국어 + 를 + ... = 6
    # and 3 are too many, 한국어 alone fits.
    words = _words("[CLS] 한국 ##어 를 공부 ##한다 ##만 [SEP]")
    following = masking.words_to_segment_end(words)
    chosen = masking.choose_ngrams(
        words, following, np.array([3]), np.ones(3), _Keys([1, 2, 0], 0.99)
    )
    assert np.flatnonzero(chosen).tolist() == [1, 2, 3]


def test_ngram_that_meets_a_chosen_word_is_skipped():
    # Bigrams only, room for all: 1 + 2 first; 0 + 1 meets it; 2 is the last word.
    words = _words("[CLS] 오늘 날씨 를 [SEP]")
    following = masking.words_to_segment_end(words)
    chosen = masking.choose_ngrams(
        words, following, np.array([4]), np.array([0.0, 1.0]), _Keys([1, 0, 2], 0.5)
    )
    assert np.flatnonzero(chosen).tolist() == [2, 3]


def test_ngrams_never_span_sep():
    words = _words("[CLS] 오늘 [SEP] 날씨 [SEP]")
    following = masking.words_to_segment_end(words)
    chosen = masking.choose_ngrams(
        words,
        following,
        np.array([4]),
        np.array([0.0, 1.0]),  # two words or nothing
        np.random.default_rng(0),
    )
    assert not chosen.any()


def test_ngram_weights_are_the_papers():
    assert masking.ngram_weights(3, True) == pytest.approx([1, 1 / 2, 1 / 3])
    assert masking.ngram_weights(3, False) == pytest.approx([1 / 3, 1 / 2, 1])


def test_ngram_sizes_are_drawn_in_proportion_and_cut_off_at_the_segment_end():
    available = np.repeat([1, 2, 3], 60000)
    sizes = masking._draw_sizes(
        available, masking.ngram_weights(3, True), np.random.default_rng(0)
    )
    for words, expected in [(1, [1, 0, 0]), (2, [2 / 3, 1 / 3, 0]), (3, [6, 3, 2])]:
        share = np.bincount(sizes[available == words], minlength=4)[1:] / 60000
        assert share == pytest.approx(np.array(expected) / np.sum(expected), abs=0.01)


def test_single_words_equal_a_slow_reference():
    ids, lengths = _random_rows(300)
    words = masking.find_words(
        ~VOCABULARY.is_special[ids], VOCABULARY.is_continuation[ids]
    )
    budgets = masking.prediction_counts(lengths, 0.3, 12)
    chosen = masking.choose_ngrams(
        words, np.ones(sum(words.count), int), budgets, np.ones(1), _rng(5)
    )
    is_word = np.arange(words.count.max()) < words.count[:, None]
    orders = masking._random_order(is_word, _rng(5))
    for row, budget in enumerate(budgets):
        pieces = []  # as create_masked_lm_predictions collects them
        for position, piece in enumerate(ids[row]):
            if VOCABULARY.is_special[piece]:
                continue
            joins = VOCABULARY.is_continuation[piece] and pieces
            if joins and pieces[-1][-1] == position - 1:
                pieces[-1].append(position)
            else:
                pieces.append([position])
        expected = []
        for index in orders[row, : len(pieces)]:
            if len(expected) + len(pieces[index]) <= budget:
                expected += pieces[index]
        assert np.flatnonzero(chosen[row]).tolist() == sorted(expected)


@pytest.mark.parametrize("whole_words", [False, True])
def test_choice_equals_upstreams_given_the_same_order(monkeypatch, whole_words):
    upstream = upstream_module(monkeypatch, "bert", "create_pretraining_data.py")
    upstream.FLAGS.do_whole_word_mask = whole_words
    ids, lengths = _random_rows(100)
    # Upstream lets a ## after [SEP] join the word before it; here it may not.
    after_special = np.roll(VOCABULARY.is_special[ids], 1, axis=1)
    ids[after_special & VOCABULARY.is_continuation[ids]] = IDS["오늘"]
    for row, length in zip(ids, lengths):
        tokens = [PIECES[index] for index in row[:length]]
        eligible = ~VOCABULARY.is_special[row[None]]
        budget = masking.prediction_counts(np.array([length]), 0.15, 20)
        in_order = np.arange(64)  # ConstantRandom does not shuffle either
        if whole_words:
            continues = VOCABULARY.is_continuation[row[None]]
            words = masking.find_words(eligible, continues)
            count = words.count[0]
            chosen = masking.choose_ngrams(
                words, np.ones(count, int), budget, np.ones(1), _Keys(in_order[:count])
            )
        else:
            chosen = masking.choose_pieces(eligible, budget, _Keys(in_order))
        _, positions, _ = upstream.create_masked_lm_predictions(
            tokens, 0.15, 20, ["x"], ConstantRandom(0.5)
        )
        assert np.flatnonzero(chosen).tolist() == positions


def _rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("options", WAYS)
def test_what_holds_for_every_choice(options):
    ids, lengths = _random_rows(400)
    chosen = _choose(ids, lengths, **options)
    most = options.get("max_predictions_per_seq", 20)
    budgets = masking.prediction_counts(lengths, 0.15, most)
    assert not chosen[VOCABULARY.is_special[ids]].any()
    assert (chosen.sum(1) <= budgets).all()
    if not options.get("whole_words"):
        assert (chosen.sum(1) == budgets).all()
        return
    continues = VOCABULARY.is_continuation[ids]
    previous = np.roll(VOCABULARY.is_special[ids], 1, axis=1)
    inside = continues & ~previous & ~VOCABULARY.is_special[ids]
    # A piece inside a word is chosen exactly if the piece before it is.
    assert (chosen == np.roll(chosen, 1, axis=1))[inside].all()


def test_every_piece_is_chosen_equally_often():
    ids = np.repeat(_row("[CLS] 오늘 날씨 좋 ##다 [SEP] 한국 ##어 [SEP]"), 40000, 0)
    chosen = _choose(ids, np.full(40000, 9), masked_lm_prob=0.25)  # 2 of 6
    expected = [0, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 0, 1 / 3, 1 / 3, 0]
    assert chosen.mean(axis=0) == pytest.approx(expected, abs=0.012)


def test_fewer_pieces_than_the_budget_are_all_chosen():
    eligible = np.array([[False, True, True, False, True], [False] * 5])
    chosen = masking.choose_pieces(eligible, np.array([4, 2]), _rng(0))
    assert (chosen == eligible).all()


def test_replacements_are_80_10_10():
    ids = np.full((2000, 100), IDS["오늘"], np.int32)
    masked = np.zeros(ids.shape, bool)
    masked[:, 10:60] = True
    seen = masking.replace_masked(ids, masked, VOCABULARY, _rng(0))
    assert (seen[~masked] == ids[~masked]).all()
    shares = np.bincount(seen[masked], minlength=len(PIECES)) / masked.sum()
    expected = np.full(len(PIECES), 0.1 / len(PIECES))  # special tokens included
    expected[IDS["[MASK]"]] += 0.8
    expected[IDS["오늘"]] += 0.1
    assert shares == pytest.approx(expected, abs=0.004)


def test_predictions_are_the_original_tokens():
    ids = _row("[CLS] 오늘 날씨 좋 ##다 [SEP]")
    chosen = np.zeros(ids.shape, bool)
    chosen[0, [1, 4]] = True
    positions, originals, weights = masking.gather_predictions(ids, chosen, 3)
    assert positions.tolist() == [[1, 4, 0]]
    assert originals.tolist() == [[IDS["오늘"], IDS["##다"], 0]]
    assert weights.tolist() == [[1.0, 1.0, 0.0]]


def _wop(ids, lengths, seed=2, **options):
    options = MaskingOptions(**dict({"wop_prob": 0.3}, **options))
    masked = masking.choose_masked(ids, lengths, VOCABULARY, options, _rng(seed))
    moved = masking.choose_moved(ids, lengths, masked, VOCABULARY, options, _rng(seed))
    shuffled = masking.shuffle_ngrams(ids, moved, options.wop_ngram, _rng(seed))
    return masked, moved, shuffled


@pytest.mark.parametrize("ngram", [2, 3, 4])
def test_word_order_properties(ngram):
    ids, lengths = _random_rows(500)
    masked, moved, shuffled = _wop(ids, lengths, wop_ngram=ngram)
    assert not moved[VOCABULARY.is_special[ids]].any()
    assert not (moved & masked).any()
    wanted = np.maximum(ngram, np.rint(lengths * 0.3).astype(int)) // ngram * ngram
    assert (moved.sum(1) <= wanted).all()
    assert moved.sum() > 0.8 * wanted.sum()

    row, position = (array.reshape(-1, ngram) for array in np.nonzero(moved))
    assert (row == row[:, :1]).all()  # n-grams lie in one row, side by side
    assert (position == position[:, :1] + np.arange(ngram)).all()
    original = ids[moved].reshape(-1, ngram)
    shuffled = shuffled.reshape(-1, ngram)
    assert (np.sort(shuffled) == np.sort(original)).all()
    assert (shuffled != original).any(axis=1).all()  # none keeps its order


def test_word_order_of_one_row_worked_out():
    # Three eligible tokens, one 3-gram: 오늘 날씨 좋 in one of its 5 other orders.
    ids = _row("[CLS] 오늘 날씨 좋 [SEP]")
    nothing = np.zeros(ids.shape, bool)
    options = MaskingOptions(wop_prob=0.15)
    moved = masking.choose_moved(
        ids, np.array([5]), nothing, VOCABULARY, options, _rng(0)
    )
    assert moved.tolist() == [[False, True, True, True, False]]
    own = ids[0, 1:4].tolist()
    orders = {
        tuple(masking.shuffle_ngrams(ids, moved, 3, _rng(seed))) for seed in range(200)
    }
    assert orders == set(itertools.permutations(own)) - {tuple(own)}


@pytest.mark.parametrize(
    "text, why",
    [
        ("[CLS] 오늘 날씨 [SEP] 좋 ##다 [SEP]", "no three tokens in a row"),
        ("[CLS] 오늘 오늘 오늘 오늘 [SEP]", "every order is the same"),
    ],
)
def test_word_order_leaves_alone_what_cannot_move(text, why):
    ids = _row(text)
    nothing = np.zeros(ids.shape, bool)
    options = MaskingOptions(wop_prob=0.5)
    moved = masking.choose_moved(
        ids, np.array([6]), nothing, VOCABULARY, options, _rng(0)
    )
    assert not moved.any(), why


def test_equal_tokens_do_not_count_as_moved():
    ids = np.repeat(_row("[CLS] 오늘 오늘 날씨 [SEP]"), 200, axis=0)
    nothing = np.zeros(ids.shape, bool)
    options = MaskingOptions(wop_prob=0.5)
    moved = masking.choose_moved(
        ids, np.full(200, 5), nothing, VOCABULARY, options, _rng(0)
    )
    shuffled = masking.shuffle_ngrams(ids, moved, 3, _rng(0)).reshape(-1, 3)
    today, weather = IDS["오늘"], IDS["날씨"]
    assert set(map(tuple, shuffled)) == {
        (today, weather, today),
        (weather, today, today),
    }


@pytest.mark.parametrize("options", WAYS)
def test_same_seed_same_choice_other_seed_other(options):
    ids, lengths = _random_rows(50)
    first = _choose(ids, lengths, seed=1, **options)
    assert (first == _choose(ids, lengths, seed=1, **options)).all()
    assert (first != _choose(ids, lengths, seed=2, **options)).any()


def test_choices_are_the_same_in_every_release_of_numpy():
    ids, lengths = _random_rows(100)
    masked, moved, shuffled = _wop(ids, lengths, whole_words=True, ngram=3)
    seen = masking.replace_masked(ids, masked, VOCABULARY, _rng(3))
    content = np.packbits([masked, moved]).tobytes() + seen.astype("<i4").tobytes()
    content += shuffled.astype("<i4").tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == "5489a5c15600944d"
