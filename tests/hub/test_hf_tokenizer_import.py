"""Tokenizers of Hugging Face, read: their rules, ids that never move, added tokens."""

import json

import pytest
import sentencepiece
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from data.io.errors import InputError
from data.tokenization import build_tokenizer, preset
from encoder_ko.hub import tokenizer_files
from encoder_ko.hub.tokenizer_import import import_tokenizer, read_settings
from tests.support.shared_data import shared_golden

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "나는", "집", "##에", "가", "!"]


def vocabulary(folder, pieces=PIECES):
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")


def write_json(folder, name, content):
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def imported(tmp_path, vocab_size=20):
    """The tokenizer of a folder, and the ids of its pieces."""
    target = tmp_path / "target"
    target.mkdir()
    config, path = import_tokenizer(str(tmp_path), str(target), vocab_size)
    tokenizer = build_tokenizer(config, path)
    return tokenizer, tokenizer.vocabulary.pieces


def published(tmp_path, **normalizer):
    """A folder with nothing but tokenizer.json, as some are published."""
    content = {
        "normalizer": dict(type="BertNormalizer", **normalizer),
        "model": {"type": "WordPiece", "vocab": {p: i for i, p in enumerate(PIECES)}},
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizerFast", "do_lower_case": True}
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(tmp_path)


def test_tokenizer_json_says_what_really_runs(tmp_path):
    folder = published(tmp_path, lowercase=False, strip_accents=None)
    settings = read_settings(folder)
    assert (settings.lower_case, settings.strip_accents) == (False, False)


# A private character, unassigned ones, format characters, words around the limits.
STRANGE = [
    "나\ue000는 집",
    "나는\u0378 집에",
    "집\U00050000 가",
    "나\u200b는\ufeff 집",
    "가가가가 가가가가가",
    "가" * 100 + " " + "가" * 101,
]


@pytest.mark.parametrize(
    "names, longest",
    [
        ([], 100),
        (["tokenizer_config.json"], 100),
        (["tokenizer_config.json", "tokenizer.json"], 100),
        (["tokenizer.json"], 4),
    ],
)
def test_an_imported_tokenizer_gives_the_ids_that_it_gave(tmp_path, names, longest):
    """As Transformers builds it: BertTokenizer with do_lower_case false."""
    pieces = {piece: i for i, piece in enumerate(PIECES + ["##가"])}
    theirs = Tokenizer(
        models.WordPiece(pieces, unk_token="[UNK]", max_input_chars_per_word=longest)
    )
    theirs.normalizer = normalizers.BertNormalizer(lowercase=False)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    vocabulary(tmp_path, pieces)
    if "tokenizer.json" in names:
        theirs.save(str(tmp_path / "tokenizer.json"))
    if "tokenizer_config.json" in names:
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
        path = tmp_path / "tokenizer_config.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
    config = read_settings(str(tmp_path))
    ours = build_tokenizer(config, str(tmp_path / "vocab.txt"))
    assert ours.encode_ids_batch(STRANGE) == [
        theirs.encode(text, add_special_tokens=False).ids for text in STRANGE
    ]


# --- Vocabularies ----------------------------------------------------------------


def test_a_vocabulary_from_tokenizer_json(tmp_path):
    published(tmp_path)
    assert list(imported(tmp_path)[1]) == PIECES


def test_no_vocabulary(tmp_path):
    with pytest.raises(InputError, match="neither vocab.txt nor a tokenizer.json"):
        import_tokenizer(str(tmp_path), str(tmp_path), 20)


def model_of(folder, vocab, **more):
    content = {"model": {"type": "WordPiece", "vocab": vocab}, **more}
    write_json(folder, "tokenizer.json", content)


def test_holes_are_filled_so_that_no_id_moves(tmp_path, caplog):
    vocab = {piece: i for i, piece in enumerate(PIECES) if i not in (6, 8)}
    model_of(tmp_path, dict(vocab, **{"[unused8]": 11}))
    _, pieces = imported(tmp_path)
    assert {piece: pieces.index(piece) for piece in vocab} == vocab
    assert (pieces[6], pieces[8], pieces[10]) == (
        "[unused6]",
        "[unused8_]",
        "[unused10]",
    )
    assert len(pieces) == 12
    message = "3 ids have no piece, the first of them 6. They get unused pieces"
    assert message in caplog.text


def test_a_piece_with_a_line_end_does_not_move_those_behind_it(tmp_path):
    model_of(tmp_path, {**{p: i for i, p in enumerate(PIECES)}, "a\nb": 10, "c": 11})
    _, pieces = imported(tmp_path)
    assert pieces[10:] == ("[unused10]", "c")


@pytest.mark.parametrize(
    "vocab, message",
    [
        ({"나는": 20}, "gives '나는' the id 20, but .* vocab_size=20 rows"),
        ({"나는": -1}, "gives '나는' the id -1, but"),
        (
            {"나는": 5, "집": 5},
            "tokenizer.json gives the id 5 to both '나는' and '집': ",
        ),
    ],
)
def test_ids_that_cannot_be(tmp_path, vocab, message):
    model_of(tmp_path, vocab)
    with pytest.raises(InputError, match=message):
        imported(tmp_path)


def test_two_files_that_disagree_about_an_id(tmp_path):
    vocabulary(tmp_path)
    swapped = PIECES[:5] + ["집", "나는"] + PIECES[7:]
    model_of(tmp_path, {piece: i for i, piece in enumerate(swapped)})
    with pytest.raises(
        InputError, match="id 5 is '나는' in the vocabulary and '집' in"
    ):
        imported(tmp_path)


# --- Added tokens ----------------------------------------------------------------

TEXT = "나는[SUBJ]집에😀 가!"
ADDED = {"[SUBJ]": 10, "😀": 12}
FILES = {
    "tokenizer.json": {
        "added_tokens": [{"id": i, "content": t} for t, i in ADDED.items()]
        + [{"id": 2, "content": "[CLS]", "special": True}],
    },
    "tokenizer_config.json": {
        "do_lower_case": False,
        "added_tokens_decoder": {str(i): {"content": t} for t, i in ADDED.items()},
    },
    "added_tokens.json": ADDED,
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_added_tokens_are_pieces_that_are_never_split(tmp_path, name):
    vocabulary(tmp_path)
    write_json(tmp_path, name, FILES[name])
    tokenizer, pieces = imported(tmp_path)
    assert tokenizer.config.added_tokens == ("[SUBJ]", "😀")
    assert pieces[10:] == ("[SUBJ]", "[unused11]", "😀")
    assert tokenizer.encode(TEXT).ids == [5, 10, 6, 7, 12, 8, 9]


def test_added_tokens_give_the_ids_that_hugging_face_gives(tmp_path):
    pieces = {piece: i for i, piece in enumerate(PIECES)}
    theirs = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(lowercase=False)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    theirs.add_tokens([AddedToken("[SUBJ]", normalized=False), "😀😀", "😀"])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours, _ = imported(tmp_path)
    texts = [
        TEXT,
        "",
        "😀😀😀",
        "[SUBJ][SUBJ] 집에",
        "가[SUBJ",
        "나는 😀 집",
        "없는😀말",
    ]
    expected = [theirs.encode(text, add_special_tokens=False).ids for text in texts]
    assert ours.encode_ids_batch(texts) == expected
    assert [ours.encode(text).ids for text in texts] == expected


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("token", ["[SUBJ]", {"content": "[SUBJ]", "lstrip": False}])
def test_special_tokens_that_took_the_place_of_a_piece(tmp_path, name, token):
    """As older versions of Hugging Face's library write them: without their ids."""
    vocabulary(tmp_path, PIECES[:-1] + ["[SUBJ]"])
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    write_json(tmp_path, "tokenizer_config.json", settings)
    settings["additional_special_tokens"] = ["[CLS]", token]
    write_json(tmp_path, name, settings)
    tokenizer, pieces = imported(tmp_path)
    assert tokenizer.config.added_tokens == ("[SUBJ]",)
    assert len(pieces) == len(PIECES)
    assert tokenizer.encode("나는[SUBJ]가").ids == [5, 9, 8]


def test_a_special_token_without_an_id_is_refused(tmp_path):
    vocabulary(tmp_path)
    settings = {"additional_special_tokens": ["가", "[SUBJ]"]}
    write_json(tmp_path, "special_tokens_map.json", settings)
    with pytest.raises(InputError) as raised:
        imported(tmp_path)
    assert "special_tokens_map.json lists the special token '[SUBJ]', which is" in str(
        raised.value
    )


@pytest.mark.slow
def test_added_tokens_go_back_to_hugging_face(tmp_path):
    vocabulary(tmp_path)
    write_json(tmp_path, "added_tokens.json", ADDED)
    ours, _ = imported(tmp_path)
    folder = tmp_path / "again"
    folder.mkdir()
    tokenizer_files.write_tokenizer(ours, str(folder), 128, True)
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    listed = json.loads(theirs.to_str())["added_tokens"]
    assert [t["content"] for t in listed if not t["special"]] == ["[SUBJ]", "😀"]
    if hasattr(theirs, "encode_special_tokens"):  # older ones see none in vocabularies
        theirs.encode_special_tokens = True  # as split_special_tokens asks for
        for text in (TEXT, "😀😀[SUBJ]"):
            encoded = theirs.encode(text, add_special_tokens=False)
            assert encoded.ids == ours.encode(text).ids
    (folder / "target").mkdir()
    config, path = import_tokenizer(str(folder), str(folder / "target"), 20)
    assert config == ours.config
    assert build_tokenizer(config, path).fingerprint == ours.fingerprint


def test_added_tokens_of_a_sentencepiece_model(tmp_path):
    source = shared_golden("tokenization", "albert_spm.model")
    with open(source, "rb") as reader:
        content = reader.read()
    (tmp_path / "spiece.model").write_bytes(content)
    size = sentencepiece.SentencePieceProcessor(model_file=source).GetPieceSize()
    write_json(tmp_path, "added_tokens.json", {"[SUBJ]": size + 1})
    settings = {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False}
    write_json(tmp_path, "tokenizer_config.json", settings)
    ours, pieces = imported(tmp_path, size + 2)
    assert pieces[size:] == (f"[unused{size}]", "[SUBJ]")
    before = build_tokenizer(preset("albert_cased"), source)
    ids = before.encode("영화는 좋다").ids
    assert ours.encode("영화는 좋다").ids == ids
    assert ours.encode("영화는 좋다[SUBJ]영화는 좋다").ids == [*ids, size + 1, *ids]


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "added_tokens.json",
            {"😀": 3},
            "id 3 is '\\[SEP\\]' in the .* '😀' in added_",
        ),
        (
            "added_tokens.json",
            {"집": 11},
            "'집' has the id 11 in added_.* and 6 in the",
        ),
        ("added_tokens.json", {"[SUBJ] ": 10}, "begins or ends with white space"),
        (
            "tokenizer.json",
            {"added_tokens": [{"id": 10, "content": "가나", "single_word": True}]},
            "'가나' of tokenizer.json is only found as a word of its own",
        ),
    ],
)
def test_added_tokens_that_cannot_be_are_refused_by_name(
    tmp_path, name, content, message
):
    vocabulary(tmp_path)
    write_json(tmp_path, name, content)
    with pytest.raises(InputError, match=message):
        imported(tmp_path)


def test_two_files_that_disagree_about_an_added_token(tmp_path):
    vocabulary(tmp_path)
    write_json(tmp_path, "added_tokens.json", {"😀": 11})
    write_json(
        tmp_path, "tokenizer.json", {"added_tokens": [{"id": 10, "content": "😀"}]}
    )
    with pytest.raises(
        InputError, match="the id 10 in tokenizer.json and 11 in added_"
    ):
        imported(tmp_path)
