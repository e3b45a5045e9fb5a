"""Added tokens: pieces of the vocabulary that no text ever has in parts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.errors import InputError
from data.tokenization import (
    CONFIG_FILE_NAME,
    TokenizerConfig,
    build_tokenizer,
    preset,
    resolve_config,
)
from data.tokenization.aligned_encoding import encode_aligned
from data.vocabulary.training_text import LinePreparer

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] 영화 ##는 좋다 [ ] subj".split()
ADDED = ("[SUBJ]", "😀", "😀😀", "##끝")


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(p + "\n" for p in (*PIECES, *ADDED)), encoding="utf-8")
    return str(path)


@pytest.fixture
def tokenizer(vocab_file):
    config = TokenizerConfig(lower_case=True, added_tokens=ADDED)
    return build_tokenizer(config, vocab_file)


def test_added_tokens_are_whole_wherever_they_stand(tokenizer):
    encoding = tokenizer.encode("[SUBJ]영화는😀 좋다##끝")
    assert encoding.pieces == ["[SUBJ]", "영화", "##는", "😀", "좋다", "##끝"]
    assert encoding.offsets == [(0, 6), (6, 8), (8, 9), (9, 10), (11, 13), (13, 16)]
    assert tokenizer.tokenize("[subj]") == ["[", "subj", "]"]  # as written, or not


def test_the_longest_of_several_added_tokens_counts(tokenizer):
    assert tokenizer.tokenize("😀😀😀") == ["😀😀", "😀"]


def test_batches_and_aligned_texts_have_them_too(tokenizer):
    texts = ["영화😀", "", "[SUBJ]", "좋다"]
    assert tokenizer.encode_ids_batch(iter(texts)) == [
        tokenizer.encode(text).ids for text in texts
    ]
    aligned = encode_aligned(tokenizer, "영화는 [SUBJ]")
    assert aligned.spans.tolist() == [[0, 2], [2, 3], [4, 10]]


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.sampled_from([*ADDED, "영화는", " ", "좋다", "x", "e\u0301"])))
def test_they_stand_in_any_text_and_offsets_run_forward(parts):
    tokenizer = _tokenizer()
    text = "".join(parts)
    encoding = tokenizer.encode(text)
    for piece, (start, end) in zip(encoding.pieces, encoding.offsets):
        if piece in ADDED:
            assert text[start:end] == piece
    assert encoding.offsets == sorted(encoding.offsets)
    assert encoding.ids == tokenizer.encode_ids_batch([text])[0]
    emoji = "".join(piece for piece in encoding.pieces if "😀" in piece)
    assert emoji.count("😀") == text.count("😀")


def _tokenizer(made=[]):  # noqa: B006 (one for all examples)
    if not made:
        pieces = "\n".join((*PIECES, *ADDED)).encode("utf-8")
        config = TokenizerConfig(added_tokens=ADDED)
        made.append(build_tokenizer(config, "v", read_bytes=lambda path: pieces))
    return made[0]


def test_they_begin_words_so_that_whole_words_stay_whole(tokenizer):
    ids = tokenizer.convert_tokens_to_ids(["##는", *ADDED])
    assert tokenizer.is_continuation[ids].tolist() == [True, *[False] * len(ADDED)]
    assert not tokenizer.special_ids.intersection(ids[1:])  # they may be masked


def test_settings_travel_as_json(tmp_path, vocab_file, tokenizer):
    text = tokenizer.config.to_json_string()
    assert json.loads(text)["added_tokens"] == list(ADDED)
    (tmp_path / CONFIG_FILE_NAME).write_text(text, encoding="utf-8")
    assert resolve_config(vocab_file) == tokenizer.config
    plain = build_tokenizer(TokenizerConfig(lower_case=True), vocab_file)
    assert plain.fingerprint != tokenizer.fingerprint


def test_an_added_token_that_the_vocabulary_lacks_is_named(vocab_file):
    config = TokenizerConfig(added_tokens=("😀", "[OBJ]"))
    with pytest.raises(InputError, match=r"vocab.txt` lacks '\[OBJ\]', which added_to"):
        build_tokenizer(config, vocab_file)


@pytest.mark.parametrize("tokens", ["😀", ["😀", ""], [1]])
def test_added_tokens_are_a_list_of_texts(tokens):
    with pytest.raises(InputError, match="added_tokens=.* must be a list of texts"):
        TokenizerConfig.from_dict({"added_tokens": tokens})


@pytest.mark.parametrize("name", ["korean_cased", "korean_sentencepiece"])
def test_a_vocabulary_is_trained_on_what_is_between_them(name):
    config = TokenizerConfig.from_dict(
        dict(preset(name).to_dict(), added_tokens=["[SUBJ]"])
    )
    assert LinePreparer(config).prepare("[SUBJ]영화 좋다[SUBJ]") == "영화 좋다"
