"""Blocks that are planned file by file are those of reading from end to end."""

import gzip
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import plan, reader
from data.io.errors import InputError
from tests.support.paths import ROOT

SAMPLES = sorted(os.listdir(os.path.join(ROOT, "samples", "corpus")))


def planned(paths, block_bytes, folder):
    files = [
        plan.plan_file(path, block_bytes, os.path.join(folder, f"{number}.unpacked"))
        for number, path in enumerate(paths)
    ]
    return list(plan.plan_blocks(files, block_bytes))


def require_same(paths, block_bytes, folder):
    """Loads the last block first, since any order has to do."""
    found = [plan.load_block(b) for b in planned(paths, block_bytes, folder)[::-1]]
    expected = list(reader.read_blocks(paths, block_bytes))
    assert found[::-1] == expected
    return expected


def write(path, content):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "wb") as writer:
        writer.write(content)
    return path


@pytest.mark.parametrize("block_bytes", [1000, 8192, 1 << 20])
def test_blocks_of_the_samples(tmp_path, block_bytes):
    paths = []
    for number, name in enumerate(SAMPLES):
        with open(os.path.join(ROOT, "samples", "corpus", name), "rb") as stream:
            ending = ".gz" if number % 2 else ""
            paths.append(write(str(tmp_path / f"{name}{ending}"), stream.read()))
    blocks = require_same(paths, block_bytes, str(tmp_path))
    assert len(blocks) == 1 or any(len({p.path for p in b.parts}) > 1 for b in blocks)


@given(
    lines=st.lists(
        st.sampled_from([b"", b"\r", b"a" * 9, b"b" * 90, b"c"]),
        max_size=60,
    ),
    cut=st.integers(0, 60),
    block_bytes=st.integers(40, 300),
    is_open=st.booleans(),
)
@settings(max_examples=60)
def test_blocks_of_any_text(tmp_path_factory, lines, cut, block_bytes, is_open):
    """Of ASCII: the first part of a file, here a few bytes, must not cut a letter."""
    folder = str(tmp_path_factory.mktemp("any"))
    paths = [
        write(os.path.join(folder, "a.txt"), b"\n".join(lines[:cut])),
        write(os.path.join(folder, "b.txt.gz"), b"\n".join(lines[cut:])),
        write(os.path.join(folder, "c.txt"), b"c\n" * is_open),
    ]
    require_same(paths, block_bytes, folder)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\nnext line\n\nnext document\n"])
def test_giant_lines_are_cut_in_the_same_place(tmp_path, name, after):
    giant = b"x" * (2 * reader._MAX_LINE_BYTES)
    path = write(str(tmp_path / name), b"first\n\n" + giant + after)
    blocks = require_same([path], 1 << 16, str(tmp_path))
    assert any(part.is_cut for block in blocks for part in block.parts)


def test_a_gz_is_read_once(tmp_path, monkeypatch):
    path = write(str(tmp_path / "a.txt.gz"), b"one\n\ntwo\n\nthree\n\n" * 99)
    opened = []
    open_file = reader.files.open_file
    for module in (reader.files, plan):
        monkeypatch.setattr(
            module,
            "open_file",
            lambda path, mode="rb": opened.append(path) or open_file(path, mode),
        )
    monkeypatch.setattr(reader.read_parts, "__defaults__", (reader.files.open_file,))
    blocks = planned([path], 64, str(tmp_path))
    assert len(blocks) > 9
    for block in blocks:
        plan.load_block(block)
    assert opened.count(path) == 1


def test_a_file_that_has_become_shorter_is_named(tmp_path):
    path = write(str(tmp_path / "a.txt"), b"one\n\ntwo\n\n")
    (block,) = planned([path], 64, str(tmp_path))
    write(path, b"one\n")
    with pytest.raises(InputError) as raised:
        plan.load_block(block)
    assert str(raised.value) == (
        f"{path} has become shorter since the command began. Give it again."
    )
