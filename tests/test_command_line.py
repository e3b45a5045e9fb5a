"""What a user can mend ends a command with one line; a defect has its traceback."""

import errno

import pytest
from absl import flags

from data import command_line
from data.errors import InputError


def ends_with(capsys, error):
    """What a command that raises this prints, and its status."""

    def main(argv):
        raise error

    with pytest.raises(SystemExit) as raised:
        command_line.run(main)
    return capsys.readouterr().err, raised.value.code


@pytest.mark.parametrize(
    "error, message",
    [
        (InputError("Pass --a,\n or --b."), "error: Pass --a, or --b.\n"),
        (flags.Error("Unknown flag"), "error: Unknown flag. --help lists the flags.\n"),
        (
            OSError(errno.ENOSPC, "No space left"),
            "error: [Errno 28] No space left. Make",
        ),
        (OSError(errno.EDQUOT, "Quota", "a/b"), "] Quota: 'a/b'. Make room, or choose"),
        (
            OSError(errno.EACCES, "Denied", "a/b"),
            "choose a place where you may read and",
        ),
        (OSError(errno.EROFS, "Read-only"), "TMPDIR names another folder"),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, error, message):
    printed, status = ends_with(capsys, error)
    assert message in printed and printed.count("\n") == 1
    assert status == 1


def test_ctrl_c_is_no_error(capsys):
    assert ends_with(capsys, KeyboardInterrupt()) == ("Stopped.\n", 130)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyError("a")])
def test_a_defect_keeps_its_traceback(error):
    def main(argv):
        raise error

    with pytest.raises(type(error)):
        command_line.run(main)
