"""Which files the patterns of a flag mean."""

import pytest

from data.io import files
from data.io.errors import InputError
from data.io.globs import matching_files


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("가\n", encoding="utf-8")


def test_half_written_files_match_no_pattern(tmp_path):
    write(tmp_path, "a.txt", "b.txt", "b.txt.28987.incomplete")
    found = matching_files(f"{tmp_path}/*,{tmp_path}/a.txt")
    assert found == (f"{tmp_path}/a.txt", f"{tmp_path}/b.txt")
    with pytest.raises(InputError, match="there is no such file"):
        matching_files(f"{tmp_path}/*.incomplete")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder: name its files, such as '.*/."):
        matching_files(str(tmp_path))


def test_a_half_written_file_may_be_named(tmp_path):
    path = tmp_path / "b.txt.28987.incomplete"
    path.write_text("가\n", encoding="utf-8")
    assert matching_files(str(path)) == (str(path),)


def test_a_name_that_exists_is_no_pattern(tmp_path, monkeypatch):
    write(
        tmp_path,
        "[원천]뉴스/a.txt",
        "[원천]뉴스/b.txt",
        "원뉴스/a.txt",
        "x?.txt",
        "xy.txt",
    )
    monkeypatch.chdir(tmp_path)
    assert matching_files("[원천]뉴스/a.txt") == ("[원천]뉴스/a.txt",)
    assert matching_files("x?.txt") == ("x?.txt",)
    # A pattern in a folder that exists as it is named.
    for start in ("", f"{tmp_path}/", f"file://{tmp_path}/"):
        found = matching_files(f"{start}[원천]뉴스/*.txt")
        assert found == (f"{start}[원천]뉴스/a.txt", f"{start}[원천]뉴스/b.txt")


def test_where_nothing_has_the_name_it_is_a_pattern(tmp_path, monkeypatch):
    write(tmp_path, "b/x.txt", "b-c/x.txt", "a/.x.txt", "a/y.txt")
    monkeypatch.chdir(tmp_path)
    assert matching_files("[ab]*/*.txt") == ("a/y.txt", "b-c/x.txt", "b/x.txt")
    assert matching_files("?/.*") == ("a/.x.txt",)
    with pytest.raises(InputError, match=r"--corpus=\[c\]: there is no such file"):
        matching_files("[c]", "corpus")


def test_patterns_in_a_folder_take_its_name_as_it_stands(tmp_path):
    write(tmp_path, "[1]/a/model.ckpt-1", "[1]/b/model.ckpt-2", "1/a/model.ckpt-3")
    folder = str(tmp_path / "[1]")
    assert files.matching(folder, "?/model.ckpt-*") == [
        f"{folder}/a/model.ckpt-1",
        f"{folder}/b/model.ckpt-2",
    ]
    assert files.matching(folder, "a/model.ckpt-1") == [f"{folder}/a/model.ckpt-1"]
    assert files.matching(folder, "none/*") == []
    assert files.matching(str(tmp_path / "none"), "*") == []
