"""Our tokenizer from the files of Hugging Face: settings, vocabulary, added tokens.

Ids never move: an id without a piece gets an unused one.
"""

import dataclasses
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from absl import logging

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.tokenization import (
    CONFIG_FILE_NAME,
    TokenizerConfig,
    find_vocabulary,
    load_vocabulary,
    preset,
)
from data.tokenization.config import EXPORTED_KEY, bert_normaliser_settings
from encoder_ko.hub.tokenizer_json import read_model
from encoder_ko.training import agreement

_TOKENIZER = "tokenizer.json"
_ADDED = "added_tokens.json"
_SPECIAL = "special_tokens_map.json"


def import_tokenizer(
    folder: str, target: str, vocab_size: int, allow_mismatch: bool = False
) -> Tuple[TokenizerConfig, str]:
    """Writes the vocabulary of a folder of Hugging Face's files.

    Args:
      target: the folder to write it to.
      vocab_size: rows of the model's embedding table.
      allow_mismatch: whether tokenizer.json counts where other files contradict it.

    Returns:
      The settings, and the path of the vocabulary.

    Raises:
      InputError: there is no vocabulary, an id is beyond the table, two files disagree,
        or a token cannot be added.
    """
    agreement.settle(_differences(folder), allow_mismatch)
    config = read_settings(folder)
    added = _added_tokens(folder, config)
    if config.algorithm == "sentencepiece":
        path = _import_model(folder, target, added, vocab_size)
    else:
        path = _import_vocabulary(folder, target, added, vocab_size)
    names = [token.text for token in added if token.text not in config.special_tokens]
    if names:
        logging.info("%s: added tokens %s", folder, ", ".join(names))
    return dataclasses.replace(config, added_tokens=tuple(names)), path


# --- Settings --------------------------------------------------------------------


def read_settings(folder: str) -> TokenizerConfig:
    """Our settings of the tokenizer in a folder of Hugging Face's files."""
    path = os.path.join(folder, CONFIG_FILE_NAME)
    if files.exists(path):
        settings = TokenizerConfig.from_json_file(path)
        if EXPORTED_KEY in read_json_object(path):
            return settings
    else:
        logging.warning(
            "%s has no %s: text is taken to be cased and left whole. If the model is "
            "uncased, write lower_case into the file of that name in the result.",
            folder,
            CONFIG_FILE_NAME,
        )
        names = files.list_folder(folder)
        has_model = any(name.endswith(".model") for name in names)
        is_albert = has_model and "vocab.txt" not in names
        settings = preset("albert_cased" if is_albert else "hugging_face_cased")
        settings = dataclasses.replace(settings, compose=None)
    rules = _rules_of_library(folder)
    return TokenizerConfig.from_dict(dict(settings.to_dict(), **rules))


def _rules_of_library(folder):
    """The settings that tokenizer.json has of its own; it is what really runs."""
    path = os.path.join(folder, "tokenizer.json")
    if not files.exists(path):
        return {}
    content = read_json_object(path)
    longest = (content.get("model") or {}).get("max_input_chars_per_word")
    settings = {} if longest is None else {"max_chars_per_word": longest}
    rules = content.get("normalizer") or {}
    if rules.get("type") == "BertNormalizer":
        settings.update(
            bert_normaliser_settings(
                bool(rules.get("lowercase")),
                rules.get("strip_accents"),
                rules.get("handle_chinese_chars", True),
            )
        )
    return settings


# What tokenizer_config.json and the normalizer of tokenizer.json call the same.
_SAME_SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def _differences(folder: str) -> Iterator[str]:
    """Where the other files of a folder contradict tokenizer.json."""
    library, settings = _read(folder, _TOKENIZER), _read(folder, CONFIG_FILE_NAME)
    rules, model = library.get("normalizer") or {}, library.get("model") or {}
    advice = "Make them agree: Hugging Face's classes differ in which of them counts."
    if rules.get("type") == "BertNormalizer":
        for name, key in _SAME_SETTINGS.items():
            known = settings.get(name), rules.get(key)
            if None not in known and known[0] != known[1]:
                yield (
                    f"{folder}: {name} is {known[0]} in {CONFIG_FILE_NAME}, and {key} "
                    f"is {known[1]} in {_TOKENIZER}. {advice}"
                )
    if model.get("type") != "WordPiece":
        return
    unknown = settings.get("unk_token"), model.get("unk_token")
    unknown = [t["content"] if isinstance(t, dict) else t for t in unknown]
    if None not in unknown and unknown[0] != unknown[1]:
        yield (
            f"{folder}: unk_token is {unknown[0]!r} in {CONFIG_FILE_NAME} and "
            f"{unknown[1]!r} in {_TOKENIZER}. {advice}"
        )
    path = os.path.join(folder, "vocab.txt")
    if files.exists(path):
        listed = {piece.strip() for piece in model["vocab"]}
        listed.update(token.text for token, _ in _listed_tokens(folder))
        for index, piece in enumerate(load_vocabulary(path).pieces):
            if piece and piece not in listed:
                yield (
                    f"{path} has {piece!r} as id {index}, and {_TOKENIZER} has no such "
                    "piece: they are of different models. Delete the file that does "
                    "not belong to this one."
                )
                return


# --- Added tokens ----------------------------------------------------------------


class _Token(NamedTuple):
    """A piece with the id that a file gives it."""

    text: str
    id: int
    source: str


def _added_tokens(folder, config) -> List[_Token]:
    """In the order of their ids, special ones included.

    Raises:
      InputError: two files disagree, or a token is found by rules that ours lack.
    """
    found = {}
    for token, settings in _listed_tokens(folder):
        known = found.setdefault(token.text, token)
        if known.id != token.id:
            raise InputError(
                f"{folder}: the added token {token.text!r} has the id {known.id} in "
                f"{known.source} and {token.id} in {token.source}. Delete the file "
                "that does not belong to the model."
            )
        if token.text not in config.special_tokens:
            _check_rules(token, settings, config)
    for token in _special_pieces(folder, set(found) | set(config.special_tokens)):
        _check_rules(token, {}, config)
        found[token.text] = token
    return sorted(found.values(), key=lambda token: token.id)


def _listed_tokens(folder) -> Iterator[Tuple[_Token, Dict[str, Any]]]:
    """Every token of every file that lists some, with what is said of it there."""
    for record in _read(folder, _TOKENIZER).get("added_tokens") or ():
        yield _Token(record["content"], int(record["id"]), _TOKENIZER), record
    decoder = _read(folder, CONFIG_FILE_NAME).get("added_tokens_decoder") or {}
    for index, record in decoder.items():
        yield _Token(record["content"], int(index), CONFIG_FILE_NAME), record
    for text, index in _read(folder, _ADDED).items():
        yield _Token(text, int(index), _ADDED), {}


def _special_pieces(folder, known) -> Iterator[_Token]:
    """Further special tokens that are pieces of the vocabulary, but in no list of ids.

    So older versions of Hugging Face's library write a token that has taken the place
    of an unused piece.

    Raises:
      InputError: the vocabulary has no such piece.
    """
    ids: Optional[Dict[str, int]] = None
    for name in (CONFIG_FILE_NAME, _SPECIAL):
        for token in _read(folder, name).get("additional_special_tokens") or ():
            text = token["content"] if isinstance(token, dict) else token
            if text in known:
                continue
            known.add(text)
            ids = _vocabulary_ids(folder) if ids is None else ids
            if text not in ids:
                raise InputError(
                    f"{os.path.join(folder, name)} lists the special token {text!r}, "
                    f"which is not in the vocabulary and has no id in {_ADDED} or "
                    f"{_TOKENIZER}: take it out, or give the file that has its id."
                )
            yield _Token(text, ids[text], name)


def _vocabulary_ids(folder) -> Dict[str, int]:
    path = os.path.join(folder, "vocab.txt")
    listed = (_read(folder, _TOKENIZER).get("model") or {}).get("vocab")
    if files.exists(path):
        pieces = load_vocabulary(path).pieces
    elif isinstance(listed, dict):
        return {piece.strip(): index for piece, index in listed.items()}
    elif listed is not None:
        pieces = [piece for piece, _ in listed]
    else:
        pieces = [piece.piece for piece in read_model(find_vocabulary(folder)).pieces]
    return {piece: index for index, piece in enumerate(pieces)}


def _read(folder, name):
    path = os.path.join(folder, name)
    return read_json_object(path) if files.exists(path) else {}


def _check_rules(token, settings, config):
    if token.text != token.text.strip() or "\n" in token.text or not token.text:
        problem = "begins or ends with white space, or holds a line end"
    elif settings.get("single_word"):
        problem = "is only found as a word of its own (single_word)"
    else:
        if config.lower_case and settings.get("normalized", False):
            logging.warning(
                "The added token %r is found here as it is written, and not in lower "
                "case, too, as by Hugging Face's tokenizer.",
                token.text,
            )
        return
    raise InputError(
        f"The added token {token.text!r} of {token.source} {problem}, which the "
        "tokenizers of this project cannot do. Take it out of that file, if the model "
        "does not need it."
    )


# --- Vocabularies ----------------------------------------------------------------

_Pieces = List[Optional[str]]  # piece of each id; None = a hole


def _import_vocabulary(folder, target, added, vocab_size) -> str:
    path, copy = os.path.join(folder, "vocab.txt"), os.path.join(target, "vocab.txt")
    pieces = []  # type: _Pieces
    if files.exists(path):
        pieces += load_vocabulary(path).pieces
    listed = len(pieces)
    model = _read(folder, _TOKENIZER).get("model") or {}
    if model.get("type") == "WordPiece":
        _require_an_id_each(os.path.join(folder, _TOKENIZER), model["vocab"])
        for piece, index in sorted(model["vocab"].items(), key=lambda item: item[1]):
            if "\n" not in piece.strip():  # no word has one, and no line can
                token = _Token(piece.strip(), index, _TOKENIZER)
                _place(pieces, token, vocab_size)
    if not pieces:
        raise InputError(
            f"{folder} has neither vocab.txt nor a tokenizer.json with WordPiece: put "
            "the model's vocabulary there."
        )
    for token in added:
        _place_added(pieces, token, vocab_size)
    if len(pieces) == listed:
        files.copy(path, copy)
        return copy
    names = _fill_holes(pieces, folder)
    files.write_text(copy, "".join(name + "\n" for name in names))
    return copy


def _require_an_id_each(path: str, ids: Dict[str, int]) -> None:
    """Raises InputError if a vocabulary gives two pieces the same id."""
    found: Dict[int, str] = {}
    for piece, index in ids.items():
        if index in found:
            raise InputError(
                f"{path} gives the id {index} to both {found[index]!r} and {piece!r}: "
                "it is damaged. Fetch the file again."
            )
        found[index] = piece


def _import_model(folder, target, added, vocab_size) -> str:
    """SentencePiece: tokens that its model lacks are appended to it."""
    path = find_vocabulary(folder)
    copy = os.path.join(target, os.path.basename(path))
    proto = read_model(path)
    pieces = [piece.piece for piece in proto.pieces]  # type: _Pieces
    listed = len(pieces)
    for token in added:
        _place_added(pieces, token, vocab_size)
    if len(pieces) == listed:
        files.copy(path, copy)
        return copy
    names = _fill_holes(pieces, folder)
    for piece, name in list(zip(pieces, names))[listed:]:
        types = proto.SentencePiece
        kept = types.UNUSED if piece is None else types.USER_DEFINED
        proto.pieces.add(piece=name, score=0.0, type=kept)
    with files.new_file(copy) as writer:
        writer.write(proto.SerializeToString())
    return copy


def _place(pieces: _Pieces, token: _Token, vocab_size: int) -> None:
    """Puts a piece where its id says.

    Raises:
      InputError: there is no such row in the table, or another piece is there.
    """
    if not 0 <= token.id < vocab_size:
        raise InputError(
            f"{token.source} gives {token.text!r} the id {token.id}, but the model's "
            f"embedding table has vocab_size={vocab_size} rows: the tokenizer is of "
            "another model."
        )
    pieces += [None] * (token.id + 1 - len(pieces))
    if pieces[token.id] not in (None, token.text):
        raise InputError(
            f"The id {token.id} is {pieces[token.id]!r} in the vocabulary and "
            f"{token.text!r} in {token.source}: they are of different models. Delete "
            "the file that does not belong to this one."
        )
    pieces[token.id] = token.text


def _place_added(pieces: _Pieces, token: _Token, vocab_size: int) -> None:
    if token.text in pieces and pieces.index(token.text) != token.id:
        raise InputError(
            f"The added token {token.text!r} has the id {token.id} in {token.source} "
            f"and {pieces.index(token.text)} in the vocabulary: they are of different "
            "models. Delete the file that does not belong to this one."
        )
    _place(pieces, token, vocab_size)


def _fill_holes(pieces: _Pieces, folder: str) -> List[str]:
    holes = [index for index, piece in enumerate(pieces) if piece is None]
    if holes:
        logging.warning(
            "%s: %d ids have no piece, the first of them %d. They get unused pieces, "
            "so that all others keep their ids.",
            folder,
            len(holes),
            holes[0],
        )
    taken = set(pieces)
    return [
        _unused(index, taken) if piece is None else piece
        for index, piece in enumerate(pieces)
    ]


def _unused(index, taken):
    name = f"[unused{index}]"
    while name in taken:
        name = name[:-1] + "_]"
    return name
