"""How a run was made, for its page, and what happens where the page fails."""

import os
import shlex
import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

import jinja2
from absl import logging

from data.io.errors import InputError
from encoder_ko.compat import tf

# What may go wrong in a page is no reason to lose a run, whose results are written.
_FAILURES = (
    InputError,
    jinja2.TemplateError,
    tf.errors.OpError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
)


def attempt(path: str, write: Callable[[], None]) -> None:
    """Writes a page and says where it is; where that fails, one line warns of it."""
    try:
        write()
        logging.info("The report is %s", path)
    except _FAILURES as error:
        logging.warning(
            "%s was not written (%s: %s). The results of the run are complete.",
            path,
            type(error).__name__,
            " ".join(str(error).split())[:500],
        )


class Made(NamedTuple):
    """What a run says of itself.

    Attributes:
      model_type: name of the family. model_config: its configuration as a dict.
      seed, flags, versions: as in the result files.
      seconds: part of the run -> its wall time.
      start: checkpoint it began from; None = from scratch.
    """

    model_type: str
    model_config: Dict[str, Any]
    seed: int
    seconds: Dict[str, float]
    flags: Dict[str, Any]
    versions: Dict[str, str]
    start: Optional[str]


def how_made(made: Made) -> Dict[str, Any]:
    """What the page's last part shows."""
    return {
        "facts": [
            ("Model", f"{made.model_type}: {model_size(made.model_config)}"),
            ("Started from", made.start or "nothing: trained from scratch"),
            ("Seed", str(made.seed)),
            ("TensorFlow", made.versions["tensorflow"]),
            ("Python, NumPy", f"{made.versions['python']}, {made.versions['numpy']}"),
            ("Machine", machine(made.versions["platform"])),
        ],
        "command": this_command(),
        "settings": sorted((name, str(value)) for name, value in made.flags.items()),
    }


def this_command() -> str:
    """What started this program, as it is typed; korean-encoders starts by itself."""
    is_script = os.path.basename(sys.argv[0]) != "korean-encoders"
    return shell_command(["python3"] * is_script + sys.argv)


def model_size(config: Dict[str, Any]) -> str:
    """ "12 layers, hidden size 768, vocabulary 30,000"."""
    parts = []
    for name, words in (
        ("num_hidden_layers", "{:,} layers"),
        ("hidden_size", "hidden size {:,}"),
        ("vocab_size", "vocabulary {:,}"),
    ):
        if name in config:
            parts.append(words.format(config[name]))
    return ", ".join(parts)


def machine(platform: str) -> str:
    """The platform, its processors and GPUs."""
    words = f"{platform}, {os.cpu_count()} processors"
    gpus = len(tf.config.experimental.list_physical_devices("GPU"))
    return words + (f", {gpus} GPU" + "s" * (gpus > 1) if gpus else "")


def duration(seconds: float) -> str:
    """ "2 h 5 min", "3 min 20 s"."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def shell_command(arguments: Sequence[str], width: int = 84) -> str:
    """A command as one types it, broken between arguments where lines get long."""
    lines = [""]
    for argument in map(shlex.quote, arguments):
        if lines[-1] and len(lines[-1]) + len(argument) >= width:
            lines.append("   ")
        lines[-1] += f" {argument}" if lines[-1] else argument
    return " \\\n".join(lines)
