"""100,000 random strings of all of Unicode against the rules, written a second time.

make test-faults runs it. The rules are those of google-research/bert's and electra's
tokenization.py (and of KR-BERT-MEDIUM), character by character and without the tables
and memories of the package; characters newer than Unicode 11.0 are left out of the
strings, since a Python's own tables may know them otherwise.
"""

import os
import random
import unicodedata

import pytest

from data.text.unicode11 import category
from data.tokenization import build_tokenizer, preset
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
STRINGS = 100000
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
        found = tokenizer.encode(text)
        assert found.ids == ids, ascii(text)
        assert all(0 <= start < end <= len(text) for start, end in found.offsets), (
            ascii(text)
        )
        unknown += ids.count(tokenizer.unk_id)
        total += len(ids)
    assert 0 < unknown < total
    record_property(
        f"strings of {name}", f"{len(texts)}, {total} pieces, all equal (seed {SEED})"
    )
