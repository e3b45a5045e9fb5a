import pytest

from data.io.csv_tables import read_csv
from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions


@pytest.fixture
def write(tmp_path):
    def write_text(content):
        path = tmp_path / "pairs.csv"
        path.write_bytes(content.encode())
        return str(path)

    return write_text


def cells_of(path):
    return [row.cells for row in read_csv(path).rows]


def test_commas_quotes_and_line_ends_inside_a_quoted_cell(write):
    content = (
        "\ufeffid,question,label\r\n"
        '49,"4월, 이별을 말합니다.",1\r\n'
        '50,"그가 ""안녕""이라고 했다",0\r\n'
        '51,"첫 줄\r\n둘째 줄",1\r\n'
        "52,끝,0"
    )
    table = read_csv(write(content))
    assert table.first_row.cells == ("id", "question", "label")
    assert list(table.rows) == [
        (2, ("49", "4월, 이별을 말합니다.", "1")),
        (3, ("50", '그가 "안녕"이라고 했다', "0")),
        (4, ("51", "첫 줄\n둘째 줄", "1")),
        (6, ("52", "끝", "0")),
    ]


def test_a_row_of_another_width_is_bad(write):
    path = write("id,label\n1,0\n2,0,0\n3,1\n")
    with pytest.raises(InputError, match="line 3: 3 columns, expected 2"):
        cells_of(path)
    bad_rows = BadRows(path, 1)
    rows = list(read_csv(path, ReadingOptions(), bad_rows).rows)
    assert [row.cells for row in rows] == [("1", "0"), ("3", "1")]


def test_text_after_a_closing_quotation_mark_is_bad(write):
    path = write('id,text\n1,"가"나\n2,다\n')
    with pytest.raises(InputError, match="line 2: not comma separated values"):
        cells_of(path)
    rows = read_csv(path, ReadingOptions(), BadRows(path, 1)).rows
    assert [row.cells for row in rows] == [("2", "다")]


def test_an_open_quotation_mark_is_an_error_though_bad_rows_are_allowed(write):
    path = write('id,text\n1,가\n2,"나\n3,다\n4,라\n')
    message = "line 3: a quotation mark is opened and never closed"
    with pytest.raises(InputError, match=message):
        list(read_csv(path, ReadingOptions(), BadRows(path, 9)).rows)


def test_no_row_is_swallowed_as_one_bad_row(write):
    """Whatever stops the parser, if it has read on beyond the row's first line."""
    message = "line 3: a quotation mark is opened and never closed, .*line {}"
    closed_in_a_later_row = 'id,text\n1,가\n2,"나\n3,다\n4,"라"\n5,마\n'
    beyond_the_field_limit = 'id,text\n1,가\n2,"나\n' + ("다" * 99 + "\n") * 2000
    for content, line in ((closed_in_a_later_row, 5), (beyond_the_field_limit, 131)):
        path = write(content)
        for limit in (0, 1):
            with pytest.raises(InputError, match=message.format(line)) as caught:
                list(read_csv(path, ReadingOptions(), BadRows(path, limit)).rows)
            assert "--max_bad_rows" not in str(caught.value)


def test_a_row_of_very_many_lines_is_doubted(write):
    poem, swallowed = "행\n" * 10, "3,다\n" * 290
    path = write(f'id,text\n1,"{poem}"\n2,"{swallowed}끝"\n5,라\n')
    bad_rows = BadRows(path)
    assert len(list(read_csv(path, bad_rows=bad_rows).rows)) == 3
    assert bad_rows.count == 0
    assert bad_rows.summary() == (
        f"{path}: lines 13 to 303 are one row, with line ends in quotation marks: is "
        "one of these missing?"
    )
