"""ELECTRA's pretrain_helpers and pretrain_data, as upstream's programs call them."""

import numpy as np
import pytest

from data.io.errors import InputError
from data.records import schema
from data.records.tfrecords import write_records
from electra_ko.configure_pretraining import PretrainingConfig
from electra_ko.pretrain import pretrain_data, pretrain_helpers
from encoder_ko.compat import tf
from tests.support.shared_data import OWN as golden

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h".split()
PAD, CLS, SEP, MASK = 0, 2, 3, 4
LENGTH = 16


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return PretrainingConfig(
        "tiny", str(tmp_path), max_seq_length=LENGTH, vocab_size=len(PIECES)
    )


@pytest.fixture(autouse=True)
def own_graph():
    with tf.Graph().as_default():
        yield


def rows(*lengths):
    """[CLS] tokens ... [SEP] of the given lengths, padded."""
    ids = np.zeros([len(lengths), LENGTH], np.int32)
    for row, length in zip(ids, lengths):
        row[:length] = [CLS] + [5 + i % 8 for i in range(length - 2)] + [SEP]
    return pretrain_data.features_to_inputs(
        {
            "input_ids": tf.constant(ids),
            "input_mask": tf.constant((ids > 0).astype(np.int32)),
            "segment_ids": tf.zeros(ids.shape, tf.int32),
            "next_sentence_labels": tf.zeros([len(ids), 1]),
        }
    )


def run(*fetches, times=1):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        runs = [session.run(list(fetches)) for _ in range(times)]
    return runs if times > 1 else runs[0]


# --- Masking ---------------------------------------------------------------------


def test_mask_counts_are_upstreams():
    """Rows of length 1 to 128 hold as many masked slots as Google's mask() made."""
    recorded = np.load(golden("electra", "mask_facts.npz"))
    lengths = recorded["lengths"]
    ids = np.zeros([len(lengths), 128], np.int32)
    for row, length in zip(ids, lengths):
        row[:length] = 7
    config = PretrainingConfig("m", "", vocab_file=golden("tokenization", "vocab.txt"))
    inputs = pretrain_data.Inputs(tf.constant(ids), tf.constant(ids // 7), None)
    masked = pretrain_helpers.mask(config, inputs, config.mask_prob)
    (weights,) = run(masked.masked_lm_weights)
    assert weights.shape[1] == recorded["max_predictions_per_seq"]
    np.testing.assert_array_equal(weights.sum(1), recorded["num_to_predict"])


def test_masked_inputs_and_back(config):
    inputs = rows(16, 9)
    masked = pretrain_helpers.mask(config, inputs, mask_prob=0.3)
    assert masked.segment_ids is inputs.segment_ids
    restored = pretrain_helpers.unmask(masked)
    for before, (ids, positions, originals, weights), after in run(
        inputs.input_ids,
        [
            masked.input_ids,
            masked.masked_lm_positions,
            masked.masked_lm_ids,
            masked.masked_lm_weights,
        ],
        restored.input_ids,
        times=30,
    ):
        np.testing.assert_array_equal(after, before)
        assert weights.tolist() == [[1.0, 1.0], [1.0, 1.0]]  # int((0.15 + 0.005) 16)
        np.testing.assert_array_equal(
            originals, np.take_along_axis(before, positions, 1)
        )
        assert not set(originals.ravel()) & {PAD, CLS, SEP, MASK}
        changed = ids != before
        assert set(ids[changed]) <= {MASK}
        chosen = np.zeros_like(changed)
        np.put_along_axis(chosen, positions, True, 1)
        assert not (changed & ~chosen).any()


def test_masks_differ_from_run_to_run_and_from_place_to_place(config):
    inputs = rows(*[16] * 8)
    masks = [pretrain_helpers.mask(config, inputs, 0.15) for _ in range(2)]
    first, second = run(*[m.masked_lm_positions for m in masks], times=2)
    assert (first[0] != second[0]).any() and (first[0] != first[1]).any()


def test_masks_follow_the_global_step(config):
    step = tf.train.get_or_create_global_step()
    masked = pretrain_helpers.mask(config, rows(*[16] * 8), 0.15)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first, again = (session.run(masked.masked_lm_positions) for _ in range(2))
        session.run(tf.assign_add(step, 1))
        later = session.run(masked.masked_lm_positions)
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()


def test_some_tokens_can_be_ruled_out_or_preferred(config):
    """Positions 1 to 4 are allowed, in the shares 1, 0, 2, 1; slot 0 is taken."""
    inputs = rows(*[16] * 100)
    weights = np.zeros([100, LENGTH], np.float32)
    weights[:, 1:6] = [1, 0, 2, 1, 4]
    disallowed = np.zeros([100, LENGTH], bool)
    disallowed[:, 5] = True
    taken = np.zeros([100, config.max_predictions_per_seq], np.float32)
    taken[:, 0] = 1
    masked = pretrain_helpers.mask(
        config,
        inputs,
        mask_prob=0.3,
        proposal_distribution=tf.constant(weights),
        disallow_from_mask=tf.constant(disallowed),
        already_masked=tf.constant(taken),
    )
    runs = run(masked.masked_lm_positions, masked.masked_lm_weights, times=20)
    positions = np.concatenate([p for p, _ in runs])
    assert np.unique(np.concatenate([w for _, w in runs]), axis=0).tolist() == [[0, 1]]
    assert (positions[:, 0] == 0).all()
    shares = np.bincount(positions[:, 1], minlength=LENGTH) / len(positions)
    assert shares[1:6] == pytest.approx([0.25, 0, 0.5, 0.25, 0], abs=0.05)
    assert shares.sum() == shares[1:6].sum()


def test_candidates_are_neither_special_nor_padding(config):
    allowed = pretrain_helpers.get_candidates_mask(config, rows(5))
    assert np.flatnonzero(run(allowed)[0][0]).tolist() == [1, 2, 3]
    assert pretrain_helpers.get_vocab(config)["[MASK]"] == MASK


# --- Sampling --------------------------------------------------------------------


def test_samples_follow_the_softmax():
    """Logits log 1, log 3, log 4: shares 1/8, 3/8, 1/2; without the last 1/4, 3/4."""
    logits = tf.tile(tf.math.log([[[1.0, 3.0, 4.0]]]), [40, 50, 1])
    disallow = tf.one_hot(tf.fill([40, 50], 2), 3)
    free = pretrain_helpers.sample_from_softmax(logits)
    bound = pretrain_helpers.sample_from_softmax(logits, disallow=disallow)
    assert free.shape.as_list() == [40, 50, 3]
    free, bound = run(free, bound)
    assert set(free.sum(-1).ravel()) == {1.0}
    assert free.mean((0, 1)) == pytest.approx([1 / 8, 3 / 8, 1 / 2], abs=0.05)
    assert bound.mean((0, 1)) == pytest.approx([1 / 4, 3 / 4, 0], abs=0.05)
    assert not (bound[..., 2] > 0).any()


# --- Positions -------------------------------------------------------------------


def test_positions_are_gathered_and_written_as_by_upstream():
    recorded = np.load(golden("electra", "helpers.npz"))
    positions = tf.constant(recorded["positions"])
    for kind, prefix in (("int", ""), ("float", "float_")):
        sequence = tf.constant(recorded[prefix + "sequence"])
        updates = tf.constant(recorded[prefix + "updates"])
        updated, written = pretrain_helpers.scatter_update(sequence, updates, positions)
        gathered = pretrain_helpers.gather_positions(sequence, positions)
        actual = run(updated, written, gathered)
        names = [f"scatter_{kind}_out", f"scatter_{kind}_mask", f"gather_{kind}_out"]
        for value, name in zip(actual, names):
            np.testing.assert_allclose(value, recorded[name], rtol=1e-6)


def test_gathered_vectors_have_a_known_width():
    """tf.layers.dense, which programs put on them, needs it."""
    sequence = tf.placeholder(tf.float32, [None, None, 6])
    positions = tf.placeholder(tf.int32, [None, 3])
    gathered = pretrain_helpers.gather_positions(sequence, positions)
    assert gathered.shape.as_list() == [None, 3, 6]


# --- Records ---------------------------------------------------------------------


def test_inputs_of_features_and_with_changes():
    features = {"input_ids": 1, "input_mask": 2, "segment_ids": 3, "other": 4}
    inputs = pretrain_data.features_to_inputs(features)
    assert inputs == pretrain_data.Inputs(1, 2, 3, None, None, None)
    changed = pretrain_data.get_updated_inputs(inputs, input_ids=9, masked_lm_ids=8)
    assert changed == pretrain_data.Inputs(9, 2, 3, None, 8, None)
    assert changed._asdict()["masked_lm_ids"] == 8


def test_input_fn_reads_records_epoch_after_epoch(config, tmp_path):
    (tmp_path / "pretrain_tfrecords").mkdir()
    features = schema.pretraining_features("electra", LENGTH, 0)
    for number in range(2):
        values = np.full([3, LENGTH], 5 + number)
        values[:, 0] = [10 * number + i for i in range(3)]
        write_records(
            str(tmp_path / "pretrain_tfrecords" / f"pretrain_data.tfrecord-{number}"),
            [
                schema.encode_example(
                    features,
                    {"input_ids": v, "input_mask": v * 0 + 1, "segment_ids": v * 0},
                )
                for v in values
            ],
        )
    config.update(dict(num_train_steps=6, num_eval_steps=2))

    def first_ids(is_training):
        input_fn = pretrain_data.get_input_fn(config, is_training)
        batches = tf.data.make_one_shot_iterator(input_fn({"batch_size": 2}))
        features = batches.get_next()
        assert features["input_ids"].dtype == tf.int32
        steps = config.num_train_steps if is_training else config.num_eval_steps
        with tf.Session() as session:
            read = [session.run(features["input_ids"]) for _ in range(steps)]
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(features)
        assert {batch.shape for batch in read} == {(2, LENGTH)}
        return np.concatenate(read)[:, 0].tolist()

    ids = first_ids(True)
    whole = [0, 1, 2, 10, 11, 12]
    assert sorted(ids[:6]) == sorted(ids[6:]) == whole
    assert ids[:6] != ids[6:]
    assert first_ids(False) == whole[:4]


def test_input_fn_names_what_it_does_not_find(config):
    with pytest.raises(InputError, match="pretrain_data.tfrecord"):
        pretrain_data.get_input_fn(config, is_training=True)


def test_tokens_of_a_row_are_printed_with_what_was_masked(capsys):
    names = ["[PAD]", "나는", "[MASK]", "오늘", "왔다"]
    inputs = pretrain_data.Inputs(
        np.array([[1, 2, 4, 0, 0]]),
        None,
        None,
        masked_lm_positions=np.array([[1, 0]]),
        masked_lm_ids=np.array([[3, 0]]),
        masked_lm_weights=np.array([[1.0, 0.0]]),
    )
    pretrain_data.print_tokens(inputs, dict(enumerate(names)))
    assert capsys.readouterr().out == "나는 \033[91m[MASK] (오늘)\033[0m 왔다\n"
    pretrain_data.print_tokens(inputs, dict(enumerate(names)), [[0, 1, 0, 0, 0]])
    with pytest.raises(ValueError, match="updates_mask is wrong at position 2"):
        pretrain_data.print_tokens(inputs, dict(enumerate(names)), [[0, 1, 1, 0, 0]])
