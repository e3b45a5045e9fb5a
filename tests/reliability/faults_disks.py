"""A disk that is full, closed or gone at each write: one line, and nothing is lost.

make test-faults runs it. Commands without TensorFlow meet a failing layer under
`data.io.files`, at their first write, their second one and so on. Training and
conversion write to a small disk in memory of several sizes, or one that is closed or
emptied while they run, where this process may mount one.
"""

import contextlib
import errno
import os
import random
import shutil
import subprocess

import pytest

from data import clean_corpus, create_pretraining_data, train_vocab
from data.io import cli, file_system
from tests.support import faulty_runs as runs
from tests.support import pretraining_runs

SEED = int(os.environ.get("FAULT_SEED", 0)) or random.randrange(1, 10**6)
REFUSALS = {"full": errno.ENOSPC, "closed": errno.EROFS}


class FailingDisk:
    """Does what the local disk does until operation `number`; then every write fails.

    Of a disk that is "gone", the folder is deleted then, and the rest is real.
    """

    def __init__(self, fault, number, folder):
        self._fault, self._left, self._folder = fault, number, str(folder)
        self.failed = False

    def step(self, path):
        self._left -= 1
        if self._left > 0:
            return
        if self._fault in REFUSALS:
            self.failed = True
            number = REFUSALS[self._fault]
            raise OSError(number, os.strerror(number), path)
        if not self.failed:
            self.failed = True
            shutil.rmtree(self._folder, ignore_errors=True)

    def patch(self, monkeypatch):
        local, real = file_system.LOCAL, file_system.LocalFiles

        def before(name, place):
            def call(*paths):
                self.step(paths[place])
                return getattr(real, name)(*paths)

            monkeypatch.setattr(local, name, call, raising=False)

        def open_file(path, mode):
            if mode == "rb":
                return real.open(path, mode)
            self.step(path)
            return Stream(real.open(path, mode, 0), self)

        monkeypatch.setattr(local, "open", open_file, raising=False)
        before("rename", 1)
        before("make_folder", 0)


class Stream:
    """A file whose writes are operations of the disk."""

    def __init__(self, stream, disk):
        self._stream, self._disk = stream, disk

    def write(self, content):
        self._disk.step(self._stream.name)
        return self._stream.write(content)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stream.close()


def build(folder, output):
    return create_pretraining_data.main, [
        f"--input_file={folder / 'corpus.txt'}",
        f"--vocab_file={folder / 'vocab.txt'}",
        f"--output_dir={output}",
        "--max_seq_length=16",
        "--dupe_factor=1",
        "--block_bytes=2000",
    ]


def clean(folder, output):
    return clean_corpus.main, [
        f"--input_file={folder / 'corpus.txt'}",
        f"--output_file={output / 'clean.txt'}",
        "--overwrite",
    ]


def vocabulary(folder, output):
    return train_vocab.main, [
        f"--input_file={folder / 'corpus.txt'}",
        f"--output_dir={output}",
        "--vocab_size=120",
        "--overwrite",
    ]


def status_of(command, folder, output):
    main, flags = command(folder, output)
    try:
        cli.run(main, ["command", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


def require_one_line(said):
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ") and len(last) < 1000, said
    assert "Traceback" not in said, said
    return last


@pytest.mark.parametrize("fault", ["full", "closed", "gone"])
@pytest.mark.parametrize("command", [build, clean, vocabulary])
def test_every_write_of_a_command(
    tmp_path, capfd, monkeypatch, record_property, command, fault
):
    pretraining_runs.write_corpus(tmp_path, documents=40)
    text = "\n".join(pretraining_runs.VOCABULARY) + "\n"
    (tmp_path / "vocab.txt").write_text(text, encoding="utf-8")
    whole, output = tmp_path / "whole", tmp_path / "out"
    whole.mkdir()
    assert status_of(command, tmp_path, whole) == 0
    expected = runs.bytes_below(whole)
    number, refused = 0, 0
    while True:
        number += 1
        shutil.rmtree(str(output), ignore_errors=True)
        output.mkdir()
        disk = FailingDisk(fault, number, output)
        capfd.readouterr()
        with monkeypatch.context() as patched:
            disk.patch(patched)
            status = status_of(command, tmp_path, output)
        said = capfd.readouterr().err
        if not disk.failed:
            break
        found = runs.bytes_below(output)
        if status:
            refused += 1
            require_one_line(said)
            names = {n for n in found if n != "manifest.json"}
            assert {n: found[n] for n in names} == {n: expected[n] for n in names}
            output.mkdir(exist_ok=True)
            assert status_of(command, tmp_path, output) == 0
            found = runs.bytes_below(output)
        assert found == expected, f"operation {number}"
    assert refused
    record_property(
        f"{command.__name__}, disk {fault}",
        f"{number - 1} operations failed, {refused} told in one line, nothing lost",
    )


# --- Real disks --------------------------------------------------------------------


@pytest.fixture()
def disk(tmp_path):
    """mount(bytes) gives a folder that is a disk in memory; remount(options)."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.call(command, stderr=subprocess.DEVNULL):
            pytest.skip("this process may not mount a disk")
        return place

    yield mount
    with contextlib.suppress(OSError):
        subprocess.call(["umount", "-l", str(place)], stderr=subprocess.DEVNULL)


def remount(place, options):
    subprocess.check_call(["mount", "-o", f"remount,{options}", str(place)])


def close(place):
    """Makes a disk read-only for whatever is opened from now on.

    The disk itself cannot be while a file is open for writing: so it is mounted once
    more at the same place.
    """
    subprocess.check_call(["mount", "--bind", str(place), str(place)])
    remount(place, "bind,ro")


def size_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


CASES = (
    (runs.Pretraining, "electra"),
    (runs.FineTuning, "bert"),
    (runs.Conversion, "albert"),
)


@pytest.fixture(params=CASES, ids=lambda case: case[0].__name__)
def case(request, tmp_path):
    command, model_type = request.param
    found = command(tmp_path, model_type)
    whole = tmp_path / "whole"
    status, seconds = runs.finish(lambda: found.run(whole), tmp_path / "log")
    assert status == 0, runs.read(tmp_path / "log")
    expected = runs.value_of(lambda: found.content(whole), tmp_path)
    return found, expected, seconds, size_below(whole)


def test_a_disk_that_fills_up(case, disk, tmp_path, record_property, request):
    found, expected, _, size = case
    log, refused = tmp_path / "log", 0
    place = disk(f"size={size // 20}")
    output = place / "out"
    for twentieths in (1, 3, 6, 10, 15):
        remount(place, f"size={size * twentieths // 20}")
        status, _ = runs.finish(lambda: found.run(output), log)
        if status:
            last = require_one_line(runs.read(log))
            assert os.strerror(errno.ENOSPC) in last or "is full" in last, last
            refused += 1
    remount(place, f"size={4 * size + (1 << 20)}")
    status, _ = runs.finish(lambda: found.run(output), log)
    assert status == 0, runs.read(log)
    assert runs.value_of(lambda: found.content(output), tmp_path) == expected
    assert refused
    record_property(
        f"{request.node.callspec.id}, disk full", f"{refused} sizes, nothing lost"
    )


@pytest.mark.parametrize("fault", ["closed", "gone"])
def test_a_disk_that_goes(case, disk, tmp_path, record_property, request, fault):
    found, expected, seconds, size = case
    log, refused = tmp_path / "log", 0
    place = disk(f"size={4 * size + (1 << 20)}")
    output = place / "out"
    generator = random.Random(f"{SEED} {request.node.name}")
    for _ in range(4):
        process = runs.fork(lambda: found.run(output), log)
        runs.pause(process, generator.uniform(0.1, 0.9) * seconds)
        if fault == "closed":
            close(place)
        else:
            shutil.rmtree(str(output), ignore_errors=True)
        status = runs.wait(process)
        if fault == "closed":
            subprocess.check_call(["umount", "-l", str(place)])
        if status:
            refused += 1
            require_one_line(runs.read(log))
        elif output.exists():  # it was done before: the next one begins anew
            assert runs.value_of(lambda: found.content(output), tmp_path) == expected
            shutil.rmtree(str(output))
    assert refused
    status, _ = runs.finish(lambda: found.run(output), log)
    assert status == 0, runs.read(log)
    assert runs.value_of(lambda: found.content(output), tmp_path) == expected
    record_property(
        f"{request.node.callspec.id}", f"{refused} of 4 runs refused, nothing lost"
    )
