"""The whole chain of a published model, from raw text to fine-tuned metrics.

  python3 run_recipe.py --name=dialog_koelectra_small --scale=smoke \
      --corpus=samples/corpus --data_dir=samples/sentiment

Cleaning, vocabulary, records, pre-training, fine-tuning: every command is printed
before it runs, so that it can be given by hand with other settings. --scale=full takes
the settings of configs/<name>/, and an embedding for each piece of the vocabulary;
--scale=smoke makes everything small and shows in a minute or two that the chain works,
and nothing about the model. The same command again goes on where it stopped.
"""

import glob
import json
import os
import shlex
import sys
import time
from typing import Any, Dict, List, NamedTuple, Optional

from absl import flags

from data import tasks
from data.io.cli import parse
from data.io.errors import InputError
from data.io.globs import matching_files
from data.io.json_files import read_json_object
from data.tokenization import build_tokenizer, resolve_config
from encoder_ko.recipes import child_process
from encoder_ko.recipes import folder as recipe_folder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What --scale=smoke changes: flags of each command, and sizes of the network.
_LENGTH = {"max_seq_length": 64}
_SMOKE: Dict[str, Dict[str, Any]] = {
    "clean": {},
    "vocabulary": {"vocab_size": 4000, "limit_alphabet": 1500, "num_unused_tokens": 5},
    "records": {"dupe_factor": 5, **_LENGTH},
    "pretraining": {
        "train_batch_size": 32,
        "eval_batch_size": 32,
        "num_train_steps": 200,
        "num_warmup_steps": 20,
        "learning_rate": 3e-4,  # at 1e-3 so few steps end in the same vector everywhere
        "log_every_steps": 20,
        "save_checkpoints_steps": 100,
        **_LENGTH,
    },
    "finetuning": {
        "train_batch_size": 16,
        "learning_rate": 5e-4,
        "num_train_epochs": 8.0,
        "eval_every_steps": 50,
        **_LENGTH,
    },
}
# Unigram pieces of a small text: fewer, and rare characters are left out.
_SMOKE_SENTENCEPIECE = {"vocab_size": 1500, "character_coverage": 0.995}
_SMOKE_NETWORK = {
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "num_attention_heads": 2,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
}
_SMOKE_EMBEDDING = 64

_ACCURACIES = (
    "masked_lm_accuracy",
    "next_sentence_accuracy",
    "sentence_order_accuracy",
    "wop_accuracy",
    "disc_accuracy",
    "disc_auc",
)


def _in_project(*names: str) -> str:
    """Path of something of this project, as seen from the working directory."""
    return os.path.relpath(os.path.join(ROOT, *names))


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this script."""

    def string(name, default, text):
        flags.DEFINE_string(name, default, text, flag_values=values)

    flags.DEFINE_list("name", None, "Folders of configs/.", flag_values=values)
    flags.DEFINE_enum(
        "scale", "smoke", ["smoke", "full"], "How large.", flag_values=values
    )
    string(
        "corpus",
        _in_project("samples", "corpus"),
        "Text files, patterns, or a folder of *.txt.",
    )
    string("merge_vocab_file", None, "Vocabulary whose other pieces are added.")
    string("task_name", "NSMC", "Benchmark to fine-tune on.")
    string("data_dir", _in_project("samples", "sentiment"), "Its data.")
    string("output_dir", "runs/recipes", "A folder for each name goes here.")
    flags.DEFINE_integer(
        "num_processes", os.cpu_count(), "Worker processes.", 1, flag_values=values
    )
    flags.DEFINE_bool("overwrite", False, "Begin anew.", flag_values=values)


class Recipe(NamedTuple):
    """One published model at one scale.

    Attributes:
      name: folder of configs/. is_smoke: whether everything is made small.
      corpus: files or patterns by commas.
      merge_vocab_file: vocabulary whose other pieces are added (KcELECTRA); or None.
      task_name, data_dir: what to fine-tune on.
      folder: where everything goes. num_processes: of the commands that share work out.
    """

    name: str
    is_smoke: bool
    corpus: str
    merge_vocab_file: Optional[str]
    task_name: str
    data_dir: str
    folder: str
    num_processes: int

    def config(self, step: str) -> str:
        """Path of the settings that the command of a step takes."""
        return _in_project("configs", self.name, f"{step}.json")

    def place(self, *names: str) -> str:
        """Path of something in the folder."""
        return os.path.join(self.folder, *names)

    @property
    def model_type(self) -> str:
        return read_json_object(self.config("pretraining"))["model_type"]


# --- The chain -------------------------------------------------------------------


def run_chain(recipe: Recipe) -> None:
    """All five steps; those that are complete already are passed over."""
    text = _clean(recipe)
    vocab_file = _train_vocabulary(recipe, text)
    _build_records(recipe, text, vocab_file)
    _pretrain(recipe, vocab_file)
    _finetune(recipe)


def _clean(recipe: Recipe) -> str:
    """Returns the files of the text to train on."""
    if not os.path.exists(recipe.config("clean")):
        return recipe.corpus  # its authors published no cleaning
    path = recipe.place("corpus.txt")
    if not os.path.exists(path):
        _call(
            recipe,
            "clean",
            ["-m", "data.clean_corpus"],
            input_file=recipe.corpus,
            output_file=path,
            num_processes=recipe.num_processes,
        )
    return path


def _train_vocabulary(recipe: Recipe, text: str) -> str:
    """Returns the path of the vocabulary."""
    settings = read_json_object(recipe.config("vocabulary"))
    is_wordpiece = settings["algorithm"] == "wordpiece"
    path = recipe.place("vocabulary", "vocab.txt" if is_wordpiece else "spm.model")
    if not os.path.exists(path):
        changes = {}
        if recipe.is_smoke and not is_wordpiece:
            changes.update(_SMOKE_SENTENCEPIECE)
        if recipe.merge_vocab_file:
            changes["merge_vocab_file"] = recipe.merge_vocab_file
        _call(
            recipe,
            "vocabulary",
            ["-m", "data.train_vocab"],
            input_file=text,
            output_dir=recipe.place("vocabulary"),
            num_processes=recipe.num_processes,
            overwrite=True,  # what a stopped command left
            **changes,
        )
    return path


def _build_records(recipe: Recipe, text: str, vocab_file: str) -> None:
    _call(
        recipe,
        "records",
        ["-m", "data.create_pretraining_data"],
        input_file=text,
        output_dir=recipe.place("records"),
        vocab_file=vocab_file,
        num_processes=recipe.num_processes,
    )


def _pretrain(recipe: Recipe, vocab_file: str) -> None:
    config_flag = f"{recipe.model_type}_config_file"
    _call(
        recipe,
        "pretraining",
        [_in_project("run_pretraining.py")],
        input_file=recipe.place("records", "*.tfrecord"),
        vocab_file=vocab_file,
        output_dir=recipe.place("pretrained"),
        do_eval=True,
        **{config_flag: _write_model_config(recipe, vocab_file)},
    )


def _write_model_config(recipe: Recipe, vocab_file: str) -> str:
    """The published network with the rows of this vocabulary; a smoke run's smaller."""
    name = f"{recipe.model_type}_config"
    config = read_json_object(recipe.config(name))
    tokenizer = build_tokenizer(resolve_config(vocab_file), vocab_file)
    published, config["vocab_size"] = config["vocab_size"], tokenizer.vocab_size
    if recipe.is_smoke:
        config.update(_SMOKE_NETWORK)
        if "embedding_size" in config:
            config["embedding_size"] = _SMOKE_EMBEDDING
    elif tokenizer.vocab_size != published:
        print(
            f"\nThe vocabulary has {tokenizer.vocab_size:,} pieces, and the embedding "
            f"table as many rows; the published model has {published:,}."
        )
    path = recipe.place(f"{name}.json")
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(config, stream, indent=2)
    return path


def _finetune(recipe: Recipe) -> None:
    _call(
        recipe,
        "finetuning",
        [_in_project("run_classifier.py")],
        task_name=recipe.task_name,
        data_dir=recipe.data_dir,
        model_dir=recipe.place("pretrained"),
        output_dir=recipe.place("finetuned"),
        do_train=True,
        do_eval=True,
        do_predict=True,
    )


def _call(recipe: Recipe, step: str, program: List[str], **settings: Any) -> None:
    """Prints and runs a command.

    Args:
      step: names the file of settings and, in a smoke run, the changes to them.
      settings: flags that stand before both.

    Raises:
      InputError: it failed; what it printed says why.
    """
    if recipe.is_smoke:
        settings = {**_SMOKE[step], **settings}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    command = [*program, f"--config={recipe.config(step)}", *arguments]
    variables = _variables()
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    words += ["python3", *map(shlex.quote, command)]
    print("\n$", " ".join(words), flush=True)
    if child_process.call([sys.executable, *command], dict(os.environ, **variables)):
        raise InputError(
            f"{recipe.name}: {program[-1]} failed, see above. The same command again "
            "goes on from there."
        )


def _variables() -> Dict[str, str]:
    """With which a command finds `-m data.<module>` from another working directory."""
    if _in_project() == os.curdir:
        return {}
    paths = [_in_project(), os.environ.get("PYTHONPATH")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


# --- Around it -------------------------------------------------------------------


def _recipes(values: flags.FlagValues) -> List[Recipe]:
    known = sorted(
        name
        for name in os.listdir(_in_project("configs"))
        if os.path.exists(_in_project("configs", name, "pretraining.json"))
    )
    names = values.name or []
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        wrong = f"--name={unknown[0]} is not known" if unknown else "--name is missing"
        raise InputError(f"{wrong}: it is one of {', '.join(known)}.")
    corpus = values.corpus
    if os.path.isdir(corpus):
        corpus = os.path.join(corpus, "*.txt")
    return [
        Recipe(
            name,
            values.scale == "smoke",
            corpus,
            values.merge_vocab_file,
            values.task_name,
            values.data_dir,
            os.path.join(values.output_dir, name),
            values.num_processes,
        )
        for name in names
    ]


def _check(recipe: Recipe, overwrite: bool) -> Dict[str, Any]:
    """The settings by which its folder is recognised, once all that it reads is there.

    Raises:
      InputError: a file is missing, or the folder is that of something else.
    """
    corpus = inputs = matching_files(recipe.corpus, "corpus")
    if recipe.merge_vocab_file:
        inputs += matching_files(recipe.merge_vocab_file, "merge_vocab_file")
    task = tasks.get_task(recipe.task_name)
    for split in ("train", "test"):
        tasks.require_files(task, recipe.data_dir, split)
    text = recipe_folder.describe_files(corpus)
    settings = dict(recipe._asdict(), **{recipe_folder.TEXT: text})
    del settings["folder"], settings["num_processes"]
    recipe_folder.check(recipe.folder, settings, inputs, overwrite)
    return settings


_HEADER = [
    "| recipe | pre-training, on its own records | fine-tuned: dev | test | time |",
    "|---|---|---|---|---|",
]


def _summary(recipe: Recipe, seconds: float) -> str:
    """A row of the table: what the two trainings reached."""
    reached = _metrics(recipe, "pretrained", "eval")
    pretraining = ", ".join(
        f"{name} {reached[name]:.3f}" for name in _ACCURACIES if name in reached
    )
    dev, test = (
        "{score:.4f}".format(**metrics) if metrics else "no labels"
        for metrics in (
            _metrics(recipe, "finetuned", "eval"),
            _metrics(recipe, "finetuned", "test"),
        )
    )
    return f"| {recipe.name} | {pretraining} | {dev} | {test} | {seconds:.0f} s |"


def _metrics(recipe: Recipe, part: str, data: str) -> Dict[str, float]:
    """Metrics of a result file; {} where there is none."""
    path = recipe.place(part, f"{data}_results.json")
    return read_json_object(path)["metrics"] if os.path.exists(path) else {}


def _files(recipe: Recipe) -> List[str]:
    """The result files and pictures."""
    found = [
        path
        for part in ("pretrained", "finetuned")
        for pattern in ("*_results.*", "*.png")
        for path in sorted(glob.glob(recipe.place(part, pattern)))
    ]
    return [f"  {path}" for path in found]


def main(argv: List[str]) -> None:
    """Runs the script; `argv[0]` is its name."""
    values = parse(define_flags, argv, __doc__)
    if values is None:
        return
    recipes = _recipes(values)
    settings = [_check(recipe, values.overwrite) for recipe in recipes]
    rows = []
    for recipe, chosen in zip(recipes, settings):
        started = time.time()
        recipe_folder.claim(recipe.folder, chosen, values.overwrite)
        run_chain(recipe)
        rows.append(_summary(recipe, time.time() - started))
    print("\n" + "\n".join(_HEADER + rows), "\n\nResult files and pictures:")
    print("\n".join(line for recipe in recipes for line in _files(recipe)))
