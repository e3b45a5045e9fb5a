"""Instances: upstream's own functions as reference, hand-worked cases, properties.

Where `upstream_code.py` finds the original code, it is run with the same constant
"random" numbers.
"""

import hashlib

import numpy as np
import pytest

from data.pretraining import instances
from data.pretraining.instances import InstanceOptions, flatten_documents
from tests.support.upstream_code import ConstantRandom, upstream_module


class Constant:
    """A generator whose uniform numbers are all `value`, and whose coins follow."""

    def __init__(self, value):
        self.value = value

    def random(self, size):
        return np.full(size, self.value)

    def binomial(self, count, share):
        return count if self.value < share else np.zeros_like(count)


def _documents(sizes):
    """Documents whose tokens all differ, counted from 10: sizes by document."""
    token, documents = 10, []
    for document in sizes:
        documents.append([])
        for size in document:
            documents[-1].append(list(range(token, token + size)))
            token += size
    return documents


def _random_documents(count=60, seed=0):
    rng = np.random.default_rng(seed)
    return _documents(
        [rng.integers(1, 14, rng.integers(1, 12)).tolist() for _ in range(count)]
    )


def _segments(built):
    """(A, B, label) of each instance, as lists of tokens."""
    tokens = built.tokens.tolist()
    return [
        (tokens[a : a + size_a], tokens[b : b + size_b], label)
        for a, size_a, b, size_b, label in zip(*(part.tolist() for part in built[1:]))
    ]


def _build(documents, generator=None, **options):
    options = dict({"max_seq_length": 20, "dupe_factor": 1}, **options)
    return _segments(
        instances.build_instances(
            flatten_documents(documents),
            InstanceOptions(**options),
            generator or np.random.default_rng(1),
        )
    )


def test_flatten_leaves_out_what_is_empty():
    flat = flatten_documents([[[5, 6], [7]], [[]], [[], [8, 9]]])
    assert flat.tokens.tolist() == [5, 6, 7, 8, 9]
    assert flat.sentences.tolist() == [0, 2, 3, 5]
    assert flat.documents.tolist() == [0, 2, 3]


def test_no_documents_give_no_instances():
    for model_type in ("bert", "albert", "electra"):
        assert _build([], model_type=model_type) == []


# Two documents: 5, 4 and 3 tokens (10.. 15.. 19..), and 2 and 2 tokens (22.. 24..).
TWO = [[5, 4, 3], [2, 2]]


def test_actual_next_worked_out():
    # S = 11, room for 8 tokens. 0.7: no short target, A = first sentence of the chunk
    # (5 + 4 >= 8), actual next; 9 tokens are one too many: A, longer, loses its last.
    # The chunk after it has the third sentence alone: random next, from document 1 (the
    # only other), second sentence (1 of 2 at 0.7).
    built = _build(_documents(TWO), Constant(0.7), max_seq_length=11)
    assert sorted(built) == [
        ([10, 11, 12, 13], [15, 16, 17, 18], 0),
        ([19, 20, 21], [24, 25], 1),
        ([22, 23], [24, 25], 0),
    ]


def test_random_next_puts_unused_sentences_back_worked_out():
    # 0.3: every second segment is random. The document is drawn as int(0.3 * 2) = 0, so
    # that document 0 finds itself after ten tries, and always from its first sentence.
    # 5 tokens are enough beside A of 5 (8 - 5 = 3 wanted); the pair loses two at the
    # front. The second sentence, unused, opens the next chunk, and so does the third.
    built = _build(_documents(TWO), Constant(0.3), max_seq_length=11)
    assert sorted(built) == [
        ([11, 12, 13, 14], [11, 12, 13, 14], 1),
        ([15, 16, 17, 18], [11, 12, 13, 14], 1),
        ([19, 20, 21], [10, 11, 12, 13, 14], 1),
        ([22, 23], [13, 14, 15, 16, 17, 18], 1),
        ([24, 25], [13, 14, 15, 16, 17, 18], 1),
    ]


def test_sentence_order_worked_out():
    # 0.3: swapped, label 1; 5 + 4 tokens lose one of the longer, now B, at the front.
    # The third sentence is alone, so that its B is random, with label 1 as well.
    documents = _documents(TWO)
    built = _build(documents, Constant(0.3), max_seq_length=11, model_type="albert")
    assert sorted(built) == [
        ([15, 16, 17, 18], [11, 12, 13, 14], 1),
        ([19, 20, 21], [10, 11, 12, 13, 14], 1),
        ([24, 25], [22, 23], 1),
    ]


def test_electra_worked_out():
    # 0.7: no random length, two segments; all 12 tokens of document 0 are one chunk. A
    # is to have (11 - 3) // 2 = 4 tokens: the first sentence is too long, but taken, as
    # A is empty. B gets the rest, cut to 11 - 5 - 3 tokens.
    documents = _documents(TWO)
    built = _build(documents, Constant(0.7), max_seq_length=11, model_type="electra")
    assert sorted(built) == [
        ([10, 11, 12, 13, 14], [15, 16, 17], 0),
        ([22, 23], [24, 25], 0),
    ]


def test_short_sentence_joins_a_after_a_long_one_went_to_b():
    # Target of A: (20 - 3) // 2 = 8. 3 < 8: A. 3 + 6 >= 8, coin (0.7) says no: B.
    # 3 + 4 < 8: A again. So A is sentences 0 and 2.
    documents = _documents([[3, 6, 4]])
    built = _build(documents, Constant(0.7), model_type="electra")
    assert built == [([10, 11, 12, 19, 20, 21, 22], [13, 14, 15, 16, 17, 18], 0)]


def test_two_segments_become_a_row():
    built = instances.Instances(
        np.array([5, 6, 7, 8], np.int32), *np.array([[0], [2], [2], [2], [1]])
    )
    row = instances.assemble(built, slice(0, 1), 9, cls_id=2, sep_id=3, pad_id=0)
    assert row.input_ids.tolist() == [[2, 5, 6, 3, 7, 8, 3, 0, 0]]
    assert row.input_mask.astype(int).tolist() == [[1, 1, 1, 1, 1, 1, 1, 0, 0]]
    assert row.segment_ids.astype(int).tolist() == [[0, 0, 0, 0, 1, 1, 1, 0, 0]]
    assert row.lengths.tolist() == [7]


def test_one_segment_becomes_a_row_with_one_sep():
    built = instances.Instances(
        np.array([5, 6], np.int32), *np.array([[0], [2], [2], [0], [0]])
    )
    row = instances.assemble(built, slice(0, 1), 5, cls_id=2, sep_id=3, pad_id=9)
    assert row.input_ids.tolist() == [[2, 5, 6, 3, 9]]
    assert row.segment_ids.astype(int).tolist() == [[0, 0, 0, 0, 0]]
    assert row.lengths.tolist() == [4]


def _truncated_lengths(length_a, length_b, room):
    """One token at a time, as upstream's truncate_seq_pair."""
    while length_a + length_b > room:
        if length_a > length_b:
            length_a -= 1
        else:
            length_b -= 1
    return length_a, length_b


def test_truncation_equals_one_token_at_a_time():
    rng = np.random.default_rng(0)
    for room in (2, 5, 8, 13):
        length_a, length_b = (part.ravel() for part in np.mgrid[1:20, 1:20])
        zeros = np.zeros_like(length_a)
        cut = instances._truncate(
            instances.Instances(zeros, zeros, length_a, zeros, length_b, zeros),
            room,
            rng,
        )
        expected = [_truncated_lengths(a, b, room) for a, b in zip(length_a, length_b)]
        assert list(zip(cut.length_a, cut.length_b)) == expected
        assert (cut.start_a >= 0).all() and (cut.start_b >= 0).all()
        assert (cut.start_a + cut.length_a <= length_a).all()
        assert (cut.start_b + cut.length_b <= length_b).all()


def test_truncation_takes_from_both_ends_alike():
    count = 20000
    zeros = np.zeros(count, np.int64)
    cut = instances._truncate(
        instances.Instances(zeros, zeros, zeros + 30, zeros, zeros + 10, zeros),
        20,
        np.random.default_rng(0),
    )
    assert (cut.length_a == 10).all() and (cut.length_b == 10).all()
    assert cut.start_a.mean() == pytest.approx(10, abs=0.1)  # of 20 cut from A
    assert cut.start_a.var() == pytest.approx(5, abs=0.3)  # 20 fair coins
    assert (cut.start_b == 0).all()


def _is_run(tokens):
    return tokens == list(range(tokens[0], tokens[0] + len(tokens)))


def _document_of(documents):
    return {
        token: index
        for index, document in enumerate(documents)
        for sentence in document
        for token in sentence
    }


@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_labels_say_what_the_segments_are(model_type):
    documents = _random_documents()
    document_of = _document_of(documents)
    built = _build(documents, model_type=model_type, dupe_factor=5)
    swapped = 0
    for a, b, label in built:
        assert _is_run(a) and _is_run(b) and 2 <= len(a) + len(b) <= 17
        same = document_of[a[0]] == document_of[b[0]]
        if label == 0:
            assert same and a[-1] < b[0]
        elif same:  # swapped; or the random document was the same one ten times
            swapped += b[-1] < a[0]
            assert model_type == "albert"
    labels = np.mean([label for _, _, label in built])
    if model_type == "albert":
        assert swapped > 100
    assert 0.5 < labels < 0.75  # chunks of one sentence always have label 1


def test_random_next_sentence_turns_albert_into_bert():
    documents = _random_documents()
    bert = _build(documents, model_type="bert")
    albert = _build(documents, model_type="albert", random_next_sentence=True)
    assert bert == albert != _build(documents, model_type="albert")


def test_sentence_order_uses_every_token_once_when_nothing_is_cut():
    documents = _documents([[3, 2, 4], [5, 5], [1] * 8])
    built = _build(documents, model_type="albert", max_seq_length=40, short_seq_prob=0)
    tokens = [token for a, b, _ in built for token in a + b]
    assert sorted(tokens) == list(range(10, 37))


def test_next_sentence_leaves_no_sentence_out():
    documents = _random_documents()
    built = _build(documents, short_seq_prob=0, max_seq_length=200)
    used = {token for a, b, label in built for token in a + (b if label == 0 else [])}
    assert used == set(_document_of(documents))


def test_short_sequences_have_the_share_asked_for():
    documents = _documents([[4] * 8] * 3000)  # 32 tokens, room for 32: one chunk
    for share in (0.0, 0.1, 0.5):
        built = _build(
            documents, model_type="albert", max_seq_length=35, short_seq_prob=share
        )
        whole = sum(len(a) + len(b) == 32 for a, b, _ in built) / 3000
        # A target of 29 to 32 of 2 to 32 still takes all.
        assert whole == pytest.approx(1 - share * 27 / 31, abs=0.03)


def test_electra_uses_every_sentence_once_and_shares_are_upstreams():
    documents = _documents([[2] * 20] * 2000)
    # Room for all the text of a document: only single segments, random lengths differ.
    built = _build(documents, model_type="electra", max_seq_length=43)
    whole = [(a, b) for a, b, _ in built if len(a) + len(b) == 40]
    assert len(whole) / 2000 == pytest.approx(0.95, abs=0.02)
    single = sum(not b for _, b in whole) / len(whole)
    assert single == pytest.approx(0.1, abs=0.02)
    tokens = sorted(token for a, b, _ in built for token in a + b)
    assert tokens == list(range(10, 10 + 80000))


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_duplicates_are_cut_anew(model_type):
    documents = _random_documents()
    once = _build(documents, model_type=model_type)
    thrice = _build(documents, model_type=model_type, dupe_factor=3)
    assert 2.5 * len(once) < len(thrice) < 3.5 * len(once)
    assert len({str(built) for built in thrice}) > 1.3 * len(once)


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_instances_come_in_random_order(model_type):
    built = _build(_random_documents(), model_type=model_type)
    first = [a[0] for a, _, _ in built]
    assert abs(np.corrcoef(first, range(len(first)))[0, 1]) < 0.3


# From here on: the original code, where there is a checkout of it.


@pytest.mark.parametrize("value", [0.05, 0.3, 0.45, 0.6, 0.7, 0.95])
@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_pairs_equal_those_of_upstream(monkeypatch, model_type, value):
    upstream = upstream_module(monkeypatch, model_type, "create_pretraining_data.py")
    documents = _random_documents()
    words = [[[str(token) for token in s] for s in doc] for doc in documents]
    expected = []
    for index in range(len(words)):
        for instance in upstream.create_instances_from_document(
            words, index, 20, 0.1, 0.0, 0, ["x"], ConstantRandom(value)
        ):
            sep = instance.tokens.index("[SEP]")
            a = [int(token) for token in instance.tokens[1:sep]]
            b = [int(token) for token in instance.tokens[sep + 1 : -1]]
            expected.append((a, b, int(instance.is_random_next)))
    built = _build(documents, Constant(value), model_type=model_type)
    assert sorted(built) == sorted(expected)


@pytest.mark.parametrize("value", [0.01, 0.07, 0.3, 0.45, 0.6, 0.95])
def test_electra_instances_equal_those_of_upstream(monkeypatch, value):
    upstream = upstream_module(monkeypatch, "electra", "build_pretraining_dataset.py")
    upstream.random = ConstantRandom(value)
    documents = _random_documents()

    class Words:
        def tokenize(self, line):
            return line.split()

        def convert_tokens_to_ids(self, words):
            return [int(word) for word in words]

    class Builder(upstream.ExampleBuilder):
        def _make_tf_example(self, first, second):
            return first, second, 0

    builder = Builder(Words(), 20)
    if value < 0.05:  # upstream draws the length of an example when the last is made
        builder._target_length = upstream.random.randint(5, 20)
    examples = []
    for document in documents:
        for sentence in document:
            examples.append(builder.add_line(" ".join(map(str, sentence))))
        examples.append(builder.add_line(""))
        builder._current_sentences = []
    expected = [example for example in examples if example]
    built = _build(documents, Constant(value), model_type="electra")
    assert sorted(built) == sorted(expected)


def test_instances_are_the_same_in_every_release_of_numpy():
    digest = hashlib.sha256()
    for model_type in ("bert", "albert", "electra"):
        built = _build(_random_documents(), model_type=model_type, dupe_factor=3)
        digest.update(repr(built).encode())
    assert digest.hexdigest()[:16] == "234695c9d31b5ae7"
