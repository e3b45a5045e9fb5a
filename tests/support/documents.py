"""The pages of the documentation: their commands, flags, tables and links."""

import copy
import glob
import importlib
import os
import re
import shlex
from typing import List, NamedTuple, Tuple

from absl import flags

from data import tasks
from data.download import sources
from data.io import cli
from korean_encoders.console import COMMANDS
from tests.support.paths import ROOT

READMES = ("README.md", "README.ko.md")
PAGES = READMES + tuple(
    sorted(
        os.path.relpath(path, ROOT)
        for path in glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True)
    )
)
# Written by run_benchmark.py, each as it was at that time.
REPORTS = tuple(page for page in PAGES if page.startswith("docs/benchmark/"))
GUIDES = tuple(page for page in PAGES if page not in REPORTS)
MIGRATING = "docs/migrating.md"
# English and Korean.
TRANSLATIONS = (READMES,) + tuple(
    (f"docs/{os.path.basename(page)}", page)
    for page in PAGES
    if page.startswith("docs/ko/")
)

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_INLINE_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)]+)\)")
_SEPARATORS = re.compile(r" \| | && ")


class Section(NamedTuple):
    """A heading and what follows it, without fenced blocks."""

    mark: str
    title: str
    text: str


def read(page: str) -> str:
    """The text of a page, by its path from the project's root."""
    with open(os.path.join(ROOT, page), encoding="utf-8") as reader:
        return reader.read()


def blocks(page: str) -> List[Tuple[str, str]]:
    """(language, text) of each fenced block."""
    return _FENCED.findall(read(page))


def sections(page: str) -> List[Section]:
    """The sections in order."""
    parts = _HEADING.split(_FENCED.sub("", read(page)))[1:]
    return [Section(*each) for each in zip(parts[::3], parts[1::3], parts[2::3])]


def rows(text: str) -> List[List[str]]:
    """The cells of each line of the tables, without the lines of dashes."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells for cells in found if set("".join(cells)) - set("-")]


def inline_code(text: str) -> List[str]:
    """What stands in backticks, each on one line."""
    return [" ".join(code.split()) for code in _INLINE_CODE.findall(text)]


def links(page: str) -> List[str]:
    """The targets of links and pictures."""
    return _LINK.findall(_FENCED.sub("", read(page)))


def anchors(page: str) -> List[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    titles = [section.title.replace("`", "").lower() for section in sections(page)]
    return [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]


def shell_commands(page: str) -> List[List[str]]:
    """The words of each command in the page's blocks of language sh."""
    found = []
    for language, text in blocks(page):
        if language == "sh":
            for line in _logical_lines(text):
                calls = _SEPARATORS.split(line)
                found += [shlex.split(call, comments=True) for call in calls]
    return [words for words in found if words]


def commands(page: str, *programs: str) -> List[List[str]]:
    """The words of each command that calls a program, in blocks and in sentences.

    In a sentence "predict.py --help" is one, too; a name alone is none.
    """
    inline = [
        words
        for section in sections(page)
        for words in map(_words, inline_code(section.text))
        if len(words) > 1
    ]
    return [
        words for words in shell_commands(page) + inline if words[:1][0] in programs
    ]


def _words(code: str) -> List[str]:
    try:
        words = shlex.split(code)
    except ValueError:  # an apostrophe
        return []
    if words and words[0].endswith(".py") and words[0] in os.listdir(ROOT):
        return ["python3", *words]
    return words


def _logical_lines(text: str) -> List[str]:
    """The lines of a shell script: those that go on behind \\ or in quotes are one."""
    lines, line = [], ""
    for part in text.replace("\\\n", " ").splitlines():
        line = f"{line}\n{part}" if line else part
        if line.count("'") % 2 == 0:
            lines.append(line)
            line = ""
    return lines


def module_of(words: List[str]) -> Tuple[str, List[str]]:
    """The module that has a command's flags, and the command's arguments.

    Raises:
      AssertionError: there is no such script, module or command.
    """
    if words[0] == "korean-encoders":
        assert words[1] in COMMANDS, words[1]
        return COMMANDS[words[1]].module, words[2:]
    script = f"-m {words[2]}" if words[1] == "-m" else words[1]
    for command in COMMANDS.values():
        if command.script == script:
            return command.module, words[3 if words[1] == "-m" else 2 :]
    raise AssertionError(f"no command is called {script}")


def flags_of(module_name: str) -> flags.FlagValues:
    """All flags of a command, at their defaults, without running it."""
    module = importlib.import_module(module_name)
    if hasattr(module, "define_flags"):
        values = flags.FlagValues()
        module.define_flags(values)
        return values
    values = copy.deepcopy(module.FLAGS)
    for name in values:
        values[name].unparse()
    return values


def parse(words: List[str]) -> Tuple[str, flags.FlagValues]:
    """Parses a command such as ["python3", "run_classifier.py", "--do_train"].

    Returns:
      The module, and its flags with the values that the command gives them.
    """
    module, arguments = module_of(words)
    if module.startswith("data.download"):
        while arguments and not arguments[0].startswith("-"):
            for name in tasks.expand_groups([arguments.pop(0)]):
                sources.get_source(name)
    values = flags_of(module)
    if "--help" not in arguments:
        assert cli.parse_into(values, [module, *arguments], "")
    return module, values
