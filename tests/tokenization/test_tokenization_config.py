"""Tokenizer settings and vocabularies: what is read, and which mistakes are named."""

import dataclasses
import json

import pytest

from data.io.errors import InputError
from data.tokenization import (
    CONFIG_FILE_NAME,
    TokenizerConfig,
    build_tokenizer,
    check_vocabulary,
    find_vocabulary,
    load_vocabulary,
    preset,
    require_same_tokenizer,
    resolve_config,
)

SPECIAL = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text(SPECIAL + "영화\n##는\n좋다\n", encoding="utf-8")
    return str(path)


def write(path, content):
    path.write_bytes(content)
    return str(path)


def write_settings(tmp_path, settings):
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return write(tmp_path / CONFIG_FILE_NAME, text.encode("utf-8"))


def test_settings_round_trip(tmp_path):
    for name in ("bert_uncased", "krbert_medium_cased"):
        path = write_settings(tmp_path, preset(name).to_json_string())
        assert TokenizerConfig.from_json_file(path) == preset(name)


def test_korean_defaults_neither_lower_nor_take_apart():
    config = TokenizerConfig()
    assert (config.lower_case, config.strip_accents) == (False, False)
    assert config.decompose != "all"
    assert TokenizerConfig(lower_case=True).strip_accents is False


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"lower_cas": True}, "'lower_cas', did you mean 'lower_case'"),
        ({"lower_case": 1}, "lower_case=1 must be a bool, not a int"),
        ({"decompose": "hangul"}, "decompose='hangul' is unknown.*'none', 'letters'"),
        ({"max_chars_per_word": 0}, "max_chars_per_word=0 must be at least 1"),
        ({"morphemes": "run_time"}, "morpheme_analyser=None contradict"),
        ({"do_lower_case": "false"}, "do_lower_case is 'false', expected true or fal"),
        ({"tokenizer_class": "A", "strip_accents": 1}, "strip_accents is 1, expected"),
        ({"korean_encoders": None}, "korean_encoders is not an object"),
        ([1], "a JSON list, expected an object"),
        ("{", "line 1, character 2: not JSON"),
    ],
)
def test_bad_settings_are_named(tmp_path, settings, message):
    path = write_settings(tmp_path, settings)
    with pytest.raises(InputError, match=message) as error:
        TokenizerConfig.from_json_file(path)
    assert path in str(error.value)


def test_missing_settings_and_presets_are_named(tmp_path):
    with pytest.raises(InputError, match="none.json` do not exist"):
        TokenizerConfig.from_json_file(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="'bert'. Known presets: .*bert_cased"):
        preset("bert")


@pytest.mark.parametrize(
    "published, expected",
    [
        # KR-BERT-MEDIUM's file, and those of Hugging Face.
        ({"do_lower_case": False}, preset("hugging_face_cased")),
        (
            {
                "tokenizer_class": "BertTokenizer",
                "do_lower_case": True,
                "strip_accents": None,
                "model_max_length": 512,
                "unk_token": {"content": "<unk>"},
            },
            TokenizerConfig(
                lower_case=True,
                strip_accents=True,
                decompose="all",
                control_characters="Cc Cf Co",
                max_chars_per_word=100,
                unk_token="<unk>",
            ),
        ),
        (
            {"do_lower_case": True, "strip_accents": False},
            dataclasses.replace(preset("hugging_face_cased"), lower_case=True),
        ),
        (
            {"tokenizer_class": "AlbertTokenizer", "keep_accents": False},
            preset("albert_uncased"),
        ),
        (
            {"tokenizer_class": "AlbertTokenizerFast", "do_lower_case": False},
            preset("albert_cased"),
        ),
    ],
)
def test_published_settings_are_understood(tmp_path, published, expected):
    path = write_settings(tmp_path, published)
    expected = dataclasses.replace(expected, compose=None)
    assert TokenizerConfig.from_json_file(path) == expected


def test_flags_decide_without_json(vocab_file):
    config = resolve_config(vocab_file, {"lower_case": True, "strip_accents": None})
    assert config == TokenizerConfig(lower_case=True, compose=None)


def test_flags_must_agree_with_json(tmp_path, vocab_file):
    path = write_settings(tmp_path, {"lower_case": True})
    assert resolve_config(vocab_file) == TokenizerConfig(lower_case=True)
    assert resolve_config(vocab_file, {"lower_case": True}).lower_case
    with pytest.raises(
        InputError, match="lower_case=False but .* says lower_case=True"
    ) as error:
        resolve_config(vocab_file, {"lower_case": False})
    assert path in str(error.value)


def test_a_model_folder_has_one_vocabulary(tmp_path, vocab_file):
    assert find_vocabulary(str(tmp_path)) == vocab_file
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty` holds no vocabulary"):
        find_vocabulary(str(tmp_path / "empty"))


def test_published_vocabulary_loads(golden_text):
    path = golden_text("tokenization", "vocab.txt")
    with open(path, encoding="utf-8") as lines:
        pieces = lines.read().split("\n")[:-1]
    vocabulary = load_vocabulary(path)
    check_vocabulary(vocabulary, vocab_size=len(pieces))
    assert len(vocabulary) == len(pieces)
    assert vocabulary.ids["영화"] == pieces.index("영화")
    message = f"has {len(pieces)} pieces .* vocab_size=99 .* set vocab_size to"
    with pytest.raises(InputError, match=message):
        check_vocabulary(vocabulary, vocab_size=99)


def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path):
    plain = load_vocabulary(write(tmp_path / "a", (SPECIAL + "영화").encode("utf-8")))
    windows = (SPECIAL + "영화\n").replace("\n", "\r\n").encode("utf-8-sig")
    other = load_vocabulary(write(tmp_path / "b", windows))
    assert plain.pieces == other.pieces == tuple(SPECIAL.split()) + ("영화",)
    assert plain.sha256 == other.sha256


def test_of_a_duplicate_the_later_line_counts(tmp_path):
    path = write(tmp_path / "v", (SPECIAL + "가\n나\n가\n").encode("utf-8"))
    vocabulary = load_vocabulary(path)
    assert (vocabulary.ids["가"], len(vocabulary)) == (7, 8)
    with pytest.raises(InputError, match="1 duplicate lines.*'가' on lines 6, 8"):
        check_vocabulary(vocabulary)
    tokenizer = build_tokenizer(TokenizerConfig(), path, allow_duplicates=True)
    assert tokenizer.encode("가").ids == [7]
    assert tokenizer.convert_ids_to_tokens([5]) == ["가"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"[PAD]\n[UNK]\n", r"lacks the special tokens \[CLS\], \[SEP\], \[MASK\]"),
        (b"", "is empty"),
        (b"[PAD]\n\xb0\xa1\n", "line 2: byte 0xb0 is not UTF-8"),
    ],
)
def test_unusable_vocabularies_are_named(tmp_path, content, message):
    path = write(tmp_path / "vocab.txt", content)
    with pytest.raises(InputError, match=message) as error:
        build_tokenizer(TokenizerConfig(), path)
    assert path in str(error.value)


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(InputError, match="none.txt` does not exist"):
        load_vocabulary(str(tmp_path / "none.txt"))


def test_fingerprint_depends_on_settings_and_vocabulary(tmp_path, vocab_file):
    cased = build_tokenizer(TokenizerConfig(), vocab_file)
    lower = build_tokenizer(TokenizerConfig(lower_case=True), vocab_file)
    longer = write(
        tmp_path / "other.txt", (SPECIAL + "영화\n##는\n좋다\n나\n").encode("utf-8")
    )
    other = build_tokenizer(TokenizerConfig(), longer)
    assert len({cased.fingerprint, lower.fingerprint, other.fingerprint}) == 3
    require_same_tokenizer(cased.identity(), cased, "x.tfrecord")
    with pytest.raises(
        InputError,
        match="x.tfrecord.*lower_case=True there and False here.*fingerprint='",
    ):
        require_same_tokenizer(lower.identity(), cased, "x.tfrecord")
    with pytest.raises(InputError, match="vocabulary_sha256='"):
        require_same_tokenizer(other.identity(), cased, "x.tfrecord")
