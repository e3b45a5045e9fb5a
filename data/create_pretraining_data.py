"""Raw text to pre-training records: python -m data.create_pretraining_data.

    python -m data.create_pretraining_data --model_type=bert \\
        --input_file='corpus/*.txt' --output_dir=records --vocab_file=vocab.txt \\
        --num_processes=8

Input: UTF-8, plain or .gz, one sentence per line, a blank line after each document.
Output: TFRecord files of the features that google-research/{bert,albert,electra} read,
and manifest.json beside them. The bytes depend on the input, the settings and the seed,
not on the number of processes. A build that was stopped resumes when the same
command is given again.

On other machines, with Apache Beam:

    python -m data.create_pretraining_data --runner=FlinkRunner ... -- Beam's options
"""

import itertools
import sys
import time
from typing import List, Optional, Sequence, Tuple

from absl import flags

from .beam.records import engine_on
from .beam.runner import RUNNERS, BeamRunner, split_options
from .io.cli import parse, run
from .io.errors import InputError
from .io.files import file_size, is_same_place
from .io.globs import matching_files
from .pretraining.build import Build
from .pretraining.builder import build_shards
from .pretraining.instances import InstanceOptions
from .pretraining.masking import MaskingOptions
from .pretraining.named_files import build_files
from .pretraining.shards import ShardOptions
from .records.manifest import Manifest
from .records.schema import MODEL_TYPES
from .tokenization import named_vocabulary, resolve_config

# Upstream's defaults, which differ by model. ELECTRA is masked in the graph, at run
# time, so its text need not be there more than once.
_DEFAULTS = {
    "bert": {
        "max_seq_length": 128,
        "dupe_factor": 10,
        "do_whole_word_mask": False,
        "ngram": 1,
        "wop_prob": 0.0,
    },
    "albert": {
        "max_seq_length": 512,
        "dupe_factor": 40,
        "do_whole_word_mask": True,
        "ngram": 3,
        "wop_prob": 0.15,
    },
    "electra": {
        "max_seq_length": 128,
        "dupe_factor": 1,
        "do_whole_word_mask": False,
        "ngram": 1,
        "wop_prob": 0.0,
    },
}

# Of what ELECTRA's records do not have.
_OF_PREDICTIONS = (
    "do_whole_word_mask",
    "favor_shorter_ngram",
    "masked_lm_prob",
    "max_predictions_per_seq",
    "ngram",
    "random_next_sentence",
    "wop_ngram",
)

_LONGEST = 1 << 16
_SMALLEST_BLOCK = 1 << 19
_LARGEST_BLOCK = 1 << 22
_BLOCKS_WANTED = 64


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command. None = depends on the model."""

    def string(name: str, default: Optional[str], text: str) -> None:
        flags.DEFINE_string(name, default, text, flag_values=values)

    def integer(name: str, default: Optional[int], text: str, *bounds: int) -> None:
        flags.DEFINE_integer(name, default, text, *bounds, flag_values=values)

    def share(name: str, default: Optional[float], text: str) -> None:
        flags.DEFINE_float(name, default, text, 0.0, 1.0, flag_values=values)

    def boolean(name: str, default: Optional[bool], text: str) -> None:
        flags.DEFINE_bool(name, default, text, flag_values=values)

    flags.DEFINE_enum(
        "model_type", "bert", MODEL_TYPES, "What the records train.", flag_values=values
    )
    string("input_file", None, "Text files, comma-separated; patterns such as a/*.txt.")
    string("output_dir", None, "Folder for the records, in shards.")
    string("output_file", None, "Or: files for the records, comma-separated.")
    string("vocab_file", None, "WordPiece vocabulary.")
    string("spm_model_file", None, "SentencePiece model; --vocab_file may list it.")
    boolean("do_lower_case", None, "Lower-case the text; default: as the vocabulary's.")
    boolean("do_whole_word_mask", None, "Mask whole words; default: ALBERT only.")
    integer(
        "max_seq_length",
        None,
        "Tokens per record; default 128, ALBERT 512.",
        5,
        _LONGEST,
    )
    integer("max_predictions_per_seq", 20, "Masked tokens per record at most.", 1)
    integer("random_seed", 12345, "Seed of every random choice.", 0)
    integer(
        "dupe_factor",
        None,
        "Times the text is used, each with other masks; default 10, 40 or 1.",
        1,
    )
    boolean("line_by_line", False, "Each line is a document: reviews, messages.")
    share("masked_lm_prob", 0.15, "Share of the tokens that are masked.")
    share("short_seq_prob", 0.1, "Share of documents made into short records.")
    integer("ngram", None, "Words masked at once at most; default 1, ALBERT 3.", 1)
    boolean("favor_shorter_ngram", True, "n words with a probability like 1/n.")
    boolean(
        "random_next_sentence",
        False,
        "ALBERT: a random next segment instead of swapped order.",
    )
    share("wop_prob", None, "Share of tokens to reorder, 0 = off; ALBERT 0.15.")
    integer("wop_ngram", 3, "Tokens per reordered n-gram.", 2)
    integer("num_processes", 1, "Worker processes.", 1)
    integer("max_bad_rows", 0, "Lines that may be left out.", 0)
    integer("block_bytes", None, "Text per shard; default by corpus, 0.5 to 4 MiB.", 1)
    flags.DEFINE_enum(
        "runner",
        None,
        RUNNERS,
        "Builds with Apache Beam; its options stand after --.",
        flag_values=values,
    )
    boolean(
        "overwrite",
        False,
        "Replace records of another build, and finished ones; a stopped build of the "
        "same settings and text resumes all the same.",
    )


def _shard_options(values: flags.FlagValues) -> ShardOptions:
    """Flags to options, with the defaults of the model where a flag was left out."""
    chosen = {
        name: default if values[name].value is None else values[name].value
        for name, default in _DEFAULTS[values.model_type].items()
    }
    if values.model_type == "electra" and chosen["wop_prob"]:
        raise InputError(
            "--wop_prob is for BERT and ALBERT: ELECTRA's records hold no predictions. "
            "Leave it out."
        )
    if values.line_by_line and values.model_type != "electra":
        raise InputError(
            "--line_by_line makes documents of one line, which have no next sentence: "
            f"leave it out with --model_type={values.model_type}."
        )
    unused = [f"--{name}" for name in _OF_PREDICTIONS if values[name].present]
    if values.model_type == "electra" and unused:
        print(
            f"{', '.join(unused)}: not used, since ELECTRA's records hold no "
            "predictions: they are made while it is trained.",
            file=sys.stderr,
        )
    return ShardOptions(
        InstanceOptions(
            model_type=values.model_type,
            max_seq_length=chosen["max_seq_length"],
            short_seq_prob=values.short_seq_prob,
            random_next_sentence=values.random_next_sentence,
            dupe_factor=chosen["dupe_factor"],
            line_by_line=values.line_by_line,
        ),
        MaskingOptions(
            masked_lm_prob=values.masked_lm_prob,
            max_predictions_per_seq=values.max_predictions_per_seq,
            whole_words=chosen["do_whole_word_mask"],
            ngram=chosen["ngram"],
            favor_shorter_ngram=values.favor_shorter_ngram,
            wop_prob=chosen["wop_prob"],
            wop_ngram=values.wop_ngram,
        ),
        values.random_seed,
    )


def _one_of(values: flags.FlagValues, first: str, second: str) -> str:
    """The value of the one flag of two that was given."""
    given = [values[name].value for name in (first, second) if values[name].value]
    if len(given) != 1:
        raise InputError(f"Pass --{first} or --{second}, and not both.")
    return given[0]


def _block_bytes(input_files: Sequence[str]) -> int:
    """Text per shard: enough shards to share the work, not more than that."""
    total = sum(map(file_size, input_files))
    return min(max(total // _BLOCKS_WANTED, _SMALLEST_BLOCK), _LARGEST_BLOCK)


def _output_files(output: str) -> List[str]:
    """The files that --output_file names, each once."""
    paths = output.split(",")
    if not all(paths):
        raise InputError(
            f"--output_file={output} has an empty name: take the extra comma away."
        )
    if any(is_same_place(*pair) for pair in itertools.combinations(paths, 2)):
        raise InputError(f"--output_file={output} names a file twice: name each once.")
    return paths


def _build_of_flags(values: flags.FlagValues) -> Tuple[Build, List[str]]:
    """The build, and the files it ends in (none = it ends in its folder)."""
    output = _one_of(values, "output_dir", "output_file")
    output_files = [] if values.output_dir else _output_files(output)
    vocab_file = named_vocabulary(values.vocab_file, values.spm_model_file)
    if not vocab_file:
        raise InputError("Pass --vocab_file or --spm_model_file.")
    input_files = matching_files(values.input_file)
    build = Build(
        input_files=input_files,
        output_dir=f"{output_files[0]}.shards" if output_files else output,
        options=_shard_options(values),
        config=resolve_config(vocab_file, {"lower_case": values.do_lower_case}),
        vocab_file=vocab_file,
        block_bytes=values.block_bytes or _block_bytes(input_files),
        num_processes=values.num_processes,
        max_bad_rows=values.max_bad_rows,
        overwrite=values.overwrite,
    )
    return build, output_files


def _summary(manifest: Manifest, seconds: float, place: str) -> str:
    totals = manifest.totals
    left_out = (
        f", {totals['problems']} bad lines left out" if totals["problems"] else ""
    )
    if totals["cut"]:
        left_out += f", {totals['cut']:,} cut off at --max_seq_length"
    return (
        f"{place}: complete, {totals['instances']:,} instances of "
        f"{totals['documents']:,} documents ({totals['tokens']:,} tokens{left_out}), "
        f"{totals['bytes']:,} bytes, {seconds:.1f} s."
    )


def main(argv: Sequence[str]) -> None:
    """Runs the command; `argv[0]` is its name."""
    words, beam_options = split_options(argv)
    values = parse(define_flags, words, __doc__)
    if values is None:
        return
    started = time.time()
    runner = BeamRunner.from_flags(values, beam_options)
    build, output_files = _build_of_flags(values)
    engine = engine_on(runner, build) if runner else None
    if output_files:
        manifest = build_files(build, output_files, engine)
    else:
        manifest = build_shards(build, engine=engine)
    place = ", ".join(output_files) or build.output_dir
    print(_summary(manifest, time.time() - started, place))


if __name__ == "__main__":
    run(main)
