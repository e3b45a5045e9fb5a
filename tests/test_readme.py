"""README.md and README.ko.md: equal to each other, and true of scripts and files."""

import collections
import copy
import importlib
import os
import re
import shlex

import pytest
from absl import flags

from data.download import sources
from data.io import cli

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENGLISH, KOREAN = "README.md", "README.ko.md"
NAMES = (ENGLISH, KOREAN)
MAP_OF_FILES = {ENGLISH: "A map of the files", KOREAN: "파일 지도"}
MIGRATION = {
    ENGLISH: "Migrating from google-research/{bert,albert,electra}",
    KOREAN: "google-research/{bert,albert,electra}에서 옮겨 오기",
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
INLINE_CODE = re.compile(r"`([^`]+)`")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as reader:
        return reader.read()


def blocks(name):
    """(language, text) of each fenced block."""
    return FENCED.findall(read(name))


def sections(name):
    """(mark, title, text without its fenced blocks) of each section, in order."""
    parts = HEADING.split(FENCED.sub("", read(name)))[1:]
    return list(zip(parts[::3], parts[1::3], parts[2::3]))


def section(name, wanted):
    (text,) = [text for _, title, text in sections(name) if title == wanted]
    return text


def rows(text):
    """The cells of each line of the tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def inline_code(text):
    """What stands in backticks, each on one line."""
    return [" ".join(code.split()) for code in INLINE_CODE.findall(text)]


def commands(name, program):
    """The words of each command that calls `program`, in blocks and in sentences."""
    lines = []
    for language, text in blocks(name):
        if language == "sh":
            lines += text.replace("\\\n", " ").splitlines()
    for _, _, text in sections(name):
        lines += inline_code(text)
    calls = [call for line in lines for call in line.split(" | ")]
    words = [
        shlex.split(call, comments=True)
        for call in calls
        if call.split()[:1] == [program]
    ]
    return [each for each in words if len(each) > 1]


def flags_of(module_name):
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


def parse(words):
    """Parses a command such as ["python3", "run_classifier.py", "--do_train"].

    Returns:
      The module, and its flags with the values that the command gives them.
    """
    if words[1] == "-m":
        module, arguments = words[2], words[3:]
        path = module.replace(".", "/") + ".py"
    else:
        path, arguments = words[1], words[2:]
        module = path[: -len(".py")]
    assert os.path.isfile(os.path.join(ROOT, path)), path
    if module == "data.download":
        while arguments and not arguments[0].startswith("-"):
            sources.get_source(arguments.pop(0))
    values = flags_of(module)
    assert cli.parse_into(values, [module, *arguments], "")
    return module, values


# --- Equal to each other ------------------------------------------------------------


def test_each_names_the_other_below_its_title():
    for name, other in (NAMES, NAMES[::-1]):
        assert f"[{other}]({other})" in read(name).splitlines()[2]


def test_both_have_the_same_code_blocks():
    assert blocks(KOREAN) == blocks(ENGLISH)
    assert len(blocks(ENGLISH)) > 10


def test_both_have_the_same_headings():
    marks = [[mark for mark, _, _ in sections(name)] for name in NAMES]
    assert marks[0] == marks[1]


def test_both_name_the_same_files_and_flags_in_each_section():
    for (_, title, ours), (_, _, theirs) in zip(sections(ENGLISH), sections(KOREAN)):
        names = [collections.Counter(inline_code(text)) for text in (ours, theirs)]
        assert names[0] == names[1], title


def test_both_have_the_same_tables_with_the_same_numbers():
    def shape(text):
        return [
            [sorted(re.findall(r"\d[\d.,]*", cell)) for cell in row]
            for row in rows(re.sub(r"(\d)[.,](?!\d)", r"\1 ", text))
        ]

    for (_, title, ours), (_, _, theirs) in zip(sections(ENGLISH), sections(KOREAN)):
        assert shape(ours) == shape(theirs), title


# --- True of scripts and files ------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_python_command_has_flags_that_its_script_defines(name, monkeypatch):
    monkeypatch.chdir(ROOT)  # where --config=configs/... is
    called = {parse(words)[0] for words in commands(name, "python3")}
    assert called >= {
        "convert_checkpoint",
        "data.clean_corpus",
        "data.create_pretraining_data",
        "data.download",
        "data.train_vocab",
        "export_savedmodel",
        "extract_features",
        "predict",
        "run_classifier",
        "run_pretraining",
    }


@pytest.mark.parametrize(
    "command",
    [
        "run_classifier.py --max_length=128",
        "run_classifier.py --compute_type=float64",
        "run_pretraining.py --num_train_steps=many",
        "convert_checkpoint.py --from=tensorflow",
        "-m data.create_pretraining_data --model_type=gpt",
    ],
)
def test_a_flag_or_value_that_does_not_exist_is_noticed(command):
    with pytest.raises(flags.Error):
        parse(["python3"] + command.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_flag_in_a_sentence_belongs_to_a_script(name):
    known = {"help", "config"}
    for words in commands(name, "python3") + [["python3", "run_benchmark.py"]]:
        known.update(parse(words[: 3 if words[1] == "-m" else 2])[1])
    for _, title, text in sections(name):
        if title == MIGRATION[name]:
            continue  # names flags of upstream's, too
        for code in inline_code(text):
            for flag in re.findall(r"(?:^| )--(\w+)", code):
                assert flag in known, f"--{flag} in {title}"


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_and_variable_exists(name):
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) \??=", makefile, re.MULTILINE))
    called = set()
    for words in commands(name, "make"):
        for word in words[1:]:
            if "=" in word:
                assert word.split("=")[0] in variables, word
            else:
                assert word in targets, word
                called.add(word)
    assert called >= {"demo", "test", "recipe", "benchmark"}


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_map_exists(name):
    names = [
        code
        for first, _ in rows(section(name, MAP_OF_FILES[name]))
        for code in inline_code(first)
    ]
    assert len(names) > 20
    for path in names:
        exists = os.path.isdir if path.endswith("/") else os.path.isfile
        assert exists(os.path.join(ROOT, path)), path


@pytest.mark.parametrize("name", NAMES)
def test_python_code_compiles(name):
    for language, text in blocks(name):
        if language == "python":
            compile(text, name, "exec")
