"""The console command: korean-encoders COMMAND --flag=value ...

Each command is that of a script or module of the checkout, with the same flags.
"""

import importlib
import sys
from typing import Dict, List, NamedTuple, Optional


class Command(NamedTuple):
    """A command and the module that does it.

    Attributes:
      module: has `main`, and `FLAGS` where `main` takes no arguments.
      script: what the checkout calls it.
      summary: one line for --help.
    """

    module: str
    script: str
    summary: str


def _own(name: str, script: str, summary: str) -> Command:
    return Command(f"korean_encoders.commands.{name}", f"{script}.py", summary)


def _of_data(module: str, script: str, summary: str) -> Command:
    return Command(f"data.{module}", f"-m data.{script}", summary)


COMMANDS: Dict[str, Command] = {
    "finetune": _own("finetune", "run_classifier", "fine-tune, evaluate, predict"),
    "pretrain": _own("pretrain", "run_pretraining", "pre-train on records"),
    "predict": _own("predict", "predict", "predict any text with a fine-tuned run"),
    "serve": _own("serve", "serve", "a page to try runs, and predictions as JSON"),
    "benchmark": _own("benchmark", "run_benchmark", "one model, all tasks, a report"),
    "recipe": _own("recipe", "run_recipe", "the whole chain of a published model"),
    "convert": _own("convert", "convert_checkpoint", "Hugging Face's files, and back"),
    "export": _own("export", "export_savedmodel", "a run as SavedModel or ONNX"),
    "features": _own("features", "extract_features", "hidden states as JSON lines"),
    "vocab": _of_data("train_vocab", "train_vocab", "train a vocabulary"),
    "records": _of_data(
        "create_pretraining_data", "create_pretraining_data", "text to records"
    ),
    "clean": _of_data("clean_corpus", "clean_corpus", "clean a corpus"),
    "download": _of_data("download.command", "download", "fetch public data sets"),
}


def main(arguments: Optional[List[str]] = None) -> None:
    """Runs the command that `arguments` (default: the command line's) name."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return
    if words[0] == "--version":
        from korean_encoders.version import __version__

        print(f"korean-encoders {__version__}")
        return
    if words[0] not in COMMANDS:
        sys.exit(
            f"ERROR: there is no command {words[0]!r}, expected one of "
            f"{', '.join(COMMANDS)}."
        )
    module = importlib.import_module(COMMANDS[words[0]].module)
    argv = [f"korean-encoders {words[0]}", *words[1:]]
    if hasattr(module, "FLAGS"):
        from encoder_ko import cli

        cli.run(module.main, module.FLAGS, argv)
    else:
        from data.io import cli as data_cli

        data_cli.run(module.main, argv)


def _overview() -> str:
    """What --help prints."""
    rows = [
        f"  {name:<10} {command.summary} ({command.script})"
        for name, command in COMMANDS.items()
    ]
    return "\n".join(
        [
            "Usage: korean-encoders COMMAND --flag=value ...",
            "",
            "Commands, and what the checkout calls them:",
            *rows,
            "",
            "korean-encoders COMMAND --help lists the flags of a command.",
        ]
    )
