"""Corpora: documents in bounded memory, and what is said of bad input."""

import gzip
import io
import unicodedata

import pytest

from data.corpus import reader
from data.io.errors import InputError


def _write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return str(path)


def _documents(*paths, **options):
    return list(reader.stream_documents(paths, **options))


def test_blank_lines_separate_documents(tmp_path):
    path = _write(tmp_path, "a.txt", "오늘 날씨가 좋다\n산책을 가자\n\n\n안녕\n")
    assert _documents(path) == [["오늘 날씨가 좋다", "산책을 가자"], ["안녕"]]


def test_spaces_line_ends_and_byte_order_mark_do_not_count(tmp_path):
    text = "\ufeff 하나 \r\n둘\t\r\n \u3000\r\n셋"
    assert _documents(_write(tmp_path, "a.txt", text)) == [["하나", "둘"], ["셋"]]


def test_only_newlines_end_a_line(tmp_path):
    text = "하나\u2028둘\u0085셋\x0b넷\n"
    assert _documents(_write(tmp_path, "a.txt", text)) == [[text.strip()]]


@pytest.mark.parametrize("block_bytes", [1, 40, 1 << 20])
def test_line_ends_of_old_macs_are_refused(tmp_path, block_bytes):
    path = _write(tmp_path, "a.txt", "오늘 날씨가 좋다\r산책을 가자\r\r안녕\r")
    with pytest.raises(InputError, match="carriage returns .CR. and no line feed"):
        list(reader.read_blocks([path], block_bytes))
    for first in ("오늘 날씨가 좋다", "오늘\r날씨가 참 좋다"):
        sound = _write(tmp_path, "b.txt", f"{first}\r\n산책을\r가자\r\n")
        blocks = list(reader.read_blocks([sound], block_bytes))
        (documents,) = [reader.parse_block(block).documents for block in blocks][:1]
        assert documents[0][0] == first
    path = _write(tmp_path, "c.txt", "오늘 날씨가 좋다\r" * 40000)
    with pytest.raises(InputError, match="carriage returns .CR. and no line feed"):
        list(reader.read_blocks([path], max(block_bytes, 1 << 16)))


def test_text_is_composed(tmp_path):
    decomposed = unicodedata.normalize("NFD", "한국어 café ㅋㅋ 😀")
    path = _write(tmp_path, "a.txt", decomposed)
    assert _documents(path) == [["한국어 café ㅋㅋ 😀"]]


def test_end_of_a_file_ends_the_document(tmp_path):
    paths = [_write(tmp_path, name, "하나\n둘") for name in ("a.txt", "b.txt")]
    assert _documents(*paths) == [["하나", "둘"], ["하나", "둘"]]


def test_compressed_files_are_read_as_plain_ones(tmp_path):
    content = ("하나 둘 셋\n넷\n\n" * 100000).encode("utf-8")
    plain = _write(tmp_path, "a.txt", content)
    packed = _write(tmp_path, "b.gz", gzip.compress(content))
    blocks = [
        [[part.data for part in block.parts] for block in reader.read_blocks([path])]
        for path in (plain, packed)
    ]
    assert blocks[0] == blocks[1]
    assert len(blocks[0]) > 1


def test_paths_are_opened_by_the_function_passed_in():
    files = {"gs://bucket/a.txt": "하나\n".encode()}

    def open_file(path, mode):
        assert mode == "rb"
        return io.BytesIO(files[path])

    assert _documents("gs://bucket/a.txt", open_file=open_file) == [["하나"]]


def _many_documents(count=3000):
    return "".join(
        "".join(f"문서 {index} 문장 {line}\n" for line in range(1 + index % 7)) + "\n"
        for index in range(count)
    )


@pytest.mark.parametrize("block_bytes", [1000, 4096, 100000, 1 << 24])
def test_blocks_hold_whole_documents_in_order(tmp_path, block_bytes):
    path = _write(tmp_path, "a.txt", _many_documents())
    blocks = list(reader.read_blocks([path], block_bytes))
    documents = [doc for block in blocks for doc in reader.parse_block(block).documents]
    assert documents == _documents(path)
    assert [block.index for block in blocks] == list(range(len(blocks)))
    sizes = [sum(len(part.data) for part in block.parts) for block in blocks]
    assert max(sizes) <= 1.5 * block_bytes
    assert all(size >= block_bytes for size in sizes[:-1])
    assert sum(block.read for block in blocks) == len(_many_documents().encode("utf-8"))


def test_small_files_share_a_block(tmp_path):
    paths = [_write(tmp_path, f"{i}.txt", f"파일 {i}\n") for i in range(5)]
    blocks = list(reader.read_blocks(paths))
    assert len(blocks) == 1
    documents = reader.parse_block(blocks[0]).documents
    assert documents == [[f"파일 {i}"] for i in range(5)]


def test_document_larger_than_a_block_is_cut_at_a_line(tmp_path):
    lines = [f"끝이 없는 문서 {index}" for index in range(2000)]
    path = _write(tmp_path, "a.txt", "\n".join(lines))
    blocks = list(reader.read_blocks([path], 4096))
    documents = [doc for block in blocks for doc in reader.parse_block(block).documents]
    assert [sentence for document in documents for sentence in document] == lines
    assert len(documents) > 10


def test_long_document_goes_on_as_a_new_one(tmp_path):
    lines = ["가" * 1000] * 50
    documents = _documents(_write(tmp_path, "a.txt", "\n".join(lines)))
    assert [len(document) for document in documents] == [17, 17, 16]


def test_memory_does_not_grow_with_the_corpus():
    class Endless(io.RawIOBase):
        """100 MB of documents, of which the most asked for at once is noted."""

        position = most = 0
        content = ("하나 둘\n셋\n\n" * 50000).encode("utf-8")

        def read(self, size=-1):
            self.most = max(self.most, size)
            self.position += size
            return self.content[:size] if self.position < 100000000 else b""

        def tell(self):
            return self.position

    stream = Endless()
    sizes = [
        sum(len(part.data) for part in block.parts)
        for block in reader.read_blocks(["a"], open_file=lambda path, mode: stream)
    ]
    assert sum(sizes) > 90000000
    assert max(sizes) < 1.3 * reader.DEFAULT_BLOCK_BYTES
    assert stream.most <= reader.DEFAULT_BLOCK_BYTES


def test_invalid_utf8_is_named_with_file_line_and_byte(tmp_path):
    content = "\ufeff하나\n둘 ".encode() + b"\xb0\xa1\n" + "셋\n".encode()
    path = _write(tmp_path, "a.txt", content)
    with pytest.raises(InputError) as error:
        _documents(path)
    assert str(error.value) == (
        f"{path}, line 2: byte 0xB0 at offset 14 of the file is not valid UTF-8. "
        "Convert the file to UTF-8. Fix it, or leave such lines out with "
        "--max_bad_rows=N."
    )
    assert content[14] == 0xB0
    assert _documents(path, max_bad_rows=1) == [["하나", "셋"]]


def test_offsets_and_lines_count_over_blocks(tmp_path):
    text = _many_documents().encode("utf-8")
    path = _write(tmp_path, "a.txt", text + b"\xff\n")
    blocks = reader.read_blocks([path], 4096)
    problems = [p for block in blocks for p in reader.parse_block(block).problems]
    line = text.count(b"\n") + 1
    assert len(problems) == 1
    assert f"line {line}: byte 0xFF at offset {len(text)}" in problems[0]


def test_more_bad_lines_than_allowed_stop(tmp_path):
    path = _write(tmp_path, "a.txt", b"\xff\n\xff\n\xff\n")
    message = "line 3: .* It is bad line 3 and --max_bad_rows=2"
    with pytest.raises(InputError, match=message):
        _documents(path, max_bad_rows=2)


@pytest.mark.parametrize("characters", [100001, 3000000])
def test_giant_line_is_refused(tmp_path, characters):
    path = _write(tmp_path, "a.txt", "첫 줄\n\n" + "가" * characters)
    with pytest.raises(InputError, match=f"{path}, line 3: .* at most 100000") as error:
        _documents(path)
    assert "Put one sentence on each line." in str(error.value)


@pytest.mark.parametrize("block_bytes", [4096, 1 << 19, 1 << 22])
@pytest.mark.parametrize("after", ["\n둘\n\n셋\n", ""])
def test_giant_line_is_left_out_whatever_the_block(tmp_path, block_bytes, after):
    text = "첫 줄\n\n하나\n" + "가" * 800000 + after
    path = _write(tmp_path, "a.txt", text.encode("utf-8") + b"\n\n\xff\n")
    blocks = list(reader.read_blocks([path], block_bytes))
    parsed = [reader.parse_block(block) for block in blocks]
    sentences = [
        sentence
        for part in parsed
        for document in part.documents
        for sentence in document
    ]
    assert sentences == ["첫 줄", "하나"] + after.split()
    giant, invalid = (problem for part in parsed for problem in part.problems)
    assert giant == (
        f"{path}, line 4: more than 400000 bytes, expected at most 100000 characters. "
        "Put one sentence on each line."
    )
    size = len(text.encode("utf-8")) + 2
    line = text.count("\n") + 3
    assert f"line {line}: byte 0xFF at offset {size} of the file" in invalid
    assert sum(block.read for block in blocks) == size + 2


def test_giant_line_takes_little_memory(tmp_path):
    path = _write(tmp_path, "a.gz", gzip.compress(b"a" * (1 << 24)))
    sizes = [
        len(part.data)
        for block in reader.read_blocks([path], 4096)
        for part in block.parts
    ]
    assert sum(sizes) < 500000


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"])
def test_corpus_without_text_is_refused(tmp_path, content):
    path = _write(tmp_path, "a.txt", content)
    with pytest.raises(InputError, match=f"The corpus holds no text: {path}"):
        _documents(path)


def test_missing_file_is_named(tmp_path):
    path = str(tmp_path / "none.txt")
    with pytest.raises(InputError, match=f"{path} could not be read: .*No such file"):
        _documents(path)


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda c: c[:50] + b"x" * 50])
def test_damaged_archive_is_named(tmp_path, damage):
    content = gzip.compress(_many_documents().encode("utf-8"))
    path = _write(tmp_path, "a.gz", damage(content))
    with pytest.raises(InputError, match=f"{path} could not be read: "):
        _documents(path)
