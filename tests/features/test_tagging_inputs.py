"""Words to labelled tokens and back."""

import dataclasses
import unicodedata

import pytest

from data.features import tagging_inputs
from data.io.errors import InputError
from data.tasks import get_task
from data.tasks.tag_schemes import SCHEMES
from data.tasks.tagging import TaggedSentence
from data.tokenization import Tokenizer, TokenizerConfig, build_tokenizer, preset
from tests.support import korean_tokenizers
from tests.support.shared_data import datasets, shared_golden

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] 철수 ##는 서울 ##로 갔 ##다 ㅋㅋ , ㅎ".split()
WORDS = ("철수는", "서울로", "갔다")
TAGS = get_task("NaverNER").label_values


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def tokenizer(vocab_file):
    return build_tokenizer(TokenizerConfig(), vocab_file)


def pieces_and_words(tokenizer, words, length=128):
    """The tokens, and the token that speaks for each word."""
    built = tagging_inputs.tagging_input(tokenizer, words, length)
    tokens = tokenizer.convert_ids_to_tokens(built.input_ids)
    return tokens, [tokens[position] for position in built.positions]


def test_the_first_piece_speaks_for_its_word(tokenizer):
    built = tagging_inputs.tagging_input(tokenizer, WORDS, 128)
    assert tokenizer.convert_ids_to_tokens(built.input_ids) == (
        "[CLS] 철수 ##는 서울 ##로 갔 ##다 [SEP]".split()
    )
    assert built.positions == [1, 3, 5]
    assert built.labels((1, 9, 0)) == [0, 2, 0, 10, 0, 1, 0, 0]
    assert built.labels(None) == [0] * 8


@pytest.mark.parametrize(
    "words, tokens, speaking",
    [
        (("\u200b", "갔다"), "[UNK] 갔 ##다", "[UNK] 갔"),
        (("갔다", "\u200b"), "갔 ##다 [UNK]", "갔 [UNK]"),
        (
            ("갔다", "\x07", "\u200b", "갔"),
            "갔 ##다 [UNK] [UNK] 갔",
            "갔 [UNK] [UNK] 갔",
        ),
        (("\u200b",), "[UNK]", "[UNK]"),
        (("\u0301", "갔"), "[UNK] 갔", "[UNK] 갔"),  # a mark without a letter
        (("갔,다", ","), "갔 , [UNK] ,", "갔 ,"),
        (("😀", "ㅋㅋ"), "[UNK] ㅋㅋ", "[UNK] ㅋㅋ"),
    ],
)
def test_every_word_has_one_piece_that_speaks(tokenizer, words, tokens, speaking):
    strict = build_tokenizer(
        dataclasses.replace(tokenizer.config, strip_accents=True),
        tokenizer.vocabulary.path,
    )
    found = pieces_and_words(strict, words)
    assert found == (["[CLS]"] + tokens.split() + ["[SEP]"], speaking.split())


def test_other_blanks_stay_in_their_word(tokenizer):
    tokens, speaking = pieces_and_words(tokenizer, ("철수는\u3000서울로", "갔다"))
    assert tokens[1:-1] == "철수 ##는 서울 ##로 갔 ##다".split()
    assert speaking == ["철수", "갔"]


def test_decomposed_hangul_keeps_its_words(vocab_file):
    composing = build_tokenizer(TokenizerConfig(compose=True), vocab_file)
    words = [unicodedata.normalize("NFD", word) for word in WORDS]
    _, speaking = pieces_and_words(composing, words)
    assert speaking == ["철수", "서울", "갔"]


def test_words_hold_through_cleaning(vocab_file):
    """The run of ㅋ is shortened and the word of Hanja disappears."""
    cleaning = build_tokenizer(
        TokenizerConfig(clean="run_time", cleaning="dialog_koelectra"), vocab_file
    )
    tokens, speaking = pieces_and_words(cleaning, ("ㅋㅋㅋㅋㅋ", "漢字", "갔다"))
    assert tokens[1:-1] == "ㅋㅋ [UNK] 갔 ##다".split()
    assert speaking == ["ㅋㅋ", "[UNK]", "갔"]


@pytest.mark.parametrize("length, kept", [(8, 3), (7, 3), (6, 2), (5, 2), (3, 1)])
def test_training_cuts_a_long_sentence(tokenizer, length, kept):
    built = tagging_inputs.tagging_input(tokenizer, WORDS, length)
    assert len(built.input_ids) <= length
    assert built.input_ids[-1] == tokenizer.sep_id
    assert len(built.positions) == kept


def test_prediction_reads_on_in_windows(tokenizer):
    windows = tagging_inputs.tagging_windows(tokenizer, WORDS, 6)
    tokens = [tokenizer.convert_ids_to_tokens(each.input_ids) for each in windows]
    assert tokens == [
        "[CLS] 철수 ##는 서울 ##로 [SEP]".split(),
        "[CLS] 서울 ##로 갔 ##다 [SEP]".split(),
    ]
    assert [each.positions for each in windows] == [[1, 3], [3]]
    assert [each.labels((1, 9, 0)) for each in windows] == [
        [0, 2, 0, 10, 0, 0],
        [0, 0, 0, 1, 0, 0],
    ]
    rows = ["abcdef", "ghijkl"]
    assert tagging_inputs.word_values(windows, rows) == ["b", "d", "j"]


@pytest.mark.parametrize("length", range(3, 30))
def test_every_word_is_spoken_for_in_one_window(tokenizer, length):
    words = WORDS * 5 + ("\u200b", "ㅋㅋ")
    whole = tagging_inputs.tagging_input(tokenizer, words, 1000)
    windows = tagging_inputs.tagging_windows(tokenizer, words, length)
    assert max(len(each.input_ids) for each in windows) <= length
    ids = [whole.input_ids[position] for position in whole.positions]
    found = tagging_inputs.word_values(windows, [each.input_ids for each in windows])
    assert found == ids
    tags = tuple(range(len(words)))
    labels = [label for each in windows for label in each.labels(tags) if label]
    assert labels == [1 + tag for tag in tags]


def test_a_sentence_that_fits_is_one_window(tokenizer):
    assert tagging_inputs.tagging_windows(tokenizer, WORDS, 8) == [
        tagging_inputs.tagging_input(tokenizer, WORDS, 8)
    ]
    assert tagging_inputs.tagging_windows(tokenizer, (), 8)[0].positions == []


def test_gold_labels_come_back_as_the_tags_of_the_words(tokenizer):
    words = ("철수는", "\u200b", "서울로", "ㅎ,", "갔다")
    sentence = TaggedSentence("train-1", words, (1, 0, 9, 10, 28))
    built = tagging_inputs.tagging_input(tokenizer, words, 128)
    values = tagging_inputs.tagging_record(7, sentence, built)
    tags = [max(label - 1, 0) for label in values["label_ids"]]
    found = [TAGS[tag] for tag in tagging_inputs.word_values([built], [tags])]
    assert found == ["PER-B", "O", "LOC-B", "LOC-I", "TRM-I"]
    assert values["example_index"] == 7
    assert values["num_tokens"] == len(values["input_ids"]) == len(tags)


def test_types_of_tags():
    types = tagging_inputs.entity_types(TAGS)
    assert types[:3] == ("O", "PER", "FLD") and len(types) == 15
    ids = tagging_inputs.type_ids([["O", "PER-I"], ["FLD-B"]], types)
    assert ids.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="None of the tags is 'O'"):
        tagging_inputs.entity_types(("PER-B",))


@pytest.mark.parametrize(
    "tags, expected",
    [
        ("O O", []),
        ("PER-B PER-I O LOC-I", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("PER-B PER-B PER-I", [("PER", 0, 1), ("PER", 1, 3)]),
        ("PER-I LOC-I LOC-I", [("PER", 0, 1), ("LOC", 1, 3)]),
        ("PER-B O PER-I", [("PER", 0, 1), ("PER", 2, 3)]),
    ],
)
def test_entities_are_those_that_are_scored(tags, expected):
    from seqeval.metrics.sequence_labeling import get_entities

    assert tagging_inputs.entities(tags.split()) == expected
    scored = [
        (name, first, last + 1)
        for name, first, last in get_entities(tags.split(), suffix=True)
    ]
    assert scored == expected


@pytest.mark.parametrize("scheme", SCHEMES, ids=[each.name for each in SCHEMES])
def test_entities_and_types_are_the_same_in_every_scheme(scheme):
    parts = [("PER", "B"), ("PER", "I"), ("O", ""), ("LOC", "I")]
    tags = [scheme.tag(each) for each in parts]
    assert tagging_inputs.entities(tags, scheme) == [("PER", 0, 2), ("LOC", 3, 4)]
    types = tagging_inputs.entity_types(["O"] + tags, scheme)
    assert types == ("O", "PER", "LOC")
    assert tagging_inputs.type_ids([tags], types, scheme).tolist() == [1, 1, 0, 2]


def test_a_tokenizer_without_offsets_is_refused(tokenizer):
    class Plain(Tokenizer):
        def __init__(self):
            self._added = None

    with pytest.raises(InputError, match="Plain does not tell from which characters"):
        tagging_inputs.tagging_input(Plain(), WORDS, 8)


def test_pieces_are_those_of_running_text():
    vocabulary = shared_golden("tokenization", "vocab.txt")
    tokenizer = build_tokenizer(preset("krbert_medium_cased"), vocabulary)
    with open(datasets("ner", "test.tsv"), encoding="utf-8") as reader:
        sentences = [line.split("\t")[0] for line in reader.read().split("\n")[:300]]
    for text in filter(None, sentences):
        words = text.split(" ")
        built = tagging_inputs.tagging_input(tokenizer, words, 10000)
        assert len(built.positions) == len(words)
        assert built.input_ids[1:-1] == tokenizer.encode_ids_batch([text])[0]
        for word, position in zip(words, built.positions):
            assert built.input_ids[position] == tokenizer.encode_ids_batch([word])[0][0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", korean_tokenizers.NAMES)
def test_each_word_is_spoken_for_by_its_own_beginning(name, form):
    tokenizer = korean_tokenizers.build(name)
    with open(datasets("ner", "test.tsv"), encoding="utf-8") as reader:
        sentences = [line.split("\t")[0] for line in reader.read().split("\n")[:100]]
    unknown = total = 0
    for text in filter(None, sentences):
        text = unicodedata.normalize(form, text.replace("서울", "Seoul서울"))
        words = text.split(" ")
        tokens, speaking = pieces_and_words(tokenizer, words, 10000)
        ids = tokenizer.encode_ids_batch([text])[0]
        assert tokens[1:-1] == tokenizer.convert_ids_to_tokens(ids)
        assert len(speaking) == len(words)
        for word, piece in zip(words, speaking):
            total += 1
            unknown += piece == tokenizer.config.unk_token
            if piece != tokenizer.config.unk_token:
                beginning = unicodedata.normalize("NFKC", piece.lstrip("\u2581"))
                word = unicodedata.normalize("NFKC", word)
                if tokenizer.config.lower_case:
                    word = word.lower()
                assert beginning and word.startswith(beginning), (word, piece)
    assert unknown < 0.1 * total
