"""What TensorFlow says of a disk or a place far away ends a command with one line."""

import pytest
from absl import flags

from data.io.errors import InputError
from encoder_ko import cli
from encoder_ko.compat import IS_TF2, tf

# Of a checkpoint for which there is no room, shortened.
_FULL = (
    "2 root error(s) found.\n  (0) RESOURCE_EXHAUSTED: runs/a b/model.ckpt-0_temp/"
    "part-00000-of-00001.data-00000-of-00001.tempstate17; No space left on device\n\t "
    "[[node save/SaveV2 (defined at /usr/lib/python3/site-packages/a.py:1) ]]\n" * 8
)
_AWAY = (
    "Error executing an HTTP request: libcurl code 6 meaning 'Couldn't resolve host "
    "name'\n\t when reading gs://bucket/run/model.ckpt-5.index"
)


def said(capsys, error):
    def main():
        raise error

    with pytest.raises(SystemExit) as stop:
        cli.run(main, flags.FlagValues(), ["command"])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_a_full_disk_is_a_path_and_a_reason(capsys):
    line = said(capsys, tf.errors.ResourceExhaustedError(None, None, _FULL))
    assert line.startswith(
        "error: [Errno 28] No space left on device: 'runs/a b/model.ckpt-0_temp/"
        "part-00000-of-00001.data-00000-of-00001.tempstate17'. Make room, or choose"
    )
    assert line.count("\n") == 1 and len(line) < 350


def test_a_file_that_may_not_be_that_large_is_a_path_and_a_reason(capsys):
    words = _FULL.replace("No space left on device", "File too large")
    line = said(capsys, tf.errors.OutOfRangeError(None, None, words))
    assert line.startswith("error: [Errno 27] File too large: 'runs/a b/model.ckpt-0_")
    assert line.count("\n") == 1 and len(line) < 350


def test_a_place_out_of_reach_is_named(capsys):
    line = said(capsys, tf.errors.UnavailableError(None, None, _AWAY))
    assert line == (
        "error: gs://bucket/run/model.ckpt-5.index cannot be read or written: Error "
        "executing an HTTP request: libcurl code 6 meaning 'Couldn't resolve host "
        "name'\n"
    )


def test_a_defect_keeps_its_traceback():
    error = tf.errors.InvalidArgumentError(None, None, "shapes differ, see gs://a/b")

    def main():
        raise error

    with pytest.raises(tf.errors.InvalidArgumentError):
        cli.run(main, flags.FlagValues(), ["command"])


@pytest.mark.parametrize("folder", ["", "gone"])
def test_a_checkpoint_that_is_gone_is_one_line(tmp_path, folder):
    path = str(tmp_path / folder / "model.ckpt-1")
    if folder and not IS_TF2:  # which lists the folder, and says so itself
        expected = pytest.raises(FileNotFoundError, match=str(tmp_path / folder))
    else:
        expected = pytest.raises(InputError, match=f"The checkpoint {path} is gone")
    with expected, cli._refusals_as_os_errors(), tf.Graph().as_default():
        tf.get_variable("a", [1])
        with tf.Session() as session:
            tf.train.Saver().restore(session, path)


def test_other_errors_stay_as_they_are():
    with pytest.raises(ValueError, match="^another$"):
        with cli._refusals_as_os_errors():
            raise ValueError("another")
