"""The whole chain of a published model, from raw text to fine-tuned metrics.

  python3 run_recipe.py --name=dialog_koelectra_small --scale=smoke \\
      --corpus=samples/corpus --data_dir=samples/sentiment

Cleaning, vocabulary, records, pre-training, fine-tuning: every command is printed
before it runs, so that it can be given by hand with other settings. --scale=full takes
the settings of configs/<name>/, your --corpus and --data_dir, and an embedding for each
piece of the vocabulary; --scale=smoke makes everything small, the network too, and
shows in a minute or two that the chain works, and nothing about the model. The same
command again resumes where it was stopped.
"""

import os
from typing import List

from absl import flags

from data.io import files
from data.io.cli import parse, require_local
from data.io.errors import InputError
from encoder_ko.recipes import chain
from korean_encoders import launch, package_data


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this script."""

    def string(name, default, text):
        flags.DEFINE_string(name, default, text, flag_values=values)

    def boolean(name, text):
        flags.DEFINE_bool(name, False, text, flag_values=values)

    flags.DEFINE_list("name", None, "Folders of configs/.", flag_values=values)
    flags.DEFINE_enum(
        "scale", "smoke", ["smoke", "full"], "How large.", flag_values=values
    )
    string(
        "corpus",
        package_data.find("samples", "corpus"),
        "Text files, patterns, or a folder of *.txt; default: the samples.",
    )
    string("merge_vocab_file", None, "Vocabulary whose other pieces are added.")
    string("task_name", "NSMC", "Benchmark to fine-tune on.")
    string(
        "data_dir",
        package_data.find("samples", "sentiment"),
        "Its data; default: the samples.",
    )
    string("output_dir", "runs/recipes", "A folder for each name goes here.")
    flags.DEFINE_integer(
        "num_processes", os.cpu_count(), "Worker processes.", 1, flag_values=values
    )
    boolean(
        "parallel",
        "All names at the same time; what one prints is shown when the one before it "
        "has ended, and is in <output_dir>/<name>/output.log.",
    )
    boolean("overwrite", "Begin anew.")


def main(argv: List[str]) -> None:
    """Runs the script; `argv[0]` is its name."""
    values = parse(define_flags, argv, __doc__)
    if values is not None:
        require_local(values, "a recipe")
        chain.run_recipes(
            _runs(values), values.overwrite, values.parallel, launch.print_and_call
        )


def _runs(values: flags.FlagValues) -> List[chain.RecipeRun]:
    configs = package_data.find("configs")
    known = sorted(
        name
        for name in files.list_folder(configs)
        if files.exists(os.path.join(configs, name, "pretraining.json"))
    )
    names = list(dict.fromkeys(values.name or []))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        wrong = f"--name={unknown[0]} is not known" if unknown else "--name is missing"
        raise InputError(f"{wrong}: it is one of {', '.join(known)}.")
    samples = [
        f"--{name}"
        for name in ("corpus", "data_dir")
        if values[name].using_default_value
    ]
    if values.scale == "full" and samples:
        raise InputError(
            f"--scale=full needs your own {' and '.join(samples)}: the samples of this "
            "project show that a chain works, and train nothing. See --help."
        )
    corpus = values.corpus
    if files.is_folder(corpus):
        corpus = os.path.join(corpus, "*.txt")
    return [
        chain.RecipeRun(
            name=name,
            configs=os.path.join(configs, name),
            is_smoke=values.scale == "smoke",
            corpus=corpus,
            merge_vocab_file=values.merge_vocab_file,
            task_name=values.task_name,
            data_dir=values.data_dir,
            folder=os.path.join(values.output_dir, name),
            num_processes=values.num_processes,
        )
        for name in names
    ]
