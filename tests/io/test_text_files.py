import pytest

from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions, read_rows, read_table


@pytest.fixture
def write(tmp_path):
    def write_bytes(content, name="train.tsv"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write_bytes


def lines_of(path, **options):
    return list(read_rows(path, ReadingOptions(**options)))


def error_of(path, **options):
    with pytest.raises(InputError) as caught:
        lines_of(path, **options)
    return str(caught.value)


def test_only_newline_ends_a_line(write):
    odd = "한\x1c줄\x85이\u2028다\x0b\x0c"
    path = write(f"{odd}\n둘째\r중간\n".encode())
    assert lines_of(path) == [(1, odd), (2, "둘째\r중간")]


def test_windows_line_ends_byte_order_mark_and_missing_last_newline(write):
    path = write("\ufeff영화 재밌다\r\n두 번째".encode())
    assert lines_of(path) == [(1, "영화 재밌다"), (2, "두 번째")]


def test_a_second_byte_order_mark_is_text(write):
    assert lines_of(write("가\n\ufeff나\n".encode())) == [(1, "가"), (2, "\ufeff나")]


def test_only_one_carriage_return_is_dropped(write):
    assert lines_of(write(b"a\r\r\n")) == [(1, "a\r")]


def test_empty_lines_keep_their_numbers(write):
    assert lines_of(write(b"a\n\nb\n")) == [(1, "a"), (2, ""), (3, "b")]


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16", "utf-16-le"])
def test_named_encodings_are_read(write, encoding):
    path = write("영화\n재밌다ㅋㅋ\r\n".encode(encoding))
    assert lines_of(path, encoding=encoding) == [(1, "영화"), (2, "재밌다ㅋㅋ")]


def test_missing_file_folder_and_empty_file(write, tmp_path):
    assert "nothing.tsv does not exist." in error_of(str(tmp_path / "nothing.tsv"))
    assert "is a folder, expected a file." in error_of(str(tmp_path))
    assert "is empty (0 bytes)" in error_of(write(b""))


def test_utf16_is_recognised_with_and_without_a_mark(write):
    text = "id\tdocument\tlabel\n1\t재밌어요\t1\n"
    message = error_of(write(text.encode("utf-16")))
    assert "is UTF-16, but is read as UTF-8. Pass --encoding=utf-16" in message
    assert "--encoding=utf-16-le" in error_of(write(text.encode("utf-16-le")))
    assert "--encoding=utf-16-be" in error_of(write(text.encode("utf-16-be")))


def test_cp949_is_recognised_even_where_bad_rows_are_allowed(write):
    path = write("id\tdocument\tlabel\n1\t정말 재밌어요ㅋㅋ\t1\n".encode("cp949"))
    message = error_of(path, max_bad_rows=10)
    assert "is CP949, but is read as UTF-8. Pass --encoding=cp949" in message


def test_utf8_read_as_another_encoding_is_recognised(write):
    path = write("id\tdocument\n1\t정말 재밌어요\n".encode())
    assert "is UTF-8, but is read as CP949" in error_of(path, encoding="cp949")
    assert "is UTF-8, but is read as UTF-16" in error_of(path, encoding="utf-16")


def test_a_wide_file_that_breaks_off_is_named(write):
    path = write("가나다\n라".encode("utf-16") + b"\xd8")
    assert "near line 2: not valid utf-16" in error_of(path, encoding="utf-16")


def test_archives_are_recognised(write):
    message = error_of(write(b"\x1f\x8b\x08\x00rest"))
    assert "is a gzip archive: unpack it first." in message


def test_unknown_encoding_is_named(write):
    message = error_of(write(b"a\n"), encoding="cp99999")
    assert "--encoding=cp99999 is unknown." in message
    assert "--encoding=base64 is unknown." in error_of(write(b"a"), encoding="base64")


def test_an_invalid_byte_is_named_with_line_offset_and_value(write):
    path = write("가나\n다".encode() + b"\xb0x\n" + "라\n".encode())
    message = error_of(path)
    # "가나\n" has 7 bytes and "다" 3.
    assert "train.tsv, line 2: byte 0xB0 at offset 10 of the file" in message
    assert "--encoding=cp949" in message
    assert "--max_bad_rows=N" in message


def test_the_offset_counts_a_byte_order_mark(write):
    message = error_of(write(b"\xef\xbb\xbf" + "가".encode() + b"\xff\n"))
    assert "byte 0xFF at offset 6 of the file" in message


def test_bad_rows_are_skipped_up_to_the_limit_and_reported(write):
    path = write("가\n".encode() + b"\xff\nb\0\n" + "라\n".encode())
    bad_rows = BadRows(path, 2)
    rows = list(read_rows(path, ReadingOptions(max_bad_rows=2), bad_rows))
    assert rows == [(1, "가"), (4, "라")]
    assert bad_rows.count == 2
    assert "train.tsv: 2 bad rows (" in bad_rows.summary()
    assert "line 3: a NUL byte at character 1" in bad_rows.summary()
    message = error_of(path, max_bad_rows=1)
    assert "line 3: a NUL byte" in message
    assert "It is bad row 2 and --max_bad_rows=1" in message


def test_no_bad_row_no_summary():
    assert BadRows("train.tsv").summary() == ""


def test_an_overlong_line_is_not_read_into_memory_and_can_be_skipped(write):
    path = write(b"a\n" + b"x" * 200000 + b"\nb\n")
    assert "line 2: 200,000 characters, expected at most 100,000" in error_of(path)
    assert lines_of(path, max_bad_rows=1) == [(1, "a"), (3, "b")]
    message = error_of(write(b"a\n" + b"x" * 900000 + b"\nb\n"))
    assert "line 2: too many characters, expected at most 100,000" in message
    path = write(b"a\n" + b"x" * 900000 + b"\nb\xff\n")
    assert "line 3: byte 0xFF at offset 900004" in error_of(path, max_bad_rows=1)


def test_the_longest_allowed_line_passes(write):
    path = write(("가" * 50 + "\r\n").encode())
    assert lines_of(path, max_line_chars=50) == [(1, "가" * 50)]
    assert "51 characters" in error_of(write(("가" * 51).encode()), max_line_chars=50)


def test_overlong_line_of_a_wide_encoding(write):
    path = write(("가" * 300 + "\n").encode("utf-16"))
    message = error_of(path, encoding="utf-16", max_line_chars=50)
    assert "line 1: too many characters, expected at most 50" in message


def test_a_table_keeps_quotation_marks(write):
    content = 'id\tdocument\tlabel\n3\t"""최고"""다\t1\n4\t"반만\t0\n'
    table = read_table(write(content.encode()))
    assert table.first_row.cells == ("id", "document", "label")
    assert [row.cells for row in table.rows] == [
        ("3", '"""최고"""다', "1"),
        ("4", '"반만', "0"),
    ]


def test_a_row_of_another_width_is_bad(write):
    path = write(b"id\tdocument\tlabel\n1\ta\t0\n2\tb\n")
    with pytest.raises(InputError, match=r"line 3: 2 columns, expected 3 as in line 1"):
        list(read_table(path).rows)
    bad_rows = BadRows(path, 1)
    rows = list(read_table(path, bad_rows=bad_rows).rows)
    assert [row.line_number for row in rows] == [2]
    assert bad_rows.count == 1


def test_blank_lines_are_harmless_only_at_the_end(write):
    rows = read_table(write(b"a\tb\n1\t2\n\n\n")).rows
    assert [row.cells for row in rows] == [("1", "2")]
    with pytest.raises(InputError, match="line 2: an empty line, expected 2 columns"):
        list(read_table(write(b"a\tb\n\n1\t2\n")).rows)


def test_blank_lines_are_rows_where_there_is_one_column(write):
    rows = list(read_table(write("comments\n좋다\n\n싫다\n".encode())).rows)
    assert [row.cells for row in rows] == [("좋다",), ("",), ("싫다",)]


def test_a_bad_first_line_cannot_be_skipped(write):
    path = write(b"a\0b\n1\t2\n")
    with pytest.raises(InputError, match="the first line is bad, and it is needed"):
        read_table(path, options=ReadingOptions(max_bad_rows=5))
