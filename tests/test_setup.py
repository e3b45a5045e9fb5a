"""What setup.py promises: Pythons, TensorFlow, the extras; and the licence."""

import ast
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as reader:
        return reader.read()


CALL = ast.parse(read("setup.py")).body[-1].value
SETUP = {
    keyword.arg: ast.literal_eval(keyword.value)
    for keyword in CALL.keywords
    if keyword.arg not in ("version", "cmdclass")
}
REQUIRED = [re.match(r"[\w-]+", line).group() for line in SETUP["install_requires"]]


def test_python_and_tensorflow_versions():
    assert SETUP["python_requires"] == ">=3.7,<3.12"
    assert "tensorflow>=1.15.5,<2.16" in SETUP["install_requires"]


def test_the_missions_packages_are_required():
    expected = {"tensorflow", "sentencepiece", "konlpy", "absl-py", "six", "numpy"}
    assert expected <= set(REQUIRED)


def test_extras_for_what_only_some_need():
    expected = {"hf", "onnx", "mecab", "beam", "gpu", "dev", "docs", "web", "serve"}
    assert expected == set(SETUP["extras_require"])


def test_the_main_lanes_versions_are_pinned():
    lines = [line for line in read("constraints.txt").splitlines() if "==" in line]
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert set(REQUIRED) - pinned == set()


def test_licence_is_apache():
    assert SETUP["license"] == "Apache-2.0"
    assert "Apache License\n" in read("LICENSE") and "Version 2.0" in read("LICENSE")
