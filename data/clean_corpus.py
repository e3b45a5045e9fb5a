"""Raw comments or dialogue to a clean corpus: python -m data.clean_corpus.

    python -m data.clean_corpus --input_file='raw/*.txt.gz' --output_file=clean.txt \\
        --recipe=kcelectra --num_processes=8

Input: UTF-8, plain or .gz, one sentence or comment per line, a blank line after each
document. Output: the same form, compressed if its name ends in .gz. The recipes are
those of data/text/cleaning.py; the report says how many lines each step changed or
dropped.
The output does not depend on the number of processes. Finding duplicates takes 8 MB of
memory per million lines that are written, 16 MB at times. A command that was stopped
begins anew.

On other machines, with Apache Beam, and for a corpus larger than memory:

    python -m data.clean_corpus --runner=FlinkRunner ... -- Beam's options
"""

from typing import Sequence

from absl import flags

from .beam.cleaning import clean_corpus_on
from .beam.runner import RUNNERS, BeamRunner, split_options
from .corpus.clean import CleaningOptions, clean_corpus
from .io.cli import parse, run
from .io.errors import InputError
from .io.globs import matching_files, require_no_input
from .text.cleaning import RECIPES, STEPS

# Only KcELECTRA dropped texts under 10 characters, and repeated ones.
_MIN_CHARS = {"kcelectra": 10, "dialog_koelectra": 1}
_DROP_DUPLICATES = {"kcelectra": True, "dialog_koelectra": False}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "input_file",
        None,
        "Text files, comma-separated; patterns such as a/*.txt.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "output_file", None, "The clean text file, plain or .gz.", flag_values=values
    )
    flags.DEFINE_enum(
        "recipe", "kcelectra", sorted(RECIPES), "Which preparation.", flag_values=values
    )
    flags.DEFINE_list(
        "steps",
        None,
        "In place of --recipe: steps of your own, in order. Known: "
        f"{', '.join(STEPS)}.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "min_chars",
        None,
        "Shorter lines are dropped; default: kcelectra 10, else 1.",
        1,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "drop_duplicates",
        None,
        "Drop repeated lines; default: not for dialog_koelectra.",
        flag_values=values,
    )
    flags.DEFINE_integer("num_processes", 1, "Worker processes.", 1, flag_values=values)
    flags.DEFINE_integer(
        "max_bad_rows", 0, "Lines that may be left out.", 0, flag_values=values
    )
    flags.DEFINE_enum(
        "runner",
        None,
        RUNNERS,
        "Cleans with Apache Beam; its options stand after --.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "overwrite", False, "Replace the output file.", flag_values=values
    )


def main(argv: Sequence[str]) -> None:
    """Runs the command; `argv[0]` is its name."""
    words, beam_options = split_options(argv)
    values = parse(define_flags, words, __doc__)
    if values is None:
        return
    runner = BeamRunner.from_flags(values, beam_options)
    if not values.output_file:
        raise InputError("Pass --output_file, the clean text file to write.")
    if values.steps == []:
        raise InputError(
            f"--steps names no step. Known: {', '.join(STEPS)}; without the flag they "
            "are those of --recipe."
        )
    if values.steps and values["recipe"].present:
        raise InputError("--steps stands in place of --recipe: leave one of them out.")
    min_chars, drop_duplicates = values.min_chars, values.drop_duplicates
    if min_chars is None:
        min_chars = 1 if values.steps else _MIN_CHARS[values.recipe]
    if drop_duplicates is None:
        drop_duplicates = bool(values.steps) or _DROP_DUPLICATES[values.recipe]
    paths = matching_files(values.input_file)
    require_no_input(values.output_file, paths, f"--input_file={values.input_file}")
    options = CleaningOptions(
        steps=tuple(values.steps or RECIPES[values.recipe]),
        min_chars=min_chars,
        drop_duplicates=drop_duplicates,
    )
    limits = {"max_bad_rows": values.max_bad_rows, "overwrite": values.overwrite}
    output = values.output_file
    if runner:
        report = clean_corpus_on(runner, paths, output, options, **limits)
    else:
        report = clean_corpus(paths, output, options, values.num_processes, **limits)
    print(f"{values.output_file}: complete.\n{report.table()}")


if __name__ == "__main__":
    run(main)
