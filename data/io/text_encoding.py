"""Recognises from a file's first bytes an encoding or format that was not expected.

A guess is only ever put into an error message: nothing is decoded by guesswork.
"""

import codecs
from typing import Optional

from .errors import InputError
from .files import open_file

_HEAD_BYTES = 1 << 16
_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ARCHIVE_MARKS = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"))
_PLAUSIBLE_SHARE = 0.9
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = len(_LFS_POINTER)


def name_encoding(encoding: str) -> str:
    """The codec's canonical name, "utf-8" for all its spellings with or without a mark.

    ``name_encoding("UTF8")`` is "utf-8", ``name_encoding("MS949")`` is "cp949".

    Raises:
      InputError: Python knows no text codec of that name.
    """
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError as error:
        raise InputError(
            f"--encoding={encoding} is unknown. Use for example utf-8, cp949 or utf-16."
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def check_head(path: str, encoding: str) -> None:
    """Raises InputError if the first 64 KiB of the file are plainly something else.

    Args:
      path: an existing file.
      encoding: a canonical codec name (``name_encoding``).
    """
    with open_file(path) as stream:
        head = stream.read(_HEAD_BYTES)
    refuse_lfs_pointer(head, path)
    for mark, archive in _ARCHIVE_MARKS:
        if head.startswith(mark):
            raise InputError(f"{path} is a {archive} archive: unpack it first.")
    found = _foreign_encoding(head, encoding)
    if found and found != encoding:
        raise InputError(
            f"{path} is {found.upper()}, but is read as {encoding.upper()}. "
            f"Pass --encoding={found}, or convert it."
        )


def refuse_lfs_pointer(content: bytes, path: str) -> None:
    """Raises InputError if what was read is a pointer that Git LFS leaves for a file.

    Args:
      content: the first `POINTER_BYTES` bytes of the file, or more.
    """
    if content.startswith(_LFS_POINTER):
        raise InputError(
            f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in "
            "the repository that it comes from, or download the file."
        )


def refuse_foreign_encoding(content: bytes, path: str, kind: str) -> None:
    """Raises InputError if the beginning of a file is plainly not UTF-8.

    "corpus.txt is CP949, but a corpus is read as UTF-8. Convert it: iconv ..."

    Args:
      content: the first 64 KiB of the file, or more.
      kind: what is read as UTF-8 always: "a corpus".
    """
    found = _foreign_encoding(content[:_HEAD_BYTES], "utf-8")
    if found:
        raise InputError(
            f"{path} is {found.upper()}, but {kind} is read as UTF-8. Convert it, "
            f"for example with `iconv -f {found.upper()} -t UTF-8 OLD > NEW`."
        )


def refuse_lone_carriage_returns(content: bytes, path: str) -> None:
    """Raises InputError if the beginning of a text has the line ends of an old Mac.

    Args:
      content: at least the first line, if it has an end.
    """
    if b"\r" in content[:-1] and b"\n" not in content:
        raise InputError(
            f"{path} has {content.count(13)} carriage returns (CR) and no line feed, "
            "so it would be read as one line. Convert its line ends, for example with "
            "`tr '\\r' '\\n' < OLD > NEW`."
        )


def _foreign_encoding(head: bytes, encoding: str) -> Optional[str]:
    """The encoding that ``head`` has instead of ``encoding``; None if it may be right.

    Examples: b"\\xff\\xfe..." is "utf-16"; "영화" in CP949 (b"\\xbf\\xb5\\xc8\\xad")
    read as UTF-8 is "cp949".
    """
    if not encoding.startswith(("utf-16", "utf-32")):
        for mark, name in _WIDE_MARKS:
            if head.startswith(mark):
                return name
        if b"\0" in head:
            for name in ("utf-16-le", "utf-16-be"):
                if _looks_korean(head, name):
                    return name
    if encoding == "utf-8":
        return "cp949" if _is_cp949(head) else None
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if not _decodes(head, encoding) and _decodes(head, "utf-8"):
        return "utf-8"
    return None


def _is_cp949(head: bytes) -> bool:
    """True if no line with Korean in it is UTF-8, and together they are sound CP949."""
    lines = [line for line in head.split(b"\n") if not line.isascii()]
    if len(head) == _HEAD_BYTES:
        lines = lines[:-1]  # cut at an arbitrary byte
    if not lines or any(_decodes(line, "utf-8") for line in lines):
        return False
    return _looks_korean(b"\n".join(lines), "cp949")


def _decodes(head: bytes, encoding: str) -> bool:
    """True if ``head`` decodes, a character cut off at its end left aside."""
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    except UnicodeError:  # UnicodeDecodeError, or UTF-16 without its mark
        return False
    return True


def _looks_korean(head: bytes, encoding: str) -> bool:
    """True if ``head`` decodes to hardly anything but ASCII and everyday Hangul."""
    if not _decodes(head, encoding):
        return False
    text = codecs.getincrementaldecoder(encoding)("strict").decode(head, final=False)
    plausible = sum(_is_plausible(character) for character in text)
    return plausible >= _PLAUSIBLE_SHARE * len(text)


def _is_plausible(character: str) -> bool:
    if character in "\t\r\n" or " " <= character <= "~":
        return True
    return "가" <= character <= "힣" or "ㄱ" <= character <= "ㅣ"
