"""What a user can fix ends a command with one line; a defect has its traceback."""

import errno
import gc
import subprocess
import sys
import threading

import pytest
from absl import flags

from data.io import cli
from data.io.errors import InputError
from data.io.files import make_folder
from tests.support.paths import ROOT


def ends_with(capsys, error):
    """What a command that raises this prints, and its status."""

    def main(argv):
        raise error

    with pytest.raises(SystemExit) as raised:
        cli.run(main)
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
        (OSError(errno.EFBIG, "Too large", "a"), "] Too large: 'a'. Make room, or"),
        (OSError(errno.EDQUOT, "Quota", "a/b"), "] Quota: 'a/b'. Make room, or choose"),
        (
            OSError(errno.EACCES, "Denied", "a/b"),
            "choose a place where you may read and",
        ),
        (OSError(errno.EROFS, "Read-only"), "TMPDIR names another folder"),
        (OSError(errno.EIO, "I/O error"), "error: [Errno 5] I/O error. Make room"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "choose a place"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), "choose a place"),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, error, message):
    printed, status = ends_with(capsys, error)
    assert message in printed and printed.count("\n") == 1
    assert status == 1


def test_ctrl_c_is_no_error(capsys):
    assert ends_with(capsys, KeyboardInterrupt()) == ("Stopped.\n", 130)


@pytest.mark.parametrize("lines", [3, 100000])
def test_a_reader_that_has_read_enough_is_no_error(lines):
    """`python -m data.clean_corpus ... | head -1`, before and after the last line."""
    code = (
        "from data.io.cli import run\n"
        "def main(argv):\n"
        "    input()\n"
        f"    for _ in range({lines}): print('line')\n"
        "run(main)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


_ENDLESS = """
import sys, time
from data.io import cli, files

def main(argv):
    with files.new_file(argv[1]) as stream:
        stream.write(b"half")
        print("writing", flush=True)
        time.sleep(60)

cli.run(main)
"""


def test_a_command_that_is_asked_to_end_leaves_nothing_half_written(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path / "clean.txt")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    process.terminate()
    assert process.wait() == 143
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["afile", "afile/folder", "/proc/none", "a" * 300])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, path):
    (tmp_path / "afile").write_text("")
    with pytest.raises(InputError, match=f"The folder .*{path} cannot be made: "):
        make_folder(str(tmp_path / path))


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EBADF, "Bad file"), BrokenPipeError(errno.EPIPE, "a"), KeyError(0)],
)
def test_a_defect_keeps_its_traceback(error):
    def main(argv):
        raise error

    with pytest.raises(type(error)):
        cli.run(main)


def test_a_folder_that_is_gone_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        with cli.one_line_errors("Stopped."):
            open(str(tmp_path / "gone" / "log"), "ab")
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: [Errno 2] No such file or directory: ")
    assert said.count("\n") == 1


@pytest.mark.skipif(
    sys.version_info < (3, 11) or not sys.platform.startswith("linux"),
    reason="Python before 3.11 has no chunks; page faults of a thread are Linux's",
)
def test_calls_cross_the_end_of_no_chunk_of_the_stack():
    import resource

    def nothing():
        pass

    def descend(depth):
        for _ in range(100):
            nothing()
        if depth:
            descend(depth - 1)

    def page_faults():
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt

    def faults_of(call, *arguments):
        found = []

        def measure():
            before = page_faults()
            call(*arguments)
            found.append(page_faults() - before)

        thread = threading.Thread(target=measure)  # whose stack is new
        thread.start()
        thread.join()
        return found[0]

    # At some depth, each of 100 calls crosses one: 315 faults against 17 here.
    plain = faults_of(descend, 500)
    assert faults_of(cli.call_with_stack_room, descend, 500) < plain / 4


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_is_searched_for_as_before_once_all_is_imported(was_on):
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ImportError), cli.without_garbage_collection():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == was_on
        with cli.without_garbage_collection():
            imported = [[] for _ in range(1000)]
        assert gc.isenabled() == was_on
        assert not any(one is imported for one in gc.get_objects())  # left out
    finally:
        gc.enable()
