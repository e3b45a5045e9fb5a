"""python -m data.download"""

from ..io.cli import run
from .command import main

if __name__ == "__main__":
    run(main)
