"""The door to files: local and remote alike, and nothing half-written."""

import contextlib
import errno
import os
import re
import subprocess
import sys

import pytest

from data.io import files, locks
from data.io.errors import InputError
from tests.support.paths import ROOT


@pytest.fixture(params=["local", "file"])
def place(request, tmp_path):
    """The test's folder as a path and as a URL."""
    return str(tmp_path) if request.param == "local" else f"file://{tmp_path}"


def test_what_is_written_is_read_listed_and_removed(place):
    files.make_folder(f"{place}/a/b")
    files.write_text(f"{place}/a/b/x.txt", "한글\n")
    with files.open_file(f"{place}/a/b/x.txt", "ab") as stream:
        stream.write(b"more")
    files.copy(f"{place}/a/b/x.txt", f"{place}/a/y[1].txt")
    files.rename(f"{place}/a/y[1].txt", f"{place}/a/z[1].txt")
    assert files.read_bytes(f"{place}/a/z[1].txt") == "한글\nmore".encode()
    assert files.file_size(f"{place}/a/z[1].txt") == 11
    assert files.modification_time(f"{place}/a/z[1].txt") > 1e9
    assert files.list_folder(f"{place}/a") == ["b", "z[1].txt"]
    assert files.walk(place) == ["a/b/x.txt", "a/z[1].txt"]
    assert files.is_folder(f"{place}/a") and not files.is_folder(f"{place}/a/z[1].txt")
    files.remove(f"{place}/a/z[1].txt")
    files.remove_folder(f"{place}/a/b")
    assert files.list_folder(f"{place}/a") == []
    assert files.list_folder(f"{place}/none") == []


def test_a_stream_reads_lines_and_seeks(place):
    files.write_text(f"{place}/x", "하나\n둘\n")
    with files.open_file(f"{place}/x") as stream:
        assert stream.readline() == "하나\n".encode() and stream.tell() == 7
        stream.seek(0)
        assert list(stream) == ["하나\n".encode(), "둘\n".encode()]


def test_errors_are_pythons(place):
    files.make_folder(f"{place}/folder")
    with pytest.raises(FileNotFoundError):
        files.open_file(f"{place}/none")
    with pytest.raises(FileNotFoundError):
        files.read_bytes(f"{place}/none")
    with pytest.raises(FileNotFoundError):
        files.remove(f"{place}/none")
    with pytest.raises(IsADirectoryError):
        files.read_bytes(f"{place}/folder")


def test_a_file_that_fails_leaves_what_was_there(place):
    files.write_text(f"{place}/x", "before")
    with pytest.raises(ZeroDivisionError):
        with files.new_file(f"{place}/x", overwrite=True) as stream:
            stream.write(b"half")
            raise ZeroDivisionError
    assert files.read_text(f"{place}/x") == "before"
    with pytest.raises(InputError, match="x exists already. Pass --overwrite"):
        with files.new_file(f"{place}/x"):
            pass
    with pytest.raises(InputError, match="none/x could not be written: .*No such"):
        files.write_text(f"{place}/none/x", "")
    assert files.list_folder(place) == ["x"]


def test_a_folder_gets_its_name_when_it_is_whole(place):
    for number in "12":
        overwrite = number == "2"
        with files.new_folder(f"{place}/f", ("*/x",), overwrite) as temporary:
            os.mkdir(os.path.join(temporary, number))
            files.write_text(os.path.join(temporary, number, "x"), number)
            assert files.exists(f"{place}/f") == (number == "2")
    assert files.walk(f"{place}/f") == ["2/x"]
    with pytest.raises(InputError, match="f exists already. Pass --overwrite to repl"):
        with files.new_folder(f"{place}/f", ("*/x",)):
            pass
    with pytest.raises(ZeroDivisionError):
        with files.new_folder(f"{place}/f", ("*/x",), overwrite=True):
            raise ZeroDivisionError
    assert files.walk(place) == ["f/2/x"]


def test_a_link_stays_and_its_file_is_written(tmp_path):
    path, link = tmp_path / "a" / "x", tmp_path / "link"
    path.parent.mkdir()
    link.symlink_to(path)
    for text in ("first", "second"):
        files.write_text(str(link), text)
        assert link.is_symlink() and path.read_text() == text
    with pytest.raises(InputError, match="a/x exists already. Pass --overwrite"):
        with files.new_file(str(link)):
            raise AssertionError
    assert files.walk(str(tmp_path)) == ["a/x", "link"]


def test_a_device_or_pipe_is_left_as_it_is(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(str(pipe))
    link.symlink_to("/dev/null")
    for path in (pipe, link):
        for new in (files.new_file, files.new_local):
            with pytest.raises(InputError, match=f"{path} is a device or pipe: choose"):
                with new(str(path), overwrite=True):
                    raise AssertionError
    assert sorted(os.listdir(str(tmp_path))) == ["link", "pipe"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_anything_else_is_never_replaced(place, overwrite):
    files.make_folder(f"{place}/home/run")
    files.write_text(f"{place}/home/run/model", "the only one")
    files.write_text(f"{place}/home/a.onnx", "")
    for path, names in (("home", "run"), ("home/run", "model")):
        message = f"{place}/{path} holds {names}, not just what this command"
        with pytest.raises(InputError, match=re.escape(message)):
            with files.new_folder(f"{place}/{path}", ("a.onnx", "vocab"), overwrite):
                raise AssertionError
    files.rename(f"{place}/home/a.onnx", f"{place}/home/run/vocab")
    files.remove(f"{place}/home/run/model")  # without what an export always holds
    with pytest.raises(InputError, match="holds vocab, not just"):
        with files.new_folder(f"{place}/home/run", ("a.onnx", "vocab"), overwrite):
            raise AssertionError
    with pytest.raises(InputError, match="vocab is a file. Choose another --output_d"):
        with files.new_folder(f"{place}/home/run/vocab", ("x",), overwrite):
            raise AssertionError
    assert files.walk(place) == ["home/run/vocab"]


def test_a_folder_that_a_killed_process_was_replacing(tmp_path):
    path = str(tmp_path / "f")
    moved = f"{path}.abcd_123{files.TEMPORARY_SUFFIX}.before"
    os.mkdir(moved)
    files.write_text(f"{moved}/x", "old")
    with pytest.raises(InputError, match="f exists already. Pass --overwrite"):
        with files.new_folder(path, ("x",)):
            raise AssertionError
    assert files.walk(str(tmp_path)) == ["f/x"]  # it is back

    os.mkdir(moved)  # it had not been removed yet
    files.write_text(f"{moved}/x", "older")
    mine = f"{path}.efgh_123{files.TEMPORARY_SUFFIX}.before"
    os.mkdir(mine)
    files.write_text(f"{mine}/y", "of no export")
    with files.new_folder(path, ("x",), overwrite=True) as temporary:
        files.write_text(f"{temporary}/x", "new")
    assert files.list_folder(str(tmp_path)) == ["f", os.path.basename(mine)]
    assert files.read_text(f"{path}/x") == "new"


_HOLD = """
import sys
from data.io import locks
assert locks.hold(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def held(path):
    """Another process that writes to `path` meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:  # ends with its input, also where a test fails
        holder.stdout.readline()
        yield


def test_a_folder_that_a_living_process_is_replacing_is_left_to_it(tmp_path):
    path = str(tmp_path / "f")
    new = f"{path}.abcd_123{files.TEMPORARY_SUFFIX}"
    os.mkdir(new)
    os.mkdir(f"{new}.before")
    with held(new):
        with files.new_folder(path, ("x",)):
            pass
        assert os.path.isdir(f"{new}.before")


def test_files_join_a_folder_whose_others_stay(place):
    files.make_folder(f"{place}/f")
    files.write_text(f"{place}/f/mine", "mine")
    for overwrite in (False, True):
        with files.new_files(f"{place}/f", overwrite) as temporary:
            files.write_text(os.path.join(temporary, "x"), "x")
    with pytest.raises(InputError, match="f holds x already. Choose another"):
        with files.new_files(f"{place}/f") as temporary:
            files.write_text(os.path.join(temporary, "x"), "y")
    assert files.walk(place) == ["f/mine", "f/x"]
    assert files.read_text(f"{place}/f/x") == "x"


def test_libraries_get_real_files(place):
    with files.new_local(f"{place}/x") as path:
        with open(path, "wb") as stream:
            stream.write(b"content")
        assert not files.exists(f"{place}/x")
    with files.local_copy(f"{place}/x") as path, open(path, "rb") as stream:
        assert stream.read() == b"content"
    files.make_folder(f"{place}/f/a")
    files.rename(f"{place}/x", f"{place}/f/a/x")
    with files.local_copy(f"{place}/f") as path:
        assert files.walk(path) == ["a/x"]
    assert os.path.exists(path) == (path == f"{place}/f")
    assert files.walk(place) == ["f/a/x"]


_KILLED = """
import os, signal, sys
from data.io import files
with files.new_file(sys.argv[1]) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    path = str(tmp_path / "clean.txt")
    subprocess.call([sys.executable, "-c", _KILLED, path], cwd=ROOT)
    (left,) = files.list_folder(str(tmp_path))
    assert left.endswith(files.TEMPORARY_SUFFIX)
    mine = f"other.{left}"
    files.write_text(str(tmp_path / mine), "mine")
    files.write_text(path, "whole")
    assert files.list_folder(str(tmp_path)) == ["clean.txt", mine]


def test_what_another_process_writes_now_is_left_alone(tmp_path):
    path = str(tmp_path / "clean.txt")
    other = f"{path}.1{files.TEMPORARY_SUFFIX}"
    files.write_text(other, "growing")
    with held(other):
        files.write_text(path, "whole")
        assert files.exists(other)
    files.write_text(path, "whole")
    assert not files.exists(other)


# --- Locks -----------------------------------------------------------------------

_LOCK = """
import sys
from data.io import locks
from data.io.errors import InputError
try:
    locks.lock_folder(sys.argv[1])
except InputError as error:
    print(error)
else:
    print("locked")
"""


def lock_elsewhere(place):
    command = [sys.executable, "-c", _LOCK, place]
    said = subprocess.check_output(command, cwd=ROOT, universal_newlines=True)
    return said.strip()


@pytest.mark.slow
def test_a_folder_has_one_writer(place):
    locks.lock_folder(place)
    locks.lock_folder(place)  # the same process may again
    said = lock_elsewhere(place)
    if files.is_remote(place):
        assert said.startswith(f"{place} is locked: ")
        assert f"process {os.getpid()}, has been writing to it since 20" in said
        assert f"take over: delete {place}/writer.lock and give the same" in said
    else:
        assert f"Another process is writing to {place}: wait until it ends" in said
    locks.unlock_folder(place)
    assert lock_elsewhere(place) == "locked"
    assert files.list_folder(place) == []  # it took its lock away at its end
    locks.lock_folder(place)
    locks.unlock_folder(place)


@pytest.mark.slow
def test_a_lock_of_a_process_that_was_killed(tmp_path):
    place = f"file://{tmp_path}"
    killed = _LOCK + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.call(
        [sys.executable, "-c", killed, place], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    assert files.list_folder(place) == [locks.LOCK_NAME]
    locks.lock_folder(place)  # of this machine, and dead
    locks.unlock_folder(place)
    lock = (
        '{"owner": "kim@elsewhere", "process": 7, "since": "2024-05-01 09:30:00 UTC"}'
    )
    files.write_text(f"{place}/{locks.LOCK_NAME}", lock)
    with pytest.raises(InputError) as raised:
        locks.lock_folder(place)
    assert str(raised.value) == (
        f"{place} is locked: kim@elsewhere, process 7, has been writing to it since "
        "2024-05-01 09:30:00 UTC. Wait until it ends, or choose another --output_dir. "
        f"If it was killed, take over: delete {place}/writer.lock and give the same "
        "command again."
    )


def test_of_two_that_lock_at_once_the_later_has_it(tmp_path, monkeypatch):
    place = f"file://{tmp_path}"
    path = f"{place}/{locks.LOCK_NAME}"
    monkeypatch.setattr(locks.time, "sleep", lambda _: files.write_text(path, "{}"))
    with pytest.raises(InputError, match="is locked: somebody, process unknown"):
        locks.lock_folder(place)
    locks.release_objects()
    assert files.read_text(path) == "{}"


def test_full_disks_keep_their_number(tmp_path):
    os.symlink("/dev/full", files.temporary_name(str(tmp_path / "x")))
    with pytest.raises(
        InputError, match="x could not be written: .*No space"
    ) as raised:
        files.write_text(str(tmp_path / "x"), "a" * 99)
    assert raised.value.__cause__.errno == errno.ENOSPC


FILL = """
import os, signal, sys
from data.io import files
with files.new_files(sys.argv[1]) as folder:
    files.write_text(os.path.join(folder, "a.txt"), "half")
    print(folder, flush=True)
    if sys.argv[2] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def fill(path, end):
    """A process that fills a folder; it dies or waits. And its temporary folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", FILL, str(path), end],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    return process, process.stdout.readline().strip()


def test_folders_that_killed_processes_were_filling_are_removed(tmp_path):
    path = tmp_path / "model"
    dead, left = fill(path, "die")
    dead.communicate()
    waiting, kept = fill(path, "wait")
    mine = tmp_path / "model.12345678.incompletely"
    mine.mkdir()
    assert not os.path.exists(left) and os.path.exists(kept)
    with files.new_files(str(path)) as folder:
        with files.new_files(str(path)) as inner:
            assert os.path.exists(folder) and inner != folder
        files.write_text(os.path.join(folder, "b.txt"), "whole")
    assert os.path.exists(kept) and mine.exists()
    waiting.communicate()
    assert sorted(os.listdir(str(path))) == ["a.txt", "b.txt"]
    assert sorted(os.listdir(str(tmp_path))) == ["model", mine.name]


@pytest.mark.parametrize(
    "path, meant",
    [
        ("gs:/bucket/a.txt", "gs://bucket/a.txt"),
        ("file:/tmp/a.txt", "file:///tmp/a.txt"),
    ],
)
def test_a_url_that_lacks_a_slash_is_no_local_folder(
    path, meant, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        files.make_folder(path)
    assert str(raised.value) == (
        f"{path} is no URL: pass {meant}. For a local path of that name pass ./{path}."
    )
    assert list(tmp_path.iterdir()) == []
    files.make_folder("./gs:/bucket")
    files.write_text("./gs:/bucket/a.txt", "text")
    assert files.read_text("./gs:/bucket/a.txt") == "text"
