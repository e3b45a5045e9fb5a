"""Every file and link that the documentation names exists, and the README is short."""

import glob
import os
import re

import pytest

from tests.support import documents
from tests.support.paths import ROOT

# Folders that are a reader's, not the project's.
READERS = {
    "build", "comments", "corpus", "datasets", "downloads", "exports",
    "finetuning_data", "koelectra", "models", "my", "raw", "records", "runs",
    "serving", "vocab",
}  # fmt: skip
# Folders of a run, named from inside it.
IN_A_RUN = {"assets", "best", "eval"}
PATH = re.compile(r"^[\w.*{},-]+(/[\w.*{},<>-]*)+$")
UPSTREAMS = {"pretrain/"}  # of google-research/electra, on the page for migrating


def exists(path):
    found = glob.glob(os.path.join(ROOT, path))
    return bool(found) and (not path.endswith("/") or os.path.isdir(found[0]))


def paths_in_sentences(page):
    for section in documents.sections(page):
        for code in documents.inline_code(section.text):
            if PATH.match(code) and not code.startswith("..."):
                yield code, section.title


@pytest.mark.parametrize("page", documents.GUIDES)
def test_every_path_exists(page):
    for path, title in paths_in_sentences(page):
        if page == documents.MIGRATING and path in UPSTREAMS:
            continue
        if path.split("/")[0] not in READERS | IN_A_RUN | {"google", "google-research"}:
            assert exists(path), f"{path} in {title}"


@pytest.mark.parametrize("page", documents.GUIDES)
def test_every_path_of_a_command_exists(page):
    for words in documents.commands(page, "python3", "korean-encoders"):
        for word in words[1:]:
            value = (
                word.split("=", 1)[1] if word.startswith("--") and "=" in word else ""
            )
            if value.split("/")[0] in ("configs", "docs", "samples"):
                assert exists(value), f"{value} in {' '.join(words)}"


def test_paths_are_found_in_sentences():
    found = {path for page in documents.GUIDES for path, _ in paths_in_sentences(page)}
    assert {"encoder_ko/modeling/", "encoder_ko/compat.py"} <= found
    assert not exists("encoder_ko/no_such_file.py")
    assert not exists("run_classifier.py/")


@pytest.mark.parametrize("page", documents.PAGES)
def test_every_link_leads_somewhere(page):
    for link in documents.links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(page), path))
        target = target if path else page
        assert os.path.exists(os.path.join(ROOT, target)), link
        if anchor:
            assert anchor in documents.anchors(target), link


def test_every_page_is_in_the_menu():
    menu = documents.read("mkdocs.yml")
    for page in documents.PAGES:
        if page not in documents.READMES:
            assert os.path.relpath(page, "docs") in menu, page


@pytest.mark.parametrize("page", documents.READMES)
def test_a_readme_has_150_lines_at_most(page):
    assert len(documents.read(page).splitlines()) <= 150


@pytest.mark.parametrize("page", documents.READMES)
def test_the_readme_has_the_quick_start_before_all_else_to_read(page):
    titles = [section.title for section in documents.sections(page)]
    quick_start = titles.index({"README.md": "Quick start"}.get(page, "빠른 시작"))
    assert quick_start <= 3
