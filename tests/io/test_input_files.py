"""Which files the patterns of a flag mean."""

import pytest

from data.io.errors import InputError
from data.io.globs import matching_files


def test_half_written_files_match_no_pattern(tmp_path):
    for name in ("a.txt", "b.txt", "b.txt.28987.incomplete"):
        (tmp_path / name).write_text("가\n", encoding="utf-8")
    found = matching_files(f"{tmp_path}/*,{tmp_path}/a.txt")
    assert found == (f"{tmp_path}/a.txt", f"{tmp_path}/b.txt")
    with pytest.raises(InputError, match="there is no such file"):
        matching_files(f"{tmp_path}/*.incomplete")


def test_a_half_written_file_may_be_named(tmp_path):
    path = tmp_path / "b.txt.28987.incomplete"
    path.write_text("가\n", encoding="utf-8")
    assert matching_files(str(path)) == (str(path),)
