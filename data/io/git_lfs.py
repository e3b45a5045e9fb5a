"""Tells the stand-in that Git leaves for a large file from the file itself."""

from .errors import InputError

_FIRST_LINE = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = len(_FIRST_LINE)


def refuse_lfs_pointer(content: bytes, path: str) -> None:
    """Raises InputError if a file that is read is a pointer of Git LFS.

    Args:
      content: its first `POINTER_BYTES` bytes, or more.
    """
    if content.startswith(_FIRST_LINE):
        raise InputError(
            f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in "
            "the repository that it comes from, or download the file."
        )
