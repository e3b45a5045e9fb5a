"""Flags from JSON files."""

import subprocess
import sys

import pytest
from absl import flags

from data.io import cli, flag_files
from data.io.errors import InputError


def parsed(*arguments):
    """Flags of a command that has these three."""

    def define(values):
        flags.DEFINE_integer("vocab_size", 10, "Size.", 1, flag_values=values)
        flags.DEFINE_string("vocab_file", None, "File.", flag_values=values)
        flags.DEFINE_bool("do_train", False, "Train.", flag_values=values)
        flags.DEFINE_float("share", 0.1, "Share.", 0.0, 1.0, flag_values=values)

    return cli.parse(define, ["command", *arguments], "A command.")


def write(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text, encoding="utf-8")
    return f"--config={path}"


def test_the_command_line_wins(tmp_path):
    config = write(tmp_path, '{"vocab_size": 20, "do_train": true, "_source": "x"}')
    values = parsed(config)
    assert (values.vocab_size, values.do_train) == (20, True)
    values = parsed(config, "--vocab_size=30", "--nodo_train")
    assert (values.vocab_size, values.do_train) == (30, False)


def test_files_are_looked_for_beside_the_configuration(tmp_path):
    (tmp_path / "vocab.txt").write_text("a\n", encoding="utf-8")
    values = parsed(write(tmp_path, '{"vocab_file": "vocab.txt"}'))
    assert values.vocab_file == str(tmp_path / "vocab.txt")
    values = parsed(write(tmp_path, '{"vocab_file": "other.txt"}'))
    assert values.vocab_file == "other.txt"


def test_what_was_given_is_not_filled_in(tmp_path):
    values = parsed(write(tmp_path, '{"vocab_size": 20}'), "--nodo_train")
    settings = {"vocab_size": 5, "do_train": True, "vocab_file": "a", "unknown": 1}
    flag_files.fill_in(values, settings)
    assert (values.vocab_size, values.do_train) == (20, False)
    assert values.vocab_file == "a" and "unknown" not in values


def test_text_in_place_of_a_file():
    values = parsed()
    flag_files.apply_settings(values, '{"vocab_size": 7}')
    assert values.vocab_size == 7


@pytest.mark.parametrize(
    "text,message",
    [
        ('{"vocab_sizes": 3}', "sets 'vocab_sizes', which is no flag. Did you mean"),
        ('{"vocab_size": 0}', "sets vocab_size=0: .*lower bound|sets vocab_size=0"),
        ('{"vocab_size": "many"}', "sets vocab_size='many'"),
        ('{"vocab_file": 5}', "sets vocab_file=5: flag value must be a string"),
        ('{"do_train": "maybe"}', "'maybe': Non-boolean argument to boolean flag$"),
        ('{"config": "other.json"}', "names another file by 'config': put its flags"),
        ("[1]", "a JSON list, expected an object"),
        ("{", "line 1, character 2: not JSON"),
        ('{"vocab_size": 3, "vocab_size": 4}', "the key 'vocab_size' stands"),
        ('{"a": ' + "[" * 10**5, "nested too deeply"),
        ('{"share": NaN}', "--share=nan, expected a finite number"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        parsed(write(tmp_path, text))


def test_a_share_is_a_number():
    with pytest.raises(InputError, match="--share=nan, expected a finite number"):
        parsed("--share=nan")


def test_a_folder_is_no_settings(tmp_path):
    with pytest.raises(InputError, match="is a folder, expected a file"):
        parsed(f"--config={tmp_path}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="none.json does not exist"):
        parsed(f"--config={tmp_path / 'none.json'}")


def test_help_shows_flags_in_the_order_of_their_definition(capsys):
    assert parsed("--help") is None
    assert capsys.readouterr().out.split("Flags:\n")[1] == (
        "  --vocab_size: Size. (default: 10)\n"
        "  --vocab_file: File.\n"
        "  --[no]do_train: Train. (default: false)\n"
        "  --share: Share. (default: 0.1)\n"
        "  --config: JSON file of flags, for example of configs/.\n"
        "  --[no]help: Show these flags. (default: false)\n"
    )


def test_help_into_a_pipe_that_closes():
    """`python -m data.train_vocab --help | head -1` ends like any other command."""
    command = [sys.executable, "-m", "data.train_vocab", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait() == 0
