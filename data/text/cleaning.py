"""Cleaning of comments and dialogue, as ordered steps that each have a name.

The two published preparations of Korean comment corpora are `RECIPES`:

- "kcelectra" (KcELECTRA, KcBERT): Hangul, Latin, digits, punctuation and emoji stay;
  Hanja, URLs and the censor mark OOO go; repeated characters are shortened to two.
- "dialog_koelectra" (Dialog-KoELECTRA): Hanja go, repeated characters are shortened.

Both begin with Unicode composition (NFC), or decomposed Hangul would be lost. The
published functions also shorten digits (10000원 -> 100원) and one variant deletes emoji
although its text keeps them; here numbers and emoji stay. Files, minimum length and
duplicates are left to clean_corpus.py.
"""

import re
from typing import (
    Callable,
    Dict,
    List,
    Match,
    NamedTuple,
    Optional,
    Pattern,
    Sequence,
    Tuple,
)

from ..io.errors import InputError
from . import unicode11
from .aligned_text import AlignedText
from .emoji import EMOJI_SEQUENCE

_HANJA = (
    "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002fa1f\U00030000-\U0003134f"
)
_URL = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)
_CENSOR_MARK = re.compile(r"(?<![A-Za-z])O{3,}(?![A-Za-z])")
_HANJA_RUN = re.compile(
    rf"[(\[（［]\s*[{_HANJA}]+(?:[\s,·]+[{_HANJA}]+)*\s*[)\]）］]|[{_HANJA}]+"
)
_REPEATED = re.compile(rf"([^\s\d]|{EMOJI_SEQUENCE})\1{{2,}}")
_SPACES = re.compile(r"\s+")
# Characters that are kept without a look at their Unicode category.
_PLAIN = " -~ㄱ-ㅣ가-힣À-ÖØ-öø-ɏ∼～"
_DOUBTFUL = re.compile(rf"({EMOJI_SEQUENCE})|[^{_PLAIN}]")
# Cheap searches that tell whether the expensive ones can find anything.
_NOT_PLAIN = re.compile(f"[^{_PLAIN}]")
_PERHAPS_REPEATED = re.compile(rf"([^\s\d])\1\1|[^{_PLAIN}]")


class Step(NamedTuple):
    """One change to a text.

    Attributes:
      name: how recipes and reports call it.
      clean: str -> str.
      clean_aligned: the same on an AlignedText, so that offsets hold through it.
    """

    name: str
    clean: Callable[[str], str]
    clean_aligned: Callable[[AlignedText], AlignedText]


def _substitution(
    name: str,
    pattern: Pattern[str],
    replacement: Callable[[Match[str]], str],
    only_if: Optional[Pattern[str]] = None,
) -> Step:
    needed = only_if or pattern
    return Step(
        name,
        lambda text: pattern.sub(replacement, text) if needed.search(text) else text,
        lambda aligned: aligned.substitute(pattern, replacement),
    )


def _strip_hanja(match):
    """Hanja in brackets explain the word before them and leave nothing behind."""
    return "" if match.group()[0] in "([（［" else " "


def _keep_or_space(match):
    char = match.group()
    if match.group(1) or unicode11.category(char).startswith("P"):
        return char
    return " "


def _strip(text):
    return " ".join(text.split())


STEPS: Dict[str, Step] = {
    step.name: step
    for step in (
        # ᄒ ᅡ ᆫ -> 한
        Step("compose", unicode11.compose, AlignedText.compose),
        # 대한민국(大韓民國)은 美에 -> 대한민국은  에
        _substitution("hanja", _HANJA_RUN, _strip_hanja),
        # 링크https://a.kr/b?c=1입니다 -> 링크 입니다
        _substitution("urls", _URL, lambda match: " "),
        # OOO씨 -> " 씨"
        _substitution("censor_marks", _CENSOR_MARK, lambda match: " "),
        # 좋아요★♡😀 -> 좋아요  😀
        _substitution("characters", _DOUBTFUL, _keep_or_space, _NOT_PLAIN),
        # ㅋㅋㅋㅋ 최고!!!! 😀😀😀 10000원 -> ㅋㅋ 최고!! 😀😀 10000원
        _substitution(
            "repeats", _REPEATED, lambda match: match.group(1) * 2, _PERHAPS_REPEATED
        ),
        # "  좋아요 \t 정말 " -> "좋아요 정말"
        Step("spaces", _strip, AlignedText.collapse_spaces),
    )
}

RECIPES: Dict[str, Tuple[str, ...]] = {
    "kcelectra": (
        "compose",
        "hanja",
        "urls",
        "censor_marks",
        "characters",
        "repeats",
        "spaces",
    ),
    "dialog_koelectra": ("compose", "hanja", "repeats", "spaces"),
}


def steps_named(names: Sequence[str]) -> List[Step]:
    """The steps of these names, in this order.

    Raises:
      InputError: an unknown name.
    """
    for name in names:
        if name not in STEPS:
            raise InputError(
                f"Unknown cleaning step {name!r}. Known steps: {', '.join(STEPS)}."
            )
    return [STEPS[name] for name in names]


def recipe_steps(recipe: str) -> List[Step]:
    """The steps of a recipe.

    Raises:
      InputError: an unknown recipe.
    """
    if recipe not in RECIPES:
        raise InputError(
            f"Unknown cleaning recipe {recipe!r}. Known recipes: {', '.join(RECIPES)}."
        )
    return steps_named(RECIPES[recipe])


def clean(text: str, steps: Sequence[Step]) -> str:
    """The text after all steps.

    Example (kcelectra): ``"와ㅋㅋㅋㅋ 大박!!! https://a.kr OOO씨 😀"`` ->
    ``"와ㅋㅋ 박!! 씨 😀"``.
    """
    for step in steps:
        text = step.clean(text)
    return text


def clean_aligned(aligned: AlignedText, steps: Sequence[Step]) -> AlignedText:
    """``clean`` with the original position of every character that is left."""
    for step in steps:
        aligned = step.clean_aligned(aligned)
    return aligned
