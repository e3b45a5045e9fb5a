"""How far the reading of a corpus is, on standard error."""

import sys
from typing import Optional, Sequence

from tqdm import tqdm

from .files import file_size


def progress_bar(paths: Sequence[str], what: Optional[str] = None) -> tqdm:
    """Bytes of a corpus, rate and time left; in a log, a line now and then.

    Args:
      paths: the files of the corpus; `update(block.read)` tells what was read of them.
      what: stands before the bar.
    """
    return tqdm(
        desc=what,
        total=sum(map(file_size, paths)),
        unit="B",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )
