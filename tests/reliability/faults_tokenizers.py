"""100,000 random strings of all of Unicode against the rules, written a second time.

make test-faults runs it. The rules are those of google-research/bert's, albert's and
electra's tokenization.py (and of KR-BERT-MEDIUM), character by character and without
the tables and memories of the package; characters newer than Unicode 11.0 are left out
of the strings, since a Python's own tables may know them otherwise.
"""

import dataclasses
import os
import random
import re
import unicodedata

import pytest
import sentencepiece

from data.text.unicode11 import category
from data.tokenization import build_tokenizer, preset
from tests.support.paths import ROOT
from tests.support.shared_data import shared_golden

SEED = int(os.environ.get("FAULT_SEED", 0)) or random.randrange(1, 10**6)
PRESETS = (
    "bert_cased",
    "bert_uncased",
    "krbert_medium_cased",
    "krbert_medium_uncased",
    "electra_cased",
    "electra_lower_nostrip",
    "electra_lower_strip",
)
SENTENCEPIECE_PRESETS = ("albert_cased", "albert_uncased", "korean_sentencepiece")
STRINGS = 100000  # of WordPiece, and half as many of SentencePiece
CJK = (
    "\u4e00-\u9fff \u3400-\u4dbf \U00020000-\U0002a6df \U0002a700-\U0002b73f "
    "\U0002b740-\U0002b81f \U0002b820-\U0002ceaf \uf900-\ufaff \U0002f800-\U0002fa1f"
).split()


def known(first, last):
    """Assigned characters of a range, and unassigned ones of every Python."""
    found = map(chr, range(first, last + 1))
    return [c for c in found if category(c) == unicodedata.category(c)]


# Korean and what stands beside it often, the rest of Unicode seldom.
ALPHABETS = (
    (6, known(0xAC00, 0xD7A3)),
    (3, list("가나다 영화재밌ㅋㅎ ")),
    (2, known(0x20, 0x7E)),
    (1, known(0x1100, 0x11FF) + known(0x3130, 0x318F)),
    (1, known(0x0, 0x2FF) + known(0x300, 0x36F)),
    (1, known(0x2000, 0x206F) + known(0x3000, 0x303F)),
    (1, known(0x4E00, 0x4FFF) + known(0x1F300, 0x1F6FF)),
    (1, known(0x370, 0x1FFF)),
    (1, known(0x2070, 0xABFF) + known(0xD7B0, 0xFFFF) + known(0x10000, 0x2FFFF)),
)


def strings(generator, count, pieces):
    weights = [weight for weight, _ in ALPHABETS]
    for _ in range(count):
        parts = []
        for alphabet in generator.choices(range(len(ALPHABETS)), weights, k=3):
            letters = ALPHABETS[alphabet][1]
            parts.append("".join(generator.choices(letters, k=generator.randint(0, 6))))
        if generator.random() < 0.5:
            parts.append(generator.choice(pieces).replace("##", ""))
        generator.shuffle(parts)
        yield "".join(parts)


def is_chinese(char):
    return any(span[0] <= char <= span[2] for span in CJK)


def words(text, config):
    """BasicTokenizer: clean, split at Chinese characters, lower, strip, punctuation."""
    cleaned = []
    for char in text:
        kind = category(char)
        white = char in "\t\n\r" or kind[0] == "Z"
        drops = (
            kind[0] == "C"
            if config.control_characters == "C"
            else kind
            in (
                "Cc",
                "Cf",
            )
        )
        if white:
            cleaned.append(" ")
        elif char not in "\0\ufffd" and not drops:
            cleaned.append(f" {char} " if is_chinese(char) else char)
    found = []
    for word in "".join(cleaned).split():
        if config.lower_case:
            word = word.lower()
        if config.effective_decompose == "all":
            word = unicodedata.normalize("NFD", word)
        if config.strip_accents:
            word = "".join(char for char in word if category(char) != "Mn")
        apart = ""
        for char in word:
            ascii_sign = 33 <= ord(char) <= 126 and not char.isalnum()
            sign = ascii_sign or category(char)[0] == "P"
            apart += f" {char} " if sign else char
        found += apart.split()
    return found


def pieces_of(word, config, vocabulary):
    """WordpieceTokenizer: the longest piece that fits, again and again."""
    if len(word) > config.max_chars_per_word:
        return [config.unk_token]
    found, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return [config.unk_token]
        found.append(piece)
        start = end
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_random_strings_have_the_pieces_of_the_rules(name, record_property):
    config = preset(name)
    tokenizer = build_tokenizer(config, shared_golden("tokenization", "vocab.txt"))
    vocabulary = tokenizer.vocabulary.ids
    count = -(-STRINGS // len(PRESETS))
    generator = random.Random(f"{SEED} {name}")
    texts = list(strings(generator, count, tokenizer.vocabulary.pieces))
    batch = tokenizer.encode_ids_batch(texts)
    unknown = total = 0
    for text, ids in zip(texts, batch):
        expected = [
            piece
            for word in words(text, config)
            for piece in pieces_of(word, config, vocabulary)
        ]
        assert tokenizer.convert_ids_to_tokens(ids) == expected, ascii(text)
        require_same_alone(tokenizer, text, ids)
        unknown += ids.count(tokenizer.unk_id)
        total += len(ids)
    assert 0 < unknown < total
    record_property(
        f"strings of {name}", f"{len(texts)}, {total} pieces, all equal (seed {SEED})"
    )


def require_same_alone(tokenizer, text, ids, empty_spans=False):
    """A text alone has the ids that it has in a batch, and spans in it, in order."""
    found = tokenizer.encode(text)
    assert found.ids == ids, ascii(text)
    assert len(found.offsets) == len(ids), ascii(text)
    last = 0
    for start, end in found.offsets:
        assert 0 <= start <= end <= len(text), ascii(text)
        assert empty_spans or start < end, ascii(text)
        assert last <= start, ascii(text)
        last = start


# --- SentencePiece -----------------------------------------------------------------


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A small model of the samples, with pieces that end in a digit and a comma."""
    folder = tmp_path_factory.mktemp("model")
    with open(os.path.join(ROOT, "samples", "corpus", "reviews.txt"), "rb") as reader:
        text = reader.read()
    numbers = "\n".join(f"{i},{i:03d},000원에 {i}, {i + 1}, 끝" for i in range(300))
    (folder / "text.txt").write_bytes(text + numbers.encode())
    sentencepiece.SentencePieceTrainer.Train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "spm"),
        vocab_size=900,
        split_by_number=False,
        split_by_unicode_script=False,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    return str(folder / "spm.model")


def prepared(text, config):
    """preprocess_text, but for its quotation marks, which are no longer there."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    if config.collapse_spaces:
        text = " ".join(text.split())
    if config.decompose == "compatibility":
        text = unicodedata.normalize("NFKD", text)
    if config.strip_accents:
        text = "".join(char for char in text if not unicodedata.combining(char))
    return text.lower() if config.lower_case else text


def encode_pieces(model, text, digit_comma):
    """encode_pieces: "9," becomes 9 and a comma."""
    found = []
    for piece in model.EncodeAsPieces(text):
        if len(piece) < 2 or piece[-1] != "," or piece[-2] not in "0123456789":
            found.append(piece)
            continue
        parts = model.EncodeAsPieces(piece[:-1].replace("\u2581", ""))
        if digit_comma == "split" and piece[0] != "\u2581":
            rest = parts[0][1:]
            known = rest and model.IdToPiece(model.PieceToId(rest)) == rest
            parts = ([rest] if known else list(rest)) + parts[1:]
        found += parts + [","]
    return found


@pytest.mark.parametrize("digit_comma", ["split", "upstream"])
@pytest.mark.parametrize("name", SENTENCEPIECE_PRESETS)
def test_random_strings_have_the_sentence_pieces_of_the_rules(
    model_file, name, digit_comma, record_property
):
    config = dataclasses.replace(preset(name), digit_comma=digit_comma)
    tokenizer = build_tokenizer(config, model_file)
    model = sentencepiece.SentencePieceProcessor()
    model.Load(model_file)
    count = STRINGS // 2 // len(SENTENCEPIECE_PRESETS) // 2
    generator = random.Random(f"{SEED} {name} {digit_comma}")
    # A control piece that stands in a text is none; upstream takes it for one.
    pieces = tokenizer.vocabulary.pieces
    pieces = [pieces[i] for i in range(len(pieces)) if not model.IsControl(i)]
    texts = list(strings(generator, count, pieces))
    texts = [
        text.replace("가", f"{generator.randint(0, 999)},") if "가" in text else text
        for text in texts
    ]
    unknown = total = splits = 0
    for text, ids in zip(texts, tokenizer.encode_ids_batch(texts)):
        plain = prepared(text, config)
        expected = encode_pieces(model, plain, digit_comma)
        assert ids == [model.PieceToId(piece) for piece in expected], ascii(text)
        assert tokenizer.tokenize(text) == expected, ascii(text)
        require_same_alone(tokenizer, text, ids, empty_spans=True)
        unknown += ids.count(tokenizer.unk_id)
        total += len(ids)
        splits += expected != model.EncodeAsPieces(plain)
    assert 0 < unknown < total
    assert splits
    record_property(
        f"strings of {name}, {digit_comma}",
        f"{len(texts)}, {total} pieces, {splits} with a number cut from its comma, "
        f"all equal (seed {SEED})",
    )
