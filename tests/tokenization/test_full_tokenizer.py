"""Upstream's tokenization.py by its names, against Google's recorded results."""

import json

import pytest

from albert_ko import tokenization as albert
from bert_ko import tokenization as bert
from data.io.errors import InputError
from electra_ko.model import tokenization as electra
from encoder_ko import compat
from tests.support.shared_data import shared_golden as golden

SIBLINGS = {"bert": bert, "albert": albert, "electra": electra}
each = pytest.mark.parametrize("tokenization", SIBLINGS.values(), ids=list(SIBLINGS))


def golden_lines(name):
    with open(golden("tokenization", name + ".jsonl"), encoding="utf-8") as reader:
        return [json.loads(line) for line in reader]


@pytest.mark.parametrize(
    "name, tokenizer_class, arguments",
    [
        ("bert_uncased", bert.FullTokenizer, {}),
        ("bert_uncased", bert.FullTokenizer, {"do_lower_case": True}),
        ("bert_cased", bert.FullTokenizer, {"do_lower_case": False}),
        ("bert_cased", albert.FullTokenizer, {"do_lower_case": False}),
        ("electra_lower_strip_adversarial", electra.FullTokenizer, {}),
        (
            "electra_lower_nostrip_adversarial",
            electra.FullTokenizer,
            {"strip_accents": False},
        ),
        ("electra_cased_adversarial", electra.FullTokenizer, {"do_lower_case": False}),
    ],
)
def test_every_recorded_text_is_cut_as_by_upstream(name, tokenizer_class, arguments):
    tokenizer = tokenizer_class(golden("tokenization", "vocab.txt"), **arguments)
    for line in golden_lines(name):
        tokens = tokenizer.tokenize(line["text"])
        assert tokens == line["tokens"]
        assert tokenizer.convert_tokens_to_ids(tokens) == line["ids"]


@pytest.mark.parametrize(
    "name, lower", [("albert_spm_uncased", True), ("albert_spm_cased", False)]
)
def test_every_recorded_text_is_cut_as_by_albert(name, lower):
    tokenizer = albert.FullTokenizer(
        vocab_file=None,
        do_lower_case=True,
        spm_model_file=golden("tokenization", "albert_spm.model"),
    )
    for line in golden_lines(name):
        text = albert.preprocess_text(line["text"], lower=lower)
        assert text == line.get("preprocessed", text)
        pieces = tokenizer.tokenize(text)
        assert pieces == line["pieces"]
        assert tokenizer.convert_tokens_to_ids(pieces) == line["ids"]
        assert albert.encode_ids(tokenizer.sp_model, text) == line["ids"]


def test_digits_before_a_comma_are_cut_as_by_albert():
    path = golden("tokenization", "albert_spm_digits.model")
    tokenizer = albert.FullTokenizer.from_scratch(None, False, path)
    for line in golden_lines("albert_spm_digits"):
        assert tokenizer.tokenize(line["text"]) == line["pieces"]
        assert albert.encode_pieces(tokenizer.sp_model, line["text"]) == line["pieces"]


@pytest.mark.skipif(not compat.IS_TF2, reason="sampling crashes beside TensorFlow 1.15")
def test_a_sampled_segmentation_spells_the_same_text():
    path = golden("tokenization", "albert_spm.model")
    model = albert.FullTokenizer(None, spm_model_file=path).sp_model
    text = "영화는 좋다"
    for _ in range(20):
        pieces = albert.encode_pieces(model, text, return_unicode=False, sample=True)
        assert "".join(pieces).replace("▁", " ").strip() == text


def test_preprocess_text_keeps_spaces_and_case_if_asked_to():
    assert albert.preprocess_text("  É  x ", remove_space=False) == "  E  x "
    assert albert.preprocess_text("  É  x ", lower=True) == "e x"


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    pieces = "[PAD] [UNK] [CLS] [SEP] 한국 ##어 좋아 ! ok ##ay".split()
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return str(path)


@each
def test_full_tokenizer_and_its_parts(tokenization, vocabulary):
    tokenizer = tokenization.FullTokenizer(vocab_file=vocabulary, do_lower_case=False)
    tokens = tokenizer.tokenize("한국어 좋아!zzz okay".encode())
    assert tokens == ["한국", "##어", "좋아", "!", "[UNK]", "ok", "##ay"]
    ids = tokenizer.convert_tokens_to_ids(["[CLS]"] + tokens)
    assert ids == [2, 4, 5, 6, 7, 1, 8, 9]
    assert tokenizer.convert_ids_to_tokens(ids[:3]) == ["[CLS]", "한국", "##어"]
    assert list(tokenizer.vocab)[:4] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    assert tokenizer.inv_vocab[9] == "##ay"
    words = tokenizer.basic_tokenizer.tokenize("한국어 좋아!")
    assert words == ["한국어", "좋아", "!"]
    assert tokenizer.wordpiece_tokenizer.tokenize("한국어") == ["한국", "##어"]
    with pytest.raises(KeyError, match="unknown"):
        tokenizer.convert_tokens_to_ids(["unknown"])


@each
def test_a_missing_vocabulary_is_named(tokenization, tmp_path):
    with pytest.raises(InputError, match="none.txt` does not exist"):
        tokenization.FullTokenizer(str(tmp_path / "none.txt"))


def test_the_default_takes_hangul_apart_as_upstream():
    jamo = bert.BasicTokenizer().tokenize("최고")
    assert jamo == ["\u110e\u116c\u1100\u1169"]
    assert electra.BasicTokenizer(strip_accents=False).tokenize("최고 É") == [
        "최고",
        "é",
    ]


def test_private_characters_are_control_characters_of_electra_alone():
    assert [t._is_control("\ue000") for t in (bert, albert, electra)] == [0, 0, 1]
    assert bert.BasicTokenizer(False).tokenize("a\ue000b") == ["a\ue000b"]
    assert electra.BasicTokenizer(False).tokenize("a\ue000b") == ["ab"]


@each
def test_classes_of_characters(tokenization):
    assert all(map(tokenization._is_whitespace, " \t\r\n\u00a0"))
    assert not any(map(tokenization._is_whitespace, "A-\u200b"))
    assert all(map(tokenization._is_control, "\u0005\u200b\x00"))
    assert not any(map(tokenization._is_control, "A \t\r\n\U0001f4a9"))
    assert all(map(tokenization._is_punctuation, "-$`.·。"))
    assert not any(map(tokenization._is_punctuation, "A 한ㅋ"))


@each
def test_wordpiece_takes_any_vocabulary(tokenization):
    for vocab in ({"un": 5, "##want": 7}, ["un", "##want"], {"un", "##want"}):
        tokenizer = tokenization.WordpieceTokenizer(vocab)
        assert tokenizer.tokenize("unwant want") == ["un", "##want", "[UNK]"]
    short = tokenization.WordpieceTokenizer(["un"], "<unk>", max_input_chars_per_word=1)
    assert short.tokenize("un") == ["<unk>"]
    assert short.tokenize("  ") == []


@each
def test_functions_on_text(tokenization):
    for function in (tokenization.convert_to_unicode, tokenization.printable_text):
        assert function("좋아") == function("좋아".encode()) == "좋아"
        assert function(b"a\xffb") == "ab"
        with pytest.raises(ValueError, match="Unsupported string type: <class 'int'>"):
            function(3)
    assert tokenization.whitespace_tokenize("  a\tb \n") == ["a", "b"]
    assert tokenization.whitespace_tokenize("   ") == []


@each
def test_functions_on_vocabularies(tokenization):
    vocab, inverse = {"a": 0, "b": 1}, {0: "a", 1: "b"}
    assert tokenization.convert_by_vocab(vocab, ["b", "a"]) == [1, 0]
    assert tokenization.convert_tokens_to_ids(vocab, ["b", "b"]) == [1, 1]
    assert tokenization.convert_ids_to_tokens(inverse, [1, 0]) == ["b", "a"]


def test_vocabularies_with_pieces_that_stand_twice(tmp_path):
    """BERT counts lines, and the later one wins; ALBERT counts pieces."""
    path = tmp_path / "vocab.txt"
    path.write_text("[UNK]\na\n\na\nb c\n", encoding="utf-8")
    assert list(bert.load_vocab(str(path)).items()) == [
        ("[UNK]", 0),
        ("a", 3),
        ("", 2),
        ("b c", 4),
    ]
    assert list(albert.load_vocab(str(path)).items()) == [
        ("[UNK]", 0),
        ("a", 1),
        (" ", 2),
        ("b", 3),
    ]


def test_the_case_of_a_published_checkpoint():
    check = bert.validate_case_matches_checkpoint
    check(True, "models/uncased_L-12_H-768_A-12/bert_model.ckpt")
    check(False, "gs://models/multi_cased_L-12_H-768_A-12/bert_model.ckpt")
    check(True, "models/own_model/bert_model.ckpt")
    check(True, None)
    with pytest.raises(
        InputError, match="multi_cased_.* is a cased model. Pass --do_l"
    ):
        check(True, "models/multi_cased_L-12_H-768_A-12/bert_model.ckpt")
    with pytest.raises(
        InputError, match="is an uncased model. Pass --do_lower_case=Tr"
    ):
        check(False, "models/chinese_L-12_H-768_A-12/bert_model.ckpt")
