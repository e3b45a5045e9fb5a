"""A corpus to a vocabulary: python -m data.train_vocab.

    python -m data.train_vocab --input_file='corpus/*.txt' --output_dir=models/mine \\
        --algorithm=wordpiece --vocab_size=30000 --morpheme_analyser=mecab \\
        --morphemes=vocabulary

Input: UTF-8, plain or .gz, one sentence per line, a blank line after each document.
Output: vocab.txt, or spm.model and spm.vocab, and tokenizer_config.json beside it, that
records and fine-tuning obey. The share of unknown pieces in a sample is printed. A
command that was stopped begins anew.

The words counted on other machines, with Apache Beam (WordPiece and BPE):

    python -m data.train_vocab --runner=FlinkRunner ... -- Beam's options
"""

import contextlib
import os
import tempfile
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from absl import flags

from .beam.corpus import work_folder
from .beam.runner import RUNNERS, BeamRunner, split_options
from .beam.vocabulary import COUNTS_PATTERN, count_text_on
from .io.cli import parse, run
from .io.errors import InputError
from .io.files import exists, make_folder, new_file, remove
from .io.globs import matching_files
from .io.tables import read_rows
from .text.cleaning import RECIPES
from .tokenization import (
    CONFIG_FILE_NAME,
    TokenizerConfig,
    build_tokenizer,
    load_vocabulary,
    preset,
)
from .vocabulary.trainers import (
    Lines,
    VocabularyOptions,
    merge_vocabulary,
    train_sentencepiece,
    train_wordpiece,
)
from .vocabulary.training_text import (
    TextCounts,
    TextOptions,
    read_lines,
    write_training_text,
)

_HIGH_UNKNOWN_RATE = 0.01
_VOCAB_FILE, _MODEL_FILE, _PIECES_FILE = "vocab.txt", "spm.model", "spm.vocab"

# Flags of the text, by the settings of the tokenizer that they are.
_SETTINGS = {
    "do_lower_case": "lower_case",
    "strip_accents": "strip_accents",
    "compose": "compose",
    "morpheme_analyser": "morpheme_analyser",
    "morphemes": "morphemes",
    "cleaning": "cleaning",
    "clean": "clean",
}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command."""

    def string(name, default, text):
        flags.DEFINE_string(name, default, text, flag_values=values)

    def integer(name, default, text, low):
        flags.DEFINE_integer(name, default, text, low, flag_values=values)

    def share(name, default, text):
        flags.DEFINE_float(name, default, text, 0.0, 1.0, flag_values=values)

    def boolean(name, default, text):
        flags.DEFINE_bool(name, default, text, flag_values=values)

    def one_of(name, default, choices, text):
        flags.DEFINE_enum(name, default, choices, text, flag_values=values)

    string("input_file", None, "Text files, comma-separated; patterns such as a/*.txt.")
    string("output_dir", None, "Folder for the vocabulary and its settings.")
    one_of("algorithm", "wordpiece", ["wordpiece", "unigram", "bpe"], "Kind of pieces.")
    integer("vocab_size", 30000, "Pieces, special and unused ones counted.", 10)
    integer("min_frequency", 2, "WordPiece: how often a pair must occur.", 1)
    integer("limit_alphabet", 6000, "WordPiece: the most characters kept.", 1)
    integer("num_unused_tokens", 0, "Pieces [unused1], ... to name later.", 0)
    share("character_coverage", 0.9995, "SentencePiece: share of characters covered.")
    one_of(
        "normalization",
        "identity",
        ["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"],
        "SentencePiece: rule inside the model; ALBERT nmt_nfkc.",
    )
    _define_text_flags(values)
    string("merge_vocab_file", None, "WordPiece: add the other pieces of this one.")
    share("line_share", 1.0, "Share of the lines to train on.")
    string("sample_file", None, "Text to count unknown pieces in; default: the corpus.")
    integer("num_processes", 1, "Worker processes.", 1)
    integer("max_bad_rows", 0, "Lines that may be left out.", 0)
    one_of("runner", None, RUNNERS, "Counts with Apache Beam; its options follow --.")
    boolean("overwrite", False, "Replace the vocabulary in the folder.")


def _define_text_flags(values):
    """Flags that become settings of the tokenizer."""
    flags.DEFINE_string(
        "tokenizer_config_file",
        None,
        "JSON of the tokenizer's settings, which the flags below change.",
        flag_values=values,
    )

    def boolean(name, default, text):
        flags.DEFINE_bool(name, default, text, flag_values=values)

    def one_of(name, default, choices, text):
        flags.DEFINE_enum(name, default, choices, text, flag_values=values)

    boolean("do_lower_case", False, "Lower-case; never takes Hangul apart.")
    boolean("strip_accents", False, "Drop accents of letters other than Hangul.")
    boolean("compose", True, "Compose decomposed Hangul (NFC) at run time too.")
    one_of(
        "morpheme_analyser",
        None,
        ["mecab", "okt", "komoran", "hannanum", "kkma"],
        "Cut text into morphemes by this analyser of konlpy.",
    )
    one_of(
        "morphemes",
        "vocabulary",
        ["vocabulary", "run_time"],
        "With an analyser: shape the vocabulary only, or cut at run time too.",
    )
    one_of("cleaning", None, sorted(RECIPES), "Recipe that the corpus was cleaned by.")
    one_of(
        "clean",
        "corpus",
        ["corpus", "run_time"],
        "With a recipe: the corpus only, or text at run time too.",
    )


def _config_of_flags(values) -> TokenizerConfig:
    """The settings of the named file or of the algorithm, then those of the flags."""
    settings = _first_settings(values)
    for what, when in (("morpheme_analyser", "morphemes"), ("cleaning", "clean")):
        if values[what].value and settings[when] == "none":
            settings[when] = values[when].value
    for flag, name in _SETTINGS.items():
        if not values[flag].using_default_value:
            settings[name] = values[flag].value
    return TokenizerConfig.from_dict(settings)


def _first_settings(values):
    path, is_wordpiece = values.tokenizer_config_file, values.algorithm == "wordpiece"
    if not path:
        start = preset("korean_cased" if is_wordpiece else "korean_sentencepiece")
        settings = dict(start.to_dict(), compose=True)
        if not is_wordpiece:
            settings.update(collapse_spaces=True, delete_controls=True)
        return settings
    config = TokenizerConfig.from_json_file(path)
    if (config.algorithm == "wordpiece") != is_wordpiece:
        raise InputError(
            f"{path} is for algorithm={config.algorithm!r}, which --algorithm="
            f"{values.algorithm} does not make: change one of them."
        )
    return config.to_dict()


def _options_of_flags(values) -> VocabularyOptions:
    return VocabularyOptions(
        vocab_size=values.vocab_size,
        min_frequency=values.min_frequency,
        limit_alphabet=values.limit_alphabet,
        num_unused_tokens=values.num_unused_tokens,
        model_type="bpe" if values.algorithm == "bpe" else "unigram",
        character_coverage=values.character_coverage,
        normalization=values.normalization,
    )


def _check_output(values) -> None:
    """Refuses before hours of training what could not be written after them."""
    if not values.output_dir:
        raise InputError("Pass --output_dir, the folder for the vocabulary.")
    for name in (_VOCAB_FILE, _MODEL_FILE, _PIECES_FILE, CONFIG_FILE_NAME):
        path = os.path.join(values.output_dir, name)
        if exists(path) and not values.overwrite:
            raise InputError(
                f"{path} exists already. Pass --overwrite to replace it, or another "
                "--output_dir."
            )
    if values.merge_vocab_file and values.algorithm != "wordpiece":
        raise InputError(
            f"--merge_vocab_file is for --algorithm=wordpiece, not {values.algorithm}."
        )
    if not 0 < values.line_share <= 1:
        raise InputError(
            f"--line_share={values.line_share} leaves no text: pass more than 0, at "
            "most 1."
        )
    make_folder(values.output_dir)


def _runner_of_flags(values, beam_options: Sequence[str]) -> Optional[BeamRunner]:
    if values.runner and values.algorithm == "unigram":
        raise InputError(
            "--algorithm=unigram is trained on lines, of which a runner leaves counts "
            "of words only: leave --runner out, or pass --algorithm=bpe or wordpiece."
        )
    return BeamRunner.from_flags(values, beam_options)


def _sample_of_flags(values) -> List[str]:
    """The lines of --sample_file, if it was given."""
    if not values.sample_file:
        return []
    return [text for _, text in read_rows(values.sample_file)]


@contextlib.contextmanager
def _training_text(
    values, config: TokenizerConfig, paths: Sequence[str], runner: Optional[BeamRunner]
) -> Iterator[Tuple[Lines, TextCounts]]:
    """The lines to train on, which exist as long as the context, and their counts.

    With a runner they are made of counts of words: what a trainer of WordPiece reads,
    or SentencePiece's lines of a word and its count.
    """
    options = TextOptions(config, values.line_share)
    if runner is None:
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as stream:
            counts = write_training_text(
                paths, options, stream, values.num_processes, values.max_bad_rows
            )
            yield lambda: read_lines(stream), counts
        return
    place = os.path.join(values.output_dir, "word_counts")
    with work_folder(place, COUNTS_PATTERN) as folder:
        found = count_text_on(runner, paths, options, folder, values.max_bad_rows)
        words, is_wordpiece = found.words, config.algorithm == "wordpiece"
        lines = words.lines if is_wordpiece else words.lines_with_counts
        yield lines, words.text_counts(found.lines, found.sample)


def _train(values, config, options, lines, counts, other) -> Dict[str, bytes]:
    """Trains, merges `other`; returns the content of the vocabulary's files by name."""
    if config.algorithm == "sentencepiece":
        counted = values.runner is not None
        model = train_sentencepiece(lines, options, config, counted)
        tokenizer = build_tokenizer(config, _MODEL_FILE, read_bytes=lambda _: model)
        pieces = tokenizer.vocabulary.pieces
        return {_MODEL_FILE: model, _PIECES_FILE: _as_lines(pieces)}
    pieces = train_wordpiece(lines, counts, options, config)
    if len(pieces) < options.vocab_size:
        print(
            f"The text yields only {len(pieces):,} pieces, fewer than --vocab_size="
            f"{options.vocab_size}."
        )
    if other:
        pieces, added = merge_vocabulary(pieces, other, config)
        print(f"{values.merge_vocab_file}: {added:,} of {len(other):,} pieces added.")
    return {_VOCAB_FILE: _as_lines(pieces)}


def _as_lines(pieces: Sequence[str]) -> bytes:
    return "".join(piece + "\n" for piece in pieces).encode("utf-8")


def _write(values, contents: Dict[str, bytes]) -> None:
    """Writes all files or none: the vocabulary, the first, gets its name last."""
    with contextlib.ExitStack() as stack:
        for name, content in contents.items():
            path = os.path.join(values.output_dir, name)
            file = new_file(path, values.overwrite)
            stream = stack.enter_context(file)
            stream.write(content)
            stream.flush()
    for name in {_VOCAB_FILE, _MODEL_FILE, _PIECES_FILE}.difference(contents):
        path = os.path.join(values.output_dir, name)
        if values.overwrite and exists(path):  # of another algorithm
            remove(path)


def _report_unknown_rate(tokenizer, sample: List[str]) -> None:
    rate = tokenizer.unknown_rate(sample)
    print(
        f"Unknown pieces: {100 * rate:.3f}% of those in {len(sample):,} sampled lines."
    )
    if rate > _HIGH_UNKNOWN_RATE:
        print(
            "Warning: more than 1% of the pieces are unknown. Raise --limit_alphabet "
            "(WordPiece), --character_coverage (SentencePiece) or --vocab_size, or "
            "clean the corpus first."
        )


def main(argv: Sequence[str]) -> None:
    """Runs the command; `argv[0]` is its name."""
    words, beam_options = split_options(argv)
    values = parse(define_flags, words, __doc__)
    if values is None:
        return
    runner = _runner_of_flags(values, beam_options)
    paths = matching_files(values.input_file)
    config, options = _config_of_flags(values), _options_of_flags(values)
    _check_output(values)
    sample, other = _sample_of_flags(values), None
    if values.merge_vocab_file:
        other = load_vocabulary(values.merge_vocab_file)
    if runner:
        runner.require_reachable(input_file=paths, output_dir=[values.output_dir])
    with _training_text(values, config, paths, runner) as (lines, counts):
        files = _train(values, config, options, lines, counts, other)
    files[CONFIG_FILE_NAME] = config.to_json_string().encode("utf-8")
    _write(values, files)
    path = os.path.join(values.output_dir, next(iter(files)))
    tokenizer = build_tokenizer(config, path)
    print(f"{path}: {tokenizer.vocab_size:,} pieces of {counts.lines:,} lines.")
    _report_unknown_rate(tokenizer, sample or counts.sample)


if __name__ == "__main__":
    run(main)
