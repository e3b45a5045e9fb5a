"""Records built on Apache Beam are those of the local build, to the byte.

In an environment of its own: make test-beam. What happens where Beam is not installed
is tested in test_beam_options.py.
"""

import gzip
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from data import create_pretraining_data
from data.io.errors import InputError
from tests.support.paths import ROOT

if importlib.util.find_spec("apache_beam") is None:
    pytest.skip("Apache Beam is not installed: make test-beam", allow_module_level=True)

pytestmark = pytest.mark.slow

VOCABULARY = os.path.join(ROOT, "samples", "vocab.txt")
CORPUS = os.path.join(ROOT, "samples", "corpus")
ON_BEAM = ("--runner=DirectRunner",)
TWO_WORKERS = (*ON_BEAM, "--", "--direct_num_workers=2")
# Long enough for a worker to be killed while others are at work.
LONG = ("--dupe_factor=500", "--block_bytes=1024")


def arguments(corpus, output, *others):
    return [
        f"--input_file={corpus}",
        f"--output_dir={output}",
        f"--vocab_file={VOCABULARY}",
        "--block_bytes=8192",
        "--max_seq_length=64",
        "--dupe_factor=2",
        *others,
    ]


def run(corpus, output, *others):
    create_pretraining_data.main(["command", *arguments(corpus, output, *others)])


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A corpus of plain and compressed files, as a pattern of their names."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, name in enumerate(sorted(os.listdir(CORPUS))):
        path = os.path.join(CORPUS, name)
        if number % 2:
            with open(path, "rb") as reader:
                with gzip.open(str(folder / f"{name}.gz"), "wb") as writer:
                    writer.write(reader.read())
        else:
            shutil.copy(path, str(folder))
    return f"{folder}/*.txt*"


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_shards_and_manifest_are_those_of_the_local_build(mixed, tmp_path, model_type):
    model = f"--model_type={model_type}"
    run(mixed, tmp_path / "local", model)
    run(mixed, tmp_path / "beam", model, *ON_BEAM)
    expected = contents(tmp_path / "local")
    assert contents(tmp_path / "beam") == expected
    assert len(expected) > 5 and "manifest.json" in expected


def test_two_workers_build_the_same(mixed, tmp_path):
    run(mixed, tmp_path / "local")
    run(mixed, tmp_path / "beam", *TWO_WORKERS)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_named_files_are_the_same(mixed, tmp_path):
    for name, others in (("local", ()), ("beam", ON_BEAM)):
        files = f"{tmp_path / name / 'a'},{tmp_path / name / 'b'}"
        run(mixed, "", f"--output_file={files}", *others)
    expected = contents(tmp_path / "local")
    assert contents(tmp_path / "beam") == expected
    assert set(expected) == {"a", "b", "a.manifest.json", "b.manifest.json"}


def test_a_rerun_builds_only_what_is_missing(mixed, tmp_path):
    run(mixed, tmp_path, *ON_BEAM)
    expected = contents(tmp_path)
    shards = sorted(tmp_path.glob("*.tfrecord"))
    shards[1].unlink()
    before = {path: path.stat().st_mtime_ns for path in shards if path.exists()}
    run(mixed, tmp_path, *ON_BEAM)
    assert contents(tmp_path) == expected
    assert {path: path.stat().st_mtime_ns for path in before} == before


def children(process):
    """Worker processes of a command, with their numbers."""
    found = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process)],
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    for line in found.splitlines():
        number, _, words = line.strip().partition(" ")
        yield int(number), words
        yield from children(number)


def test_after_a_killed_worker_the_same_command_resumes(tmp_path):
    run(CORPUS + "/*.txt", tmp_path / "local", *LONG)
    output = tmp_path / "beam"
    command = [sys.executable, "-m", "data.create_pretraining_data"]
    command += arguments(CORPUS + "/*.txt", output, *LONG, *TWO_WORKERS)
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, universal_newlines=True
    )
    while len(list(output.glob("*.report.json"))) < 3 and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1]
    worker = [n for n, words in children(process.pid) if "sdk_worker_main" in words][-1]
    os.kill(worker, signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(
        r"^error: DirectRunner failed: .+ Was a worker killed, perhaps for lack of "
        r"memory\? Give the same command again; records that are built stay\.$",
        said,
        re.MULTILINE,
    ), said
    built = list(output.glob("*.report.json"))
    assert 3 <= len(built) < len(list((tmp_path / "local").glob("*.tfrecord")))
    shards = [str(path).replace("report.json", "tfrecord") for path in built]
    before = {path: os.stat(path).st_mtime_ns for path in shards}
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE)
    assert contents(output) == contents(tmp_path / "local")
    assert {path: os.stat(path).st_mtime_ns for path in shards} == before


@pytest.fixture()
def stopped(tmp_path, monkeypatch):
    """A build of a copied corpus that ends with an error after a few blocks."""
    corpus, output = tmp_path / "corpus.txt", tmp_path / "records"
    with open(os.path.join(CORPUS, "reviews.txt"), "rb") as reader:
        corpus.write_bytes(reader.read())
    from data.beam import records

    build_block = records.build_block

    def build_or_stop(build, block):
        if len(list(output.glob("*.report.json"))) == 3:
            raise InputError("The worker stops here.")
        return build_block(build, block)

    monkeypatch.setattr(records, "build_block", build_or_stop)
    with pytest.raises(InputError, match=r"^The worker stops here\.$"):
        run(corpus, output, "--block_bytes=1024", *ON_BEAM)
    monkeypatch.setattr(records, "build_block", build_block)
    assert len(list(output.glob("*.report.json"))) == 3
    return corpus, output


def test_a_local_build_resumes_one_of_beam(stopped, tmp_path):
    corpus, output = stopped
    run(corpus, tmp_path / "local", "--block_bytes=1024")
    before = {p.name: p.stat().st_mtime_ns for p in output.glob("*.tfrecord")}
    run(corpus, output, "--block_bytes=1024")
    assert contents(output) == contents(tmp_path / "local")
    after = {p.name: p.stat().st_mtime_ns for p in output.glob("*.tfrecord")}
    assert before.items() <= after.items() and len(before) == 3 < len(after)


def test_other_settings_do_not_replace_a_stopped_build(stopped):
    corpus, output = stopped
    before = contents(output)
    with pytest.raises(InputError, match="was made with --dupe_factor=2 "):
        run(corpus, output, "--block_bytes=1024", "--dupe_factor=3", *ON_BEAM)
    assert contents(output) == before


def test_text_that_has_changed_is_refused_or_built_anew(stopped, tmp_path):
    corpus, output = stopped
    text = corpus.read_bytes()
    corpus.write_bytes(text.replace("다".encode(), "까".encode()))
    with pytest.raises(InputError) as raised:
        run(corpus, output, "--block_bytes=1024", *ON_BEAM)
    assert re.search(
        f"{output} was made of other text: the corpus has changed since, in {corpus}, "
        r"line \d+, or after it\. Pass --overwrite to build anew",
        str(raised.value),
    )
    run(corpus, output, "--block_bytes=1024", "--overwrite", *ON_BEAM)
    run(corpus, tmp_path / "local", "--block_bytes=1024")
    assert contents(output) == contents(tmp_path / "local")


def test_bad_lines_are_named_and_counted(tmp_path):
    corpus = tmp_path / "corpus.txt"
    good = "오늘 날씨가 좋다\n산책을 가자\n\n".encode() * 99
    corpus.write_bytes(good + b"bad: \xff\n\n" + good + b"worse: \xfe\n\n" + good)
    messages, small = [], "--block_bytes=512"
    for others in ((), ON_BEAM):
        with pytest.raises(InputError) as raised:
            run(corpus, tmp_path / "out", small, *others)
        messages.append(str(raised.value))
        shutil.rmtree(str(tmp_path / "out"))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{corpus}, line 298: byte 0xFF at offset ")
    with pytest.raises(InputError, match=r"line 597: .* It is bad line 2 and"):
        run(corpus, tmp_path / "out", small, "--max_bad_rows=1", *ON_BEAM)
    # All is built by now: the count alone is against it.
    with pytest.raises(InputError, match="^2 lines of the corpus are bad and --max_ba"):
        run(corpus, tmp_path / "out", small, "--max_bad_rows=1", *ON_BEAM)
    run(corpus, tmp_path / "out", small, "--max_bad_rows=2", *ON_BEAM)
    assert not list((tmp_path / "out").glob("*.report.json"))


def test_a_broken_gz_is_one_line(tmp_path):
    corpus = tmp_path / "corpus.txt.gz"
    corpus.write_bytes(gzip.compress(b"one\ntwo\n\n" * 9)[:-9])
    with pytest.raises(InputError) as raised:
        run(corpus, tmp_path / "out", *TWO_WORKERS)
    assert re.match(f"{corpus} could not be read: [^\n]+$", str(raised.value))
    assert os.listdir(str(tmp_path / "out")) == ["manifest.json"]
