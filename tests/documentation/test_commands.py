"""Every command and flag that the documentation names exists."""

import os
import re

import pytest
from absl import flags

from korean_encoders.console import COMMANDS
from tests.support import documents
from tests.support.paths import ROOT

# What blocks may call beside the project's own commands.
OTHERS = {"curl", "docker", "echo", "pip", "source"}
COMMON = {"config", "help"}  # of every command


def is_benchmark(words):
    return words[1].startswith("benchmarks/")


@pytest.mark.parametrize("page", documents.PAGES)
def test_every_command_has_flags_that_its_script_defines(page, monkeypatch):
    monkeypatch.chdir(ROOT)  # where --config=configs/... is
    modules = {command.module for command in COMMANDS.values()}
    for words in documents.commands(page, "python3", "korean-encoders"):
        if not is_benchmark(words):
            module, values = documents.parse(words)
            assert module in modules and len(values) > len(COMMON), words


def test_the_documentation_calls_every_command(monkeypatch):
    monkeypatch.chdir(ROOT)
    called = {
        documents.parse(words)[0]
        for page in documents.GUIDES
        for words in documents.commands(page, "python3")
        if not is_benchmark(words)
    }
    assert called == {command.module for command in COMMANDS.values()}


@pytest.mark.parametrize("page", documents.GUIDES)
def test_blocks_call_nothing_unknown(page):
    known = OTHERS | {"korean-encoders", "make", "python3"}
    assert {words[0] for words in documents.shell_commands(page)} <= known


def source_with_imports(script):
    """Of a benchmark and of those whose command line it may build on."""
    source = documents.read(script)
    names = re.findall("^from benchmarks import (.+)", source, re.MULTILINE)
    imported = [name for line in names for name in re.findall(r"\w+", line)]
    return source + "".join(
        documents.read(f"benchmarks/{name}.py")
        for name in imported
        if os.path.exists(os.path.join(ROOT, "benchmarks", name + ".py"))
    )


def test_scripts_of_benchmarks_have_the_flags_they_are_shown_with():
    shown = documents.commands("docs/performance.md", "python3")
    assert any(map(is_benchmark, shown))
    for words in filter(is_benchmark, shown):
        source = source_with_imports(words[1])
        for word in words[2:]:
            if word.startswith("--"):
                assert f'"{word.split("=")[0]}"' in source, word


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
        documents.parse(["python3"] + command.split())


def test_a_command_that_does_not_exist_is_noticed():
    for words in (["python3", "run_squad.py"], ["korean-encoders", "train"]):
        with pytest.raises(AssertionError):
            documents.parse(words)


def flags_in_sentences(page):
    for section in documents.sections(page):
        for code in documents.inline_code(section.text):
            for flag in re.findall(r"(?:^| )--(\w+)", code):
                yield flag, section.title


@pytest.mark.parametrize(
    "page", [page for page in documents.GUIDES if page != documents.MIGRATING]
)
def test_every_flag_in_a_sentence_belongs_to_a_command(page):
    known = COMMON.union(*(documents.flags_of(c.module) for c in COMMANDS.values()))
    for flag, title in flags_in_sentences(page):
        assert flag in known, f"--{flag} in {title}"


@pytest.mark.parametrize(
    "page, commands",
    [
        ("docs/fine-tuning.md", ["finetune"]),
        ("docs/pre-training.md", ["records", "pretrain"]),
    ],
)
def test_a_guide_names_every_flag_of_its_commands(page, commands):
    named = {flag for flag, _ in flags_in_sentences(page)} | COMMON
    for command in commands:
        missing = set(documents.flags_of(COMMANDS[command].module)) - named
        assert not missing, f"{command}: {sorted(missing)}"


@pytest.mark.parametrize("page", documents.GUIDES)
def test_every_make_target_and_variable_exists(page):
    makefile = documents.read("Makefile")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z_]+) \??=", makefile, re.MULTILINE))
    for words in documents.commands(page, "make"):
        for word in words[1:]:
            if "=" in word:
                assert word.split("=")[0] in variables, word
            else:
                assert word in targets, word


def test_the_table_of_console_commands_is_complete():
    for page in ("docs/index.md", "docs/ko/index.md"):
        table = {
            cells[0].strip("`"): cells[1].strip("`").replace("python3 ", "")
            for section in documents.sections(page)
            for cells in documents.rows(section.text)
            if cells[0].strip("`") in COMMANDS
        }
        assert table == {name: command.script for name, command in COMMANDS.items()}


@pytest.mark.parametrize("page", documents.GUIDES)
def test_python_code_compiles(page):
    for language, text in documents.blocks(page):
        if language == "python":
            compile(text, page, "exec")


def test_every_script_in_the_root_is_called():
    called = {
        words[1]
        for page in documents.GUIDES
        for words in documents.commands(page, "python3")
    }
    scripts = {name for name in os.listdir(ROOT) if name.endswith(".py")}
    assert scripts - called == {"setup.py"}
