"""A pointer of Git LFS is never taken for the file that it stands for."""

import pytest

from data.corpus.reader import read_blocks
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.io.tables import read_rows
from data.tokenization import TokenizerConfig, load_vocabulary
from data.tokenization.sentencepiece import load_model

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n"


@pytest.mark.parametrize(
    "name, read",
    [
        ("vocab.txt", load_vocabulary),
        ("spm.model", load_model),
        ("tokenizer_config.json", TokenizerConfig.from_json_file),
        ("tokenizer.json", read_json_object),
        ("train.tsv", lambda path: list(read_rows(path))),
        ("corpus.txt", lambda path: list(read_blocks([path]))),
    ],
)
def test_a_pointer_is_told_from_the_file(tmp_path, name, read):
    path = tmp_path / name
    path.write_text(POINTER)
    with pytest.raises(InputError) as raised:
        read(str(path))
    assert str(raised.value) == (
        f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in the "
        "repository that it comes from, or download the file."
    )
