"""Downloads against a server of our own: whole, cut, refused, wrong, unsafe."""

import hashlib
import http.server
import io
import os
import socket
import subprocess
import tarfile
import threading

import pytest

from data import tasks
from data.download import command
from data.download import fetch as downloading
from data.download.sources import SOURCES, RemoteFile, Source, get_source
from data.io import cli
from data.io.errors import InputError
from data.tasks import klue
from tests.support.shared_data import datasets

CONTENT = "번호\t글\t정답\n1\t재밌다ㅋㅋ\t1\n".encode() * 20000


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; misbehaves as its attributes say.

    Attributes:
      cuts: how many bytes the next answers send before they break off.
      knows_ranges: whether parts are given out. ranges: those asked for so far.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.ranges = {}, [], []
        self.knows_ranges = True

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path.strip("/"))
        if content is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = 0
        if asked and self.server.knows_ranges:
            start = int(asked[len("bytes=") : -1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
            )
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.cuts.pop(0) if self.server.cuts else None
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def remote(server, content=CONTENT, name="train.tsv", **changes):
    """A file that the server has."""
    server.files[name] = content
    file = RemoteFile(server.url(name), name, len(content), sha256(content))
    return file._replace(**changes)


def fetch(file, folder, **options):
    downloading.fetch(file, str(folder), wait=0, **options)


def listing(folder):
    return sorted(os.listdir(str(folder)))


# --- One file --------------------------------------------------------------------


def test_a_file_arrives_whole_under_its_name(server, tmp_path):
    fetch(remote(server), tmp_path / "new")
    assert (tmp_path / "new" / "train.tsv").read_bytes() == CONTENT
    assert listing(tmp_path / "new") == ["train.tsv"]


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path):
    server.cuts = [1000, 70000]
    fetch(remote(server), tmp_path)
    assert (tmp_path / "train.tsv").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=71000-"]


def test_a_later_command_resumes_the_download(server, tmp_path):
    server.cuts = [500, 0, 0, 0]
    file = remote(server)
    with pytest.raises(InputError, match="keeps breaking .*500 bytes are in .*part"):
        fetch(file, tmp_path)
    assert listing(tmp_path) == ["train.tsv.part"]
    fetch(file, tmp_path)
    assert server.ranges[-1] == "bytes=500-"
    assert (tmp_path / "train.tsv").read_bytes() == CONTENT
    assert listing(tmp_path) == ["train.tsv"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.knows_ranges = False
    server.cuts = [5000]
    fetch(remote(server), tmp_path)
    assert server.ranges == [None, "bytes=5000-"]
    assert (tmp_path / "train.tsv").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / "train.tsv.part").write_bytes(CONTENT)
    fetch(remote(server), tmp_path)
    assert (tmp_path / "train.tsv").read_bytes() == CONTENT


def test_a_part_of_something_else_is_found_out_and_deleted(server, tmp_path):
    (tmp_path / "train.tsv.part").write_bytes(b"x" * 1000)
    file = remote(server)
    with pytest.raises(InputError, match="It was deleted: try again"):
        fetch(file, tmp_path)
    assert listing(tmp_path) == []
    fetch(file, tmp_path)
    assert (tmp_path / "train.tsv").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    file = remote(server, checksum=sha256(b"other"))
    with pytest.raises(InputError) as error:
        fetch(file, tmp_path)
    assert sha256(CONTENT) in str(error.value) and file.url in str(error.value)
    assert sha256(b"other") in str(error.value)
    assert listing(tmp_path) == []


def test_a_file_twice_as_long_as_expected_is_not_taken(server, tmp_path):
    file = remote(server, size=len(CONTENT) // 3)
    with pytest.raises(InputError, match="that is not the data set"):
        fetch(file, tmp_path)
    assert listing(tmp_path) == []


def test_a_missing_page_is_told(server, tmp_path):
    file = remote(server)
    server.files.clear()
    with pytest.raises(InputError, match="the server answers 404"):
        fetch(file, tmp_path)
    assert listing(tmp_path) == []


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="could not be written"):
        fetch(remote(server), tmp_path / "file")


def test_the_checksum_of_git_is_git_s_own(tmp_path):
    path = str(tmp_path / "text")
    (tmp_path / "text").write_bytes(CONTENT)
    try:
        found = subprocess.run(
            ["git", "hash-object", path], stdout=subprocess.PIPE, check=True
        )
    except OSError:
        pytest.skip("git is not installed")
    assert (
        downloading.checksum_of(path, "git") == "git:" + found.stdout.decode().strip()
    )


# --- Archives --------------------------------------------------------------------

PAIRS = {"x/ko/train.tsv": "한국어\n".encode(), "x/ko/dev.tsv": b"dev\n"}


def tar_of(members):
    """A .tar.gz of name -> content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


WANTED = (("x/ko/train.tsv", "train.tsv"), ("x/ko/dev.tsv", "dev.tsv"))


def test_an_archive_is_fetched_and_unpacked(server, tmp_path):
    packed = tar_of(dict(PAIRS, **{"x/fr/train.tsv": b"fr"}))
    fetch(remote(server, packed, "x.tar.gz", members=WANTED), tmp_path)
    assert listing(tmp_path) == ["dev.tsv", "train.tsv"]
    assert (tmp_path / "train.tsv").read_bytes() == PAIRS["x/ko/train.tsv"]


def test_an_archive_that_someone_put_there_is_unpacked_and_kept(tmp_path):
    packed = tar_of(PAIRS)
    (tmp_path / "x.tar.gz").write_bytes(packed)
    (tmp_path / "dev.tsv").write_bytes(b"mine")
    url = "http://127.0.0.1:1/x.tar.gz"
    file = RemoteFile(url, "x.tar.gz", len(packed), sha256(packed), WANTED)
    fetch(file, tmp_path)
    assert listing(tmp_path) == ["dev.tsv", "train.tsv", "x.tar.gz"]
    assert (tmp_path / "dev.tsv").read_bytes() == b"mine"
    (tmp_path / "x.tar.gz").write_bytes(packed[:-1])
    with pytest.raises(InputError, match="Delete it"):
        fetch(file, tmp_path)


# --- The command -----------------------------------------------------------------


@pytest.fixture
def nsmc(server, monkeypatch):
    """NSMC, as the local server has it."""
    files = tuple(
        remote(server, CONTENT + name.encode(), name)
        for name in ("ratings_train.txt", "ratings_test.txt")
    )
    source = Source("NSMC", "CC0 1.0.", files)
    monkeypatch.setitem(SOURCES, "nsmc", source)
    return source


def run(monkeypatch, *arguments):
    """The exit status of the command."""
    monkeypatch.setattr("sys.argv", ["download.py"] + list(arguments))
    try:
        cli.run(command.main)
    except SystemExit as stop:
        return stop.code
    return 0


def test_a_data_set_goes_to_its_task_s_folder(nsmc, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "nsmc") == 0
    task = tasks.get_task("NSMC")
    assert tasks.require_files(task, task.folder, "test") == (
        os.path.join("datasets", "nsmc", "ratings_test.txt"),
    )
    printed = capsys.readouterr().out
    assert "NSMC (https://github.com/e9t/nsmc). Licence: CC0 1.0." in printed
    assert printed.count("complete, as published") == 2


def test_existing_files_stay_unless_overwritten(nsmc, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "ratings_train.txt"
    mine.write_text("mine")
    output = f"--output_dir={tmp_path}"
    assert run(monkeypatch, "NSMC", output) == 0
    assert run(monkeypatch, "NSMC", output) == 0
    assert mine.read_text() == "mine"
    lines = capsys.readouterr().out.splitlines()
    assert "content is not the published one" in lines[-2]
    assert lines[-1].endswith("ratings_test.txt: exists, as published.")
    assert run(monkeypatch, "NSMC", output, "--overwrite") == 0
    assert mine.read_bytes() == CONTENT + b"ratings_train.txt"


def test_a_closed_network_is_one_line_that_says_what_to_do(
    nsmc, tmp_path, monkeypatch, capsys
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        files = tuple(file._replace(url=url + file.name) for file in nsmc.files)
        monkeypatch.setitem(SOURCES, "nsmc", nsmc._replace(files=files))
        assert run(monkeypatch, "NSMC", f"--output_dir={tmp_path}") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: ")
    for name in ("ratings_train.txt", "ratings_test.txt"):
        assert f"{url}{name} -> {tmp_path / name}" in error
    assert listing(tmp_path) == []


def test_an_archive_has_to_be_unpacked_by_the_command(tmp_path):
    file = get_source("PAWS").files[0]
    assert command._by_hand([file], "there").endswith(
        "x-final.tar.gz -> there/x-final.tar.gz, then run the same command again to "
        "unpack."
    )


def test_what_nobody_may_pass_on_is_told(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "NaverNER", f"--output_dir={tmp_path / 'x'}") == 1
    error = capsys.readouterr().err
    assert "cannot be fetched" in error and "train.tsv and test.tsv" in error
    assert run(monkeypatch, "--list") == 0
    table = capsys.readouterr().out
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(
        tasks.task_names()
    )
    assert "CC BY-ND 2.0 KR: do not pass on changed copies" in table


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "Name a data set"),
        (("NSNC",), "Did you mean NSMC?"),
        (("NSMC", "HATE", "--output_dir=x"), "for one data set"),
        (("NSMC", "--output_dir=gs://x"), "a local folder"),
        (("--list", "NSMC"), "Unexpected argument 'NSMC'"),
    ],
)
def test_mistakes_are_one_line(monkeypatch, capsys, arguments, message):
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


# --- The declarations ------------------------------------------------------------


def test_every_task_has_a_source_with_the_files_that_it_reads():
    assert list(SOURCES) == [name.lower() for name in tasks.task_names()]
    for source in SOURCES.values():
        outputs = {name for file in source.files for name in file.outputs}
        for split in ("train", "dev", "test") if source.files else ():
            if split == "test" and source.declaration() in klue.TASKS:
                continue  # its labels are not public; a file is read if one has it
            needed = [
                getattr(file_set, split) for file_set in source.declaration().file_sets
            ]
            assert any(
                not choices or outputs.issuperset(choices[0]) for choices in needed
            ), f"{source.task} {split}"


def test_every_remote_file_has_a_checksum_and_a_safe_address():
    for source in SOURCES.values():
        for file in source.files:
            kind, digest = file.checksum.split(":")
            assert len(digest) == {"sha256": 64, "git": 40}[kind]
            assert file.url.startswith("https://")
            assert file.size > 0


@pytest.mark.parametrize(
    "name, path",
    [
        ("HATE", "hate-speech/train.tsv"),
        ("HATE", "hate-speech/dev.tsv"),
        ("HATE", "hate-speech/test.no_label.tsv"),
        ("KorNLI", "kornli/xnli.dev.ko.tsv"),
        ("KorNLI", "kornli/xnli.test.ko.tsv"),
        ("KorSTS", "korsts/sts-train.tsv"),
        ("KorSTS", "korsts/sts-dev.tsv"),
        ("KorSTS", "korsts/sts-test.tsv"),
        ("QuestionPair", "question-pair/train.tsv"),
        ("QuestionPair", "question-pair/dev.tsv"),
        ("QuestionPair", "question-pair/test.tsv"),
        ("KorQuAD", "korquad/KorQuAD_v1.0_dev.json"),
    ],
)
def test_published_files_have_the_declared_checksum(name, path):
    file = {f.name: f for f in get_source(name).files}[os.path.basename(path)]
    local = datasets(*path.split("/"))
    assert os.path.getsize(local) == file.size
    assert downloading.is_published(local, file)


@pytest.mark.parametrize(
    "name, paths, others",
    [
        ("NSMC", ["nsmc/ratings_train.txt"], ["ratings_train.txt"]),
        ("hate", ["hate-speech/train.tsv", "hate-speech/dev.tsv"], []),
        ("KorNLI", ["kornli/small/multinli.train.ko.tsv"], ["multinli.train.ko.tsv"]),
        ("NSMC", ["question-pair/train.tsv"], ["train.tsv"]),  # of another task
        ("PAWS", ["paws/dev_2k.tsv"], []),  # a part of an archive
        ("후기", ["hate-speech/train.tsv"], []),
    ],
)
def test_files_with_other_content_than_the_published_ones(name, paths, others):
    local = [datasets(*path.split("/")) for path in paths]
    assert downloading.unpublished_files(name, local) == others


def test_other_data_under_any_name_and_copies_of_the_published(monkeypatch, tmp_path):
    digest = hashlib.sha256(CONTENT).hexdigest()
    files = [
        RemoteFile("http://x/", name, len(CONTENT), f"sha256:{digest}")
        for name in ("ratings_train.txt", "ratings_test.txt")
    ]
    monkeypatch.setitem(SOURCES, "nsmc", Source("NSMC", "CC0 1.0.", tuple(files)))
    (tmp_path / "copy.tsv").write_bytes(CONTENT)
    (tmp_path / "test.tsv").write_bytes(CONTENT[:-1])
    (tmp_path / "ratings_test.txt").write_bytes(CONTENT[1:])
    paths = sorted(map(str, tmp_path.iterdir()))
    assert downloading.unpublished_files("NSMC", paths) == [
        "ratings_test.txt",
        "test.tsv",
    ]
