"""Numbers on a benchmark's command line, refused before anything runs."""

import argparse
import math


def positive_int(text: str) -> int:
    return _positive(int, text)


def positive_float(text: str) -> float:
    return _positive(float, text)


def seed_number(text: str) -> int:
    """A whole number that the commands take as --random_seed."""
    value = _number(int, text)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"{text}, expected 0 to {2**31 - 1}")
    return value


def require_different(parser: argparse.ArgumentParser, name: str, values: list) -> None:
    """Ends with a line where an option has a value twice, which is no second run."""
    if len(set(values)) < len(values):
        parser.error(f"argument --{name}: {values}, expected different values")


def _positive(kind, text):
    value = _number(kind, text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}, expected more than 0")
    return value


def _number(kind, text):
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{text}, expected {wanted}") from None
