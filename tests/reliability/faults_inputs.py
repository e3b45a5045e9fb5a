"""10,000 generated files: each is read, or refused in one clear line.

make test-faults runs it. Whole files of random bytes tell little, since the first byte
is refused: most are sound files in which something was changed.
"""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bert_ko.modeling import BertConfig
from data import tasks
from data.features.prediction_input import read_items
from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions
from data.records.dataset import open_records
from data.records.schema import encode_example, pretraining_features
from data.records.tfrecords import write_records
from data.tasks import classification, question_answering, tagging
from data.tokenization import TokenizerConfig, build_tokenizer, load_vocabulary
from encoder_ko.hub import tensors

EXAMPLES = 1430  # of each of the seven sorts

TEXT = st.text(max_size=12)
KOREAN = st.text("가나다라 영화재밌ㅋ\t\"',.", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=5,
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "cp949", "utf-16"])


class Counts:
    """How many files were read, and how many refused."""

    def __init__(self, record):
        self.read = self.refused = 0
        self._record = record

    def report(self):
        assert self.read and self.refused
        self._record(f"{self.read} read, {self.refused} refused in one line")

    def try_to(self, call):
        try:
            call()
        except InputError as error:
            message = " ".join(str(error).split())  # as commands print it
            assert 10 < len(message) < 1000, message
            self.refused += 1
        else:
            self.read += 1


@pytest.fixture()
def counts(record_property, request):
    return Counts(lambda text: record_property(request.node.name, text))


def generated(*strategies):
    """A test of EXAMPLES examples in one folder."""

    def decorate(function):
        return settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(given(*strategies)(function))

    return decorate


@st.composite
def damaged(draw, content):
    """Bytes, half of the time with something cut, put in or changed."""
    data = bytearray(draw(content))
    if data and draw(st.booleans()):
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, len(data)))
            change = draw(st.sampled_from(["cut", "insert", "replace"]))
            if change == "cut":
                del data[place : place + draw(st.integers(1, 40))]
            elif change == "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            elif place < len(data):
                data[place] = draw(st.integers(0, 255))
    return bytes(data)


@st.composite
def tables(draw):
    header = draw(
        st.sampled_from(["id\tdocument\tlabel", "document\tlabel", "id,document,label"])
        | TEXT
    )
    cell = KOREAN.map(lambda text: text.replace("\t", " "))
    label = st.sampled_from(["0", "1", "0", "1", "-1", "", "2"])
    rows = draw(st.lists(st.tuples(st.integers(0, 99).map(str), cell, label)))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    lines = [header] + ["\t".join(row) for row in rows]
    text = end.join(lines) + draw(st.sampled_from([end, ""]))
    return text.encode(draw(ENCODINGS), "replace")


def test_tables(tmp_path, counts):
    path = str(tmp_path / "train.tsv")

    @generated(damaged(tables()), st.integers(0, 2), st.sampled_from(["train", "test"]))
    def check(content, bad_rows, split):
        with open(path, "wb") as writer:
            writer.write(content)
        reading = ReadingOptions(max_bad_rows=bad_rows)
        counts.try_to(
            lambda: classification.load_examples(
                tasks.get_task("NSMC"), path, split, reading, BadRows(path, bad_rows)
            )
        )
        counts.try_to(lambda: list(read_items(path, "text", looks_at_tabs=True)))

    check()
    counts.report()


@st.composite
def squad(draw):
    context = draw(KOREAN)
    start = draw(st.integers(-1, 12))
    answer = {
        "text": draw(st.just(context[max(start, 0) :][:3]) | KOREAN),
        "answer_start": draw(st.just(start) | VALUES),
    }
    question = {"id": draw(TEXT), "question": draw(KOREAN), "answers": [answer]}
    paragraph = {"context": draw(st.just(context) | VALUES), "qas": [question]}
    place = draw(st.sampled_from([None, question, paragraph, answer]))
    if place and draw(st.booleans()):
        place.pop(draw(st.sampled_from(sorted(place))))
    paragraphs = draw(st.just([paragraph]) | VALUES)
    content = {"version": "1", "data": [{"title": "t", "paragraphs": paragraphs}]}
    return json.dumps(content).encode()


def test_squad_files(tmp_path, counts):
    path = str(tmp_path / "train.json")

    @generated(damaged(squad()), st.sampled_from(["train", "test"]))
    def check(content, split):
        with open(path, "wb") as writer:
            writer.write(content)
        counts.try_to(
            lambda: question_answering.load_questions(
                tasks.get_task("KorQuAD"), path, split, ReadingOptions(), BadRows(path)
            )
        )
        counts.try_to(lambda: list(read_items(path, "json")))

    check()
    counts.report()


@st.composite
def tagged(draw):
    words = st.lists(st.text("가나다영화", min_size=1, max_size=3), max_size=4)
    lines = []
    for sentence in draw(st.lists(words, max_size=4)):
        tag = st.sampled_from(["O", "PER-B", "PER-I", "LOC-B", "LOC-B", "x", "-1"])
        tags = draw(st.lists(tag, min_size=len(sentence), max_size=len(sentence)))
        lines.append(f"{' '.join(sentence)}\t{' '.join(tags)}")
    return "\n".join(lines).encode(draw(ENCODINGS), "replace")


def test_ner_files(tmp_path, counts):
    path = str(tmp_path / "train.tsv")

    @generated(damaged(tagged()), st.sampled_from(["train", "test"]))
    def check(content, split):
        with open(path, "wb") as writer:
            writer.write(content)
        counts.try_to(
            lambda: tagging.load_tagged_sentences(
                tasks.get_task("NaverNER"), path, split, ReadingOptions(), BadRows(path)
            )
        )

    check()
    counts.report()


CONFIG = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
}


def test_configurations(tmp_path, counts):
    path = str(tmp_path / "config.json")
    tokenizer = TokenizerConfig().to_dict()
    ratio = st.floats(0, 0.9)
    of_model = st.fixed_dictionaries(
        {
            "vocab_size": st.integers(1, 50000),
            "num_hidden_layers": st.integers(1, 24),
            "hidden_act": st.sampled_from(["gelu", "relu", "tanh"]),
            "hidden_dropout_prob": ratio,
            "attention_probs_dropout_prob": ratio,
        }
    )
    of_tokenizer = st.fixed_dictionaries(
        {
            "max_chars_per_word": st.integers(1, 500),
            "lower_case": st.booleans(),
            "strip_accents": st.booleans(),
            "decompose": st.sampled_from(["none", "letters", "all"]),
            "added_tokens": st.lists(st.text(min_size=1, max_size=3), max_size=2),
        }
    )
    changes = st.dictionaries(
        st.sampled_from(sorted(CONFIG) + sorted(tokenizer)) | TEXT, VALUES, max_size=2
    )

    @generated(st.booleans(), st.data())
    def check(is_model, data):
        sound = of_model if is_model else of_tokenizer
        changed = data.draw(sound | changes)
        content = dict(CONFIG if is_model else tokenizer, **changed)
        content = data.draw(damaged(st.just(json.dumps(content).encode())))
        with open(path, "wb") as writer:
            writer.write(content)
        if is_model:
            counts.try_to(lambda: BertConfig.from_json_file(path).check())
        else:
            counts.try_to(lambda: TokenizerConfig.from_json_file(path))

    check()
    counts.report()


def test_vocabularies(tmp_path, counts):
    path = str(tmp_path / "vocab.txt")
    special = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
    pieces = st.lists(st.text("가나다#ab\u1100\u3000 ", max_size=4), max_size=8)

    @generated(pieces, st.permutations(special), ENCODINGS, st.data())
    def check(listed, first, encoding, data):
        text = "\n".join(first + listed) + "\n"
        content = data.draw(damaged(st.just(text.encode(encoding, "replace"))))
        with open(path, "wb") as writer:
            writer.write(content)

        def use():
            tokenizer = build_tokenizer(TokenizerConfig(), path)
            ids = tokenizer.encode_ids_batch(["가나다 a#b \u1100\u1161"])[0]
            assert all(0 <= index < len(tokenizer.vocabulary) for index in ids)

        counts.try_to(use)
        counts.try_to(lambda: load_vocabulary(path))

    check()
    counts.report()


def test_safetensors(tmp_path, counts):
    path = str(tmp_path / "model.safetensors")
    dtypes = st.sampled_from(["F32", "F16", "BF16", "I64", "F8", "x"]) | VALUES
    entry = st.fixed_dictionaries(
        {
            "dtype": dtypes,
            "shape": st.lists(st.integers(-1, 4), max_size=2) | VALUES,
            "data_offsets": st.lists(st.integers(-1, 40), min_size=2, max_size=2)
            | VALUES,
        }
    )
    sound = st.just({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})
    headers = st.dictionaries(
        st.sampled_from(["bert.a", "b", "__metadata__"]), sound | entry, max_size=2
    )

    @generated(headers, st.binary(max_size=32), st.none() | st.integers(0, 2**64 - 1))
    def check(header, values, length):
        text = json.dumps(header).encode()
        with open(path, "wb") as writer:
            writer.write(struct.pack("<Q", len(text) if length is None else length))
            writer.write(text)
            writer.write(struct.pack("<2f", 1, 2) if len(values) < 16 else values)
        counts.try_to(lambda: tensors.read_hugging_face(str(tmp_path)))

    check()
    counts.report()


def test_tfrecords(tmp_path, counts):
    features = pretraining_features("electra", 4, 0)
    path = str(tmp_path / "a.tfrecord")
    values = {"input_ids": [1, 2, 3, 0], "input_mask": [1, 1, 1, 0]}
    record = encode_example(features, dict(values, segment_ids=[0, 0, 0, 0]))
    write_records(path, [record] * 3)
    with open(path, "rb") as reader:
        whole = reader.read()

    @generated(damaged(st.just(whole)), st.sampled_from([4, 4, 8]))
    def check(content, length):
        with open(path, "wb") as writer:
            writer.write(content)
        counts.try_to(lambda: open_records(path, "electra", length, 0))

    check()
    counts.report()
