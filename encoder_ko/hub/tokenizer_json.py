"""Our tokenizers as those of Hugging Face's library, whose file is tokenizer.json.

Every rule is said in full: characters as ranges of code points from
`data.text.unicode11`, so that neither the library's idea of a control character nor its
version of Unicode matters. Where it cannot be exact: a unigram model's two ways of
equal score, digits with commas (`TokenizerConfig.digit_comma`), letters in disorder
under "letters".
"""

import collections
import functools
import sys
from typing import Callable, Dict, Hashable

import tokenizers
from tokenizers import (
    AddedToken,
    Regex,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from data.io.errors import InputError
from data.io.files import read_bytes
from data.text import unicode11
from data.tokenization.config import TokenizerConfig
from data.tokenization.normalisation import Normaliser
from data.tokenization.sentencepiece import DIGIT_COMMA, Preparation


def fast_tokenizer(tokenizer) -> tokenizers.Tokenizer:
    """The library's tokenizer that gives the ids of ours.

    Raises:
      InputError: a SentencePiece model that is not a unigram model.
    """
    config, ids = tokenizer.config, tokenizer.vocabulary.ids
    is_wordpiece = config.algorithm == "wordpiece"
    fast = _wordpiece(tokenizer) if is_wordpiece else _unigram(tokenizer)
    special = sorted(config.special_tokens, key=ids.get)
    fast.add_special_tokens([AddedToken(name, normalized=False) for name in special])
    fast.add_tokens([AddedToken(t, normalized=False) for t in config.added_tokens])
    cls, sep = config.cls_token, config.sep_token
    fast.post_processor = processors.TemplateProcessing(
        single=[cls, "$A", sep],
        pair=[cls, "$A", sep, "$B:1", f"{sep}:1"],
        special_tokens=[(name, ids[name]) for name in (cls, sep)],
    )
    return fast


def character_classes(class_of: Callable[[str], Hashable]) -> Dict[Hashable, str]:
    """Regular expressions for the characters of each class; surrogates are left out.

    Example: `str.isdigit` -> {True: "[\\x{30}-\\x{39}...]", False: "[...]"}.
    """
    ranges = collections.defaultdict(list)
    previous = object()
    for code in range(sys.maxunicode + 1):
        found = None if 0xD800 <= code <= 0xDFFF else class_of(chr(code))
        if found == previous:
            ranges[found][-1][1] = code
        else:
            ranges[found].append([code, code])
        previous = found
    ranges.pop(None, None)
    return {k: "[" + "".join(map(_range, pairs)) + "]" for k, pairs in ranges.items()}


def _range(ends):
    first, last = (f"\\x{{{code:X}}}" for code in ends)
    return first if first == last else f"{first}-{last}"


def _replace(pattern: str, content: str):
    return normalizers.Replace(Regex(pattern), content)


def _lower_case():
    """A sigma at the end of a word has a form of its own, which Rust does not use."""
    final = "(?<=[\\p{L}])\\x{3A3}(?!\\p{L})"
    return [_replace(final, "\u03c2"), normalizers.Lowercase()]


def _decomposition(extent):
    """Rust takes Hangul apart, too; for "letters" NFC puts it together again."""
    if extent == "none":
        return []
    return [normalizers.NFKD() if extent == "compatibility" else normalizers.NFD()]


# --- WordPiece -------------------------------------------------------------------


def _wordpiece(tokenizer):
    config = tokenizer.config
    classes = _classes(config)
    steps = [normalizers.NFC()] if tokenizer.composes else []
    steps += [_replace(classes["deleted"], ""), _replace(classes["space"], " ")]
    if config.lower_case:
        steps += _lower_case()
    steps += _decomposition(config.effective_decompose)
    if config.strip_accents:
        steps.append(_replace(classes["mark"], ""))
    if config.effective_decompose == "letters":
        steps.append(normalizers.NFC())
    fast = tokenizers.Tokenizer(
        models.WordPiece(
            dict(tokenizer.vocabulary.ids),
            unk_token=config.unk_token,
            max_input_chars_per_word=config.max_chars_per_word,
        )
    )
    fast.normalizer = normalizers.Sequence(steps)
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(" +"), "removed"),
            pre_tokenizers.Split(Regex(classes["word"]), "isolated"),
        ]
    )
    fast.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return fast


def _classes(config):
    return _classes_by(
        config.control_characters, config.split_cjk, config.strip_accents
    )


@functools.lru_cache(maxsize=8)  # a second of work; most tokenizers agree in these
def _classes_by(control_characters, split_cjk, strip_accents):
    config = TokenizerConfig(
        control_characters=control_characters,
        split_cjk=split_cjk,
        strip_accents=strip_accents,
    )
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


# --- SentencePiece ---------------------------------------------------------------


def _unigram(tokenizer):
    path = tokenizer.vocabulary.path
    proto = read_model(path)
    if proto.trainer_spec.model_type != proto.trainer_spec.UNIGRAM:
        raise InputError(
            f"{path} is not a unigram model: only those can be said in tokenizer.json."
        )
    config = tokenizer.config
    steps = [normalizers.NFC()] if tokenizer.composes else []
    if config.delete_controls:
        deleted = character_classes(Preparation(config).deletes)[True]
        steps.append(_replace(deleted, ""))
    if config.collapse_spaces:
        steps.append(_replace(character_classes(str.isspace)[True] + "+", " "))
    steps += _decomposition(config.effective_decompose)
    if config.strip_accents:
        steps.append(_replace(character_classes(_combines)[True], ""))
    if config.lower_case:
        steps += _lower_case()
    steps += _model_normalizers(proto.normalizer_spec)
    fast = tokenizers.Tokenizer(models.Unigram(_scores(proto), tokenizer.unk_id))
    fast.normalizer = normalizers.Sequence(steps)
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(_opening_of_special(proto)), "isolated"),
        ]
    )
    fast.decoder = decoders.Metaspace()
    return fast


def _combines(char):
    return unicode11.combining(char) != 0


def read_model(path: str):
    """The content of a SentencePiece model file (ModelProto)."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(read_bytes(path))
    return proto


def _model_normalizers(spec):
    """The model's own character map, then single spaces and none at the ends.

    Its map finds the longest match; Rust's looks at one character or cluster at a time.
    Composing makes up for that: letters in pieces (jamo) are put together.
    """
    steps = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
        steps.append(normalizers.NFC())
    if spec.remove_extra_whitespaces:
        steps.append(_replace("[ \u2581]+", " "))
        steps.append(normalizers.Strip())
    return steps


def _scores(proto):
    """(piece, score) of each id, as the library of SentencePiece uses them."""
    types = proto.SentencePiece
    scores = [p.score for p in proto.pieces if p.type == types.NORMAL]
    lowest, highest = min(scores), max(scores)
    vocab = []
    for piece in proto.pieces:
        score = piece.score
        if piece.type == types.USER_DEFINED:
            # Its bonus: such a piece is always taken.
            score = len(piece.piece.encode("utf-8")) * highest - 0.1
        elif DIGIT_COMMA.fullmatch(piece.piece):
            # Our tokenizer cuts such a piece in two (TokenizerConfig.digit_comma).
            score = 2 * lowest
        vocab.append((piece.piece, score))
    return vocab


def _opening_of_special(proto):
    """The first character of a special piece that is written in the text.

    Set apart, since SentencePiece never takes text for a control piece and Rust would.
    """
    types = proto.SentencePiece
    names = [p.piece for p in proto.pieces if p.type in (types.CONTROL, types.UNKNOWN)]
    return "|".join(f"{_literal(name[0])}(?={_literal(name[1:])})" for name in names)


def _literal(text):
    return "".join(f"\\x{{{ord(char):X}}}" for char in text)
