"""A corpus in another encoding is named, not read as broken lines."""

import pytest

from data.corpus.reader import read_blocks
from data.io.errors import InputError

TEXT = "오늘 날씨가 좋다\n산책을 가자\n\n안녕\n"


@pytest.mark.parametrize(
    "encoding, name", [("cp949", "CP949"), ("utf-16", "UTF-16"), ("utf-32", "UTF-32")]
)
def test_another_encoding_is_named_with_the_way_out(tmp_path, encoding, name):
    path = tmp_path / "corpus.txt"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(InputError) as raised:
        list(read_blocks([str(path)]))
    assert str(raised.value) == (
        f"{path} is {name}, but a corpus is read as UTF-8. Convert it, for example "
        f"with `iconv -f {name} -t UTF-8 OLD > NEW`."
    )


def test_utf_8_is_read(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8-sig")
    assert len(list(read_blocks([str(path)]))) == 1
