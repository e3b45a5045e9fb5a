"""Masks drawn in the graph keep the promises of those in records."""

import numpy as np
import pytest

from data.pretraining.masking import MaskingOptions, VocabularyTraits, prediction_counts
from encoder_ko.compat import tf
from encoder_ko.modeling.random_stream import RandomStream
from encoder_ko.pretraining import graph_masking

PAD, UNK, CLS, SEP, MASK = range(5)
VOCAB = 200
CONTINUES = np.arange(VOCAB) >= 150
TRAITS = VocabularyTraits(
    MASK, np.isin(np.arange(VOCAB), [PAD, CLS, SEP, MASK]), CONTINUES
)
LENGTH = 64


def make_rows(count=300, seed=0):
    """[CLS] a [SEP] b [SEP] padding, of 8 to 64 tokens, with repeated tokens."""
    generator = np.random.RandomState(seed)
    lengths = generator.randint(8, LENGTH + 1, count)
    lengths[:20] = LENGTH
    ids = generator.randint(5, VOCAB, [count, LENGTH])
    ids[count // 2 :] = generator.randint(5, 8, ids[count // 2 :].shape)
    ids[:, 0] = CLS
    ids[np.arange(count), lengths // 2] = SEP
    ids[np.arange(count), lengths - 1] = SEP
    mask = np.arange(LENGTH) < lengths[:, None]
    return {"input_ids": ids * mask, "input_mask": mask.astype(int)}, lengths


def run(rows, options, seed=1, step=0):
    with tf.Graph().as_default(), tf.Session() as session:
        features = {
            name: tf.constant(
                value, tf.float32 if name.endswith("weights") else tf.int32
            )
            for name, value in rows.items()
        }
        random = RandomStream(seed, tf.constant(step))
        return session.run(graph_masking.mask_anew(features, options, TRAITS, random))


def flags(masked, name):
    """bool [N, S], the positions of an objective."""
    found = np.zeros(masked["input_ids"].shape, bool)
    row, slot = np.nonzero(masked[name + "_weights"])
    found[row, masked[name + "_positions"][row, slot]] = True
    return found


OPTIONS = {
    "bert": MaskingOptions(),
    "words": MaskingOptions(whole_words=True),
    "albert": MaskingOptions(ngram=3, wop_prob=0.15),
    "albert_words": MaskingOptions(ngram=3, whole_words=True, wop_prob=0.15),
    "longer": MaskingOptions(ngram=2, favor_shorter_ngram=False, wop_prob=0.3),
}


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_predictions_are_consistent(kind):
    rows, lengths = make_rows()
    options = OPTIONS[kind]
    masked = run(rows, options)
    positions, weights = masked["masked_lm_positions"], masked["masked_lm_weights"]
    assert positions.shape == (len(lengths), options.max_predictions_per_seq)
    real = weights == 1
    assert not positions[~real].any() and not masked["masked_lm_ids"][~real].any()
    assert (np.diff(positions, axis=1)[real[:, 1:]] > 0).all()
    original = rows["input_ids"][np.arange(len(lengths))[:, None], positions]
    np.testing.assert_array_equal(masked["masked_lm_ids"], original * real)
    assert not TRAITS.is_special[masked["masked_lm_ids"][real]].any()
    budgets = prediction_counts(lengths, 0.15, options.max_predictions_per_seq)
    counts = weights.sum(1)
    assert (counts <= budgets).all()
    if not options.whole_words:
        np.testing.assert_array_equal(counts, budgets)
    touched = flags(masked, "masked_lm")
    if options.wop_prob:
        touched |= flags(masked, "wop")
    changed = masked["input_ids"] != rows["input_ids"]
    assert not (changed & ~touched).any()


def test_whole_words_are_masked_as_a_whole():
    rows, lengths = make_rows()
    masked = run(rows, OPTIONS["words"])
    chosen = flags(masked, "masked_lm")
    ordinary = ~TRAITS.is_special[rows["input_ids"]]
    joined = CONTINUES[rows["input_ids"]][:, 1:] & ordinary[:, :-1]
    np.testing.assert_array_equal(chosen[:, 1:][joined], chosen[:, :-1][joined])
    assert (masked["masked_lm_weights"].sum(1) > 0).mean() > 0.9
    share = chosen.sum() / prediction_counts(lengths, 0.15, 20).sum()
    assert share > 0.8


def test_ngrams_have_the_sizes_asked_for():
    """Runs of chosen tokens are longer with n-grams; sizes follow 1, 1/2, 1/3."""
    rows, _ = make_rows()

    def mean_run(kind):
        chosen = flags(run(rows, OPTIONS[kind]), "masked_lm")
        begins = chosen & ~np.pad(chosen, [(0, 0), (1, 0)])[:, :-1]
        return chosen.sum() / begins.sum()

    # The mean of 1 to 3 with weights 1, 1/2, 1/3 is 1.64; neighbours may join.
    assert 1.0 < mean_run("bert") < 1.3
    assert 1.55 < mean_run("albert") < 1.95


def test_replacements_are_80_10_10():
    rows, _ = make_rows(2000)
    rows = {name: values[:1000] for name, values in rows.items()}
    masked = run(rows, OPTIONS["bert"])
    chosen = flags(masked, "masked_lm")
    seen, original = masked["input_ids"][chosen], rows["input_ids"][chosen]
    assert 0.78 < (seen == MASK).mean() < 0.82
    assert 0.09 < (seen == original).mean() < 0.115
    others = seen[(seen != MASK) & (seen != original)]
    assert others.min() < 5 and others.max() > VOCAB - 10


@pytest.mark.parametrize("kind", ["albert", "albert_words", "longer"])
def test_word_order_properties(kind):
    """Moved n-grams: the same tokens in another order, not special, not masked."""
    rows, lengths = make_rows()
    options = OPTIONS[kind]
    masked = run(rows, options)
    size = options.wop_ngram
    positions = masked["wop_positions"].reshape(len(lengths), -1, size)
    ids = masked["wop_ids"].reshape(positions.shape)
    real = masked["wop_weights"].reshape(positions.shape)
    assert (real.min(2) == real.max(2)).all()
    used = real[:, :, 0] == 1
    assert (np.diff(positions, axis=2)[used] == 1).all()
    firsts = positions[:, :, 0]
    assert (np.diff(firsts, axis=1)[used[:, 1:]] >= size).all()
    moved = flags(masked, "wop")
    assert not (moved & flags(masked, "masked_lm")).any()
    assert not (moved & TRAITS.is_special[rows["input_ids"]]).any()
    row = np.arange(len(lengths))[:, None, None]
    now, before = masked["input_ids"][row, positions], rows["input_ids"][row, positions]
    np.testing.assert_array_equal(ids[used], before[used])
    np.testing.assert_array_equal(np.sort(now[used]), np.sort(before[used]))
    assert (now[used] != before[used]).any(1).all()
    wanted = np.maximum(size, np.rint(lengths * options.wop_prob)) // size * size
    assert (moved.sum(1) <= wanted).all()
    assert (moved.sum(1)[:20] == wanted[:20]).all()


def test_masks_of_records_are_undone():
    """Masking what was masked and moved before gives what fresh masking gives."""
    rows, _ = make_rows()
    options = OPTIONS["albert"]
    first = run(rows, options, seed=5)
    assert (first["input_ids"] != rows["input_ids"]).any()
    again = run(first, options, seed=6)
    fresh = run(rows, options, seed=6)
    for name in fresh:
        np.testing.assert_array_equal(again[name], fresh[name], name)


def test_word_order_of_records_is_dropped_where_it_is_off():
    """As fresh masking of the original text, with no moves left to be trained."""
    rows, _ = make_rows()
    moved = run(rows, OPTIONS["albert"], seed=5)
    assert moved["wop_weights"].any()
    again = run(moved, OPTIONS["words"], seed=6)
    fresh = run(rows, OPTIONS["words"], seed=6)
    assert set(again) == set(fresh) and "wop_positions" not in fresh
    for name in fresh:
        np.testing.assert_array_equal(again[name], fresh[name], name)


def test_masks_depend_on_seed_and_step_alone():
    rows, _ = make_rows(20)
    options = OPTIONS["albert"]
    first, same, later = (run(rows, options, step=step) for step in (3, 3, 4))
    for name in first:
        np.testing.assert_array_equal(first[name], same[name])
    assert (first["masked_lm_positions"] != later["masked_lm_positions"]).any()


def test_positions_are_chosen_uniformly():
    rows, _ = make_rows(2000)
    rows = {name: np.repeat(values[:1], 2000, 0) for name, values in rows.items()}
    chosen = flags(run(rows, OPTIONS["bert"]), "masked_lm").sum(0)
    ordinary = ~TRAITS.is_special[rows["input_ids"][0]]
    assert not chosen[~ordinary].any()
    expected = chosen.sum() / ordinary.sum()
    statistic = ((chosen[ordinary] - expected) ** 2 / expected).sum()
    assert statistic < 61 + 4 * np.sqrt(2 * 61)
