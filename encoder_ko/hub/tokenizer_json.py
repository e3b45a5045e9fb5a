"""The content of Hugging Face's tokenizer.json for our tokenizers.

It says every rule itself: characters as ranges of code points from
`data.text.unicode11`, so that neither the library's idea of a control character nor its
version of Unicode matters. Where it cannot be exact: a unigram model's two ways of
equal score, digits with commas (`TokenizerConfig.digit_comma`), letters in disorder
under "letters".
"""

import base64
import collections
import functools
import sys
from typing import Any, Callable, Dict, Hashable

from data.io.errors import InputError
from data.text import unicode11
from data.tokenization.normalisation import Normaliser
from data.tokenization.sentencepiece import DIGIT_COMMA, SentencePieceTokenizer


def tokenizer_json(tokenizer) -> Dict[str, Any]:
    """The content of tokenizer.json.

    Raises:
      InputError: a SentencePiece model that is not a unigram model.
    """
    if tokenizer.config.algorithm == "sentencepiece":
        return sentencepiece_json(tokenizer)
    return wordpiece_json(tokenizer)


def character_classes(kind_of: Callable[[str], Hashable]) -> Dict[Hashable, str]:
    """Regular expressions for the characters of each kind; surrogates are left out.

    Example: `str.isdigit` -> {True: "[\\x{30}-\\x{39}...]", False: "[...]"}.
    """
    ranges = collections.defaultdict(list)
    previous = object()
    for code in range(sys.maxunicode + 1):
        kind = None if 0xD800 <= code <= 0xDFFF else kind_of(chr(code))
        if kind == previous:
            ranges[kind][-1][1] = code
        else:
            ranges[kind].append([code, code])
        previous = kind
    ranges.pop(None, None)
    return {k: "[" + "".join(map(_range, found)) + "]" for k, found in ranges.items()}


def _range(ends):
    first, last = (f"\\x{{{code:X}}}" for code in ends)
    return first if first == last else f"{first}-{last}"


def replace(pattern: str, content: str) -> Dict[str, Any]:
    """Normalizer: each match becomes `content`."""
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _split(pattern, behavior):
    return {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": behavior,
        "invert": False,
    }


def _sequence(kind, steps):
    return {"type": "Sequence", kind: steps}


def _lower_case():
    """A sigma at the end of a word has a form of its own, which Rust does not use."""
    final = "(?<=[\\p{L}])\\x{3A3}(?!\\p{L})"
    return [replace(final, "\u03c2"), {"type": "Lowercase"}]


def _document(tokenizer, normalizers, pre_tokenizers, model, decoder):
    config = tokenizer.config
    cls, sep = config.cls_token, config.sep_token
    ids = tokenizer.vocabulary.ids

    def token(name, kind):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name, kind):
        return {"Sequence": {"id": name, "type_id": kind}}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": ids[name],
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for name in sorted(config.special_tokens, key=lambda name: ids[name])
        ],
        "normalizer": _sequence("normalizers", normalizers),
        "pre_tokenizer": _sequence("pretokenizers", pre_tokenizers),
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token(cls, 0), text("A", 0), token(sep, 0)],
            "pair": [
                token(cls, 0),
                text("A", 0),
                token(sep, 0),
                text("B", 1),
                token(sep, 1),
            ],
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                for name in (cls, sep)
            },
        },
        "decoder": decoder,
        "model": model,
    }


# --- WordPiece -------------------------------------------------------------------


def wordpiece_json(tokenizer) -> Dict[str, Any]:
    """The content of tokenizer.json for a WordPieceTokenizer."""
    config = tokenizer.config
    classes = _classes(config)
    normalizers = [{"type": "NFC"}] if config.compose else []
    normalizers += [
        replace(classes["deleted"], ""),
        replace(classes["space"], " "),
    ]
    if config.lower_case:
        normalizers += _lower_case()
    normalizers += _decomposition(config.effective_decompose)
    if config.strip_accents:
        normalizers.append(replace(classes["mark"], ""))
    if config.effective_decompose == "letters":
        normalizers.append({"type": "NFC"})

    return _document(
        tokenizer,
        normalizers,
        [
            _split(" +", "Removed"),
            _split(classes["word"], "Isolated"),
        ],
        {
            "type": "WordPiece",
            "unk_token": config.unk_token,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": config.max_chars_per_word,
            "vocab": dict(tokenizer.vocabulary.ids),
        },
        {"type": "WordPiece", "prefix": "##", "cleanup": False},
    )


@functools.lru_cache(maxsize=8)  # seconds of work, the same for ELECTRA's two networks
def _classes(config):
    return character_classes(_rule_of(Normaliser(config)))


def _rule_of(rules: Normaliser):
    def rule(char):
        cleaned = rules.cleaned(char)
        if cleaned in ("", " "):
            return "space" if cleaned else "deleted"
        separated = rules.separated(char)
        if not separated:
            return "mark"
        return "word" if max(len(cleaned), len(separated)) > 1 else "other"

    return rule


def _decomposition(extent):
    """Rust takes Hangul apart, too; for "letters" NFC puts it together again."""
    if extent == "none":
        return []
    return [{"type": "NFKD" if extent == "compatibility" else "NFD"}]


# --- SentencePiece ---------------------------------------------------------------

_METASPACE = {
    "type": "Metaspace",
    "replacement": "\u2581",
    "prepend_scheme": "always",
    "add_prefix_space": True,  # the same, for tokenizers before 0.15
    "split": True,
}


def sentencepiece_json(tokenizer: SentencePieceTokenizer) -> Dict[str, Any]:
    """The content of tokenizer.json for a unigram model.

    Raises:
      InputError: the model is of another kind (BPE).
    """
    proto = _read_model(tokenizer.vocabulary.path)
    config = tokenizer.config
    normalizers = [{"type": "NFC"}] if config.compose else []
    if config.collapse_spaces:
        normalizers.append(replace(character_classes(str.isspace)[True] + "+", " "))
    normalizers += _decomposition(config.effective_decompose)
    if config.strip_accents:
        normalizers.append(replace(character_classes(_combines)[True], ""))
    if config.lower_case:
        normalizers += _lower_case()
    normalizers += _model_normalizers(proto.normalizer_spec)
    return _document(
        tokenizer,
        normalizers,
        [
            _METASPACE,
            _split(_opening_of_special(proto), "Isolated"),
        ],
        {
            "type": "Unigram",
            "unk_id": tokenizer.unk_id,
            "vocab": _scores(proto),
            "byte_fallback": False,
        },
        _METASPACE,
    )


def _combines(char):
    return unicode11.combining(char) != 0


def _read_model(path):
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    with open(path, "rb") as reader:
        proto.ParseFromString(reader.read())
    if proto.trainer_spec.model_type != proto.trainer_spec.UNIGRAM:
        raise InputError(
            f"{path} is not a unigram model: only those can be said in tokenizer.json."
        )
    return proto


def _model_normalizers(spec):
    """The model's own character map, then single spaces and none at the ends.

    Its map finds the longest match; Rust's looks at one character or cluster at a time.
    Composing makes up for that: letters in pieces (jamo) are put together.
    """
    steps = []
    if spec.precompiled_charsmap:
        charsmap = base64.b64encode(spec.precompiled_charsmap).decode("ascii")
        steps.append({"type": "Precompiled", "precompiled_charsmap": charsmap})
        steps.append({"type": "NFC"})
    if spec.remove_extra_whitespaces:
        steps.append(replace("[ \u2581]+", " "))
        steps.append({"type": "Strip", "strip_left": True, "strip_right": True})
    return steps


def _scores(proto):
    """[piece, score] of each id, as the library of SentencePiece uses them."""
    kinds = proto.SentencePiece
    scores = [p.score for p in proto.pieces if p.type == kinds.NORMAL]
    lowest, highest = min(scores), max(scores)
    vocab = []
    for piece in proto.pieces:
        score = piece.score
        if piece.type == kinds.USER_DEFINED:
            # Its bonus: such a piece is always taken.
            score = len(piece.piece.encode("utf-8")) * highest - 0.1
        elif DIGIT_COMMA.fullmatch(piece.piece):
            # Our tokenizer cuts such a piece in two (TokenizerConfig.digit_comma).
            score = 2 * lowest
        vocab.append([piece.piece, score])
    return vocab


def _opening_of_special(proto):
    """The first character of a special piece that is written in the text.

    Set apart, since SentencePiece never takes text for a control piece and Rust would.
    """
    kinds = proto.SentencePiece
    names = [p.piece for p in proto.pieces if p.type in (kinds.CONTROL, kinds.UNKNOWN)]
    return "|".join(f"{_literal(name[0])}(?={_literal(name[1:])})" for name in names)


def _literal(text):
    return "".join(f"\\x{{{ord(char):X}}}" for char in text)
