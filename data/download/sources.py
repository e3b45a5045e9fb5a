"""Where the public data sets are, under which licence, and how to know them again.

Addresses are those of the authors, pinned to a commit where they lie in a repository,
so that the bytes cannot change. This module only declares; `fetch.py` fetches.
"""

import difflib
import os
from typing import Dict, NamedTuple, Tuple

from ..io.errors import InputError
from ..tasks import Task, get_task, task_names

_MEGABYTE = 10**6


class RemoteFile(NamedTuple):
    """One address, and what comes from it.

    Attributes:
      url: the address.
      name: of the file in the data folder; of the tar archive if there are `members`.
      size: bytes; rounded up where nobody published the number.
      checksum: "sha256:..." or "git:...", the name that git gives to a file's content.
      members: of an archive, the path inside it of every file wanted, and its name in
        the data folder; () for a plain file.
    """

    url: str
    name: str
    size: int
    checksum: str
    members: Tuple[Tuple[str, str], ...] = ()

    @property
    def outputs(self) -> Tuple[str, ...]:
        """Names of the files in the data folder that come from this one."""
        return tuple(name for _, name in self.members) or (self.name,)


class Source(NamedTuple):
    """One data set.

    Attributes:
      task: the task's name. licence: and what it asks for.
      files: what is fetched; () where people have to ask for the data.
      by_hand: then: how to come by it.
    """

    task: str
    licence: str
    files: Tuple[RemoteFile, ...] = ()
    by_hand: str = ""

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)

    def declaration(self) -> Task:
        """The task that reads the data."""
        return get_task(self.task)


def _github(repository: str, commit: str, path: str, name: str, size: int, digest: str):
    url = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
    return RemoteFile(url, name, size, digest)


def _nsmc(name, size, digest):
    commit = "cc0670e872d01c31ac8cd4f47b44c7d2a3006f3e"
    return _github("e9t/nsmc", commit, name, name, size, f"sha256:{digest}")


def _hate(path, size, digest):
    repository = "kocohub/korean-hate-speech"
    commit = "f8d05dce2b22007bb149e5139c0060c68ad8f94b"
    name = os.path.basename(path)
    return _github(repository, commit, path, name, size, f"sha256:{digest}")


def _kor_nlu(path, size, checksum):
    repository = "kakaobrain/KorNLUDatasets"
    commit = "0df0fe7d496eb61b092e022e238c2230b29f1cbc"
    name = os.path.basename(path)
    return _github(repository, commit, path, name, size, checksum)


def _question_pair(path, name, size, digest):
    commit = "e84b6f0e784c10c6a22cbbc7b1e415b901baa877"
    return _github("songys/Question_pair", commit, path, name, size, f"sha256:{digest}")


def _korquad(name, size, digest):
    url = f"https://korquad.github.io/dataset/{name}"
    return RemoteFile(url, name, size, f"sha256:{digest}")


def _klue(task, folder, *files):
    """`files` are names, sizes in MB, rounded up, and the names that git gives them."""
    commit = "3efd98708a40ff49251fddde35453f8fbb11f536"
    return Source(
        task,
        "CC BY-SA 4.0: name the authors, share changes under the same licence.",
        tuple(
            _github(
                "KLUE-benchmark/KLUE",
                commit,
                f"klue_benchmark/{folder}/{folder}_{name}",
                f"{folder}_{name}",
                size * _MEGABYTE,
                f"git:{digest}",
            )
            for name, size, digest in files
        ),
    )


_PAWS_FILES = ("translated_train.tsv", "dev_2k.tsv", "test_2k.tsv")

_SOURCES = (
    Source(
        "NSMC",
        "CC0 1.0.",
        (
            _nsmc(
                "ratings_train.txt",
                14628807,
                "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940",
            ),
            _nsmc(
                "ratings_test.txt",
                4893335,
                "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda",
            ),
        ),
    ),
    Source(
        "HATE",
        "CC BY-SA 4.0: name the authors, share changes under the same licence.",
        (
            _hate(
                "labeled/train.tsv",
                913546,
                "ebebacdcd023af2c4acc8c0a37695fb6433ac04fc009feff8f222724e303a5a9",
            ),
            _hate(
                "labeled/dev.tsv",
                54903,
                "232b615d6e359a9d31dfb8370f32e1733dc5bb3f9c5430d34d7fcc7ba4b7e8ef",
            ),
            _hate(
                "test.no_label.tsv",
                96108,
                "87190f1fe55db520bbcf3958943714ebc0366be508f6ce6a0fe456a8241a4e1a",
            ),
        ),
    ),
    Source(
        "PAWS",
        "Free for any purpose, without warranty; Google LLC asks to be named.",
        (
            RemoteFile(
                "https://storage.googleapis.com/paws/pawsx/x-final.tar.gz",
                "x-final.tar.gz",
                30282057,
                "sha256:"
                "4146db499101d66e68ae4c8ed3cf9dadecd625f44b7d8cf3d4a0fe93afc4fd9f",
                tuple((f"x-final/ko/{name}", name) for name in _PAWS_FILES),
            ),
        ),
    ),
    Source(
        "KorNLI",
        "CC BY-SA 4.0: name the authors, share changes under the same licence.",
        (
            _kor_nlu(
                "KorNLI/multinli.train.ko.tsv",
                84 * _MEGABYTE,
                "git:94d26a9d0dd045928148ef8691a256bd0e7d45c3",
            ),
            _kor_nlu(
                "KorNLI/snli_1.0_train.ko.tsv",
                79 * _MEGABYTE,
                "git:c91761e52fca2a7420104589811346986ce94073",
            ),
            _kor_nlu(
                "KorNLI/xnli.dev.ko.tsv",
                511383,
                "sha256:"
                "821fb1c1c2e538ac2724a6132da36ffa379eb9a542ceb89243b3cf711377382c",
            ),
            _kor_nlu(
                "KorNLI/xnli.test.ko.tsv",
                1032430,
                "sha256:"
                "0db53cf8e182283a0d0404ec3fe1b15d1e29236d23d22082dc20d43067254b3e",
            ),
        ),
    ),
    Source(
        "QuestionPair",
        "MIT.",
        (
            _question_pair(
                "train.txt",
                "train.tsv",
                441758,
                "addf4c88b19066ad55a09f466c5c3f6428b3f2bd5d55100d3ca5b93d9d8daff9",
            ),
            _question_pair(
                "validation.txt",
                "dev.tsv",
                49083,
                "3928c783f561f36547fd8e0c9d78a6e1d6013db3debcf559c4135aa5536badea",
            ),
            _question_pair(
                "test.txt",
                "test.tsv",
                54395,
                "0d5738107ea3742de4dcaf3a358b6bfa4818781bc6aec11a9956a3fbe35f8b61",
            ),
        ),
    ),
    Source(
        "KorSTS",
        "CC BY-SA 4.0: name the authors, share changes under the same licence.",
        (
            _kor_nlu(
                "KorSTS/sts-train.tsv",
                1046952,
                "sha256:"
                "b5aaa7f957d6ff46f4b6834a8b0f024a9234a6eefe9289aed66746b4533da3b8",
            ),
            _kor_nlu(
                "KorSTS/sts-dev.tsv",
                307276,
                "sha256:"
                "d835b65b424401fbcce6be28a78159df8d61f5b19977ea7a0b83b8cb6105f393",
            ),
            _kor_nlu(
                "KorSTS/sts-test.tsv",
                249596,
                "sha256:"
                "13f83a3440d9db52d134eb40303ce021b03264aa338fbf2871c8786ce04d2105",
            ),
        ),
    ),
    Source(
        "NaverNER",
        "All rights with Naver; participants may not pass it on.",
        by_hand="It is given out for the challenge of https://github.com/naver/"
        "nlp-challenge alone: ask its organisers (http://air.changwon.ac.kr)",
    ),
    Source(
        "KorQuAD",
        "CC BY-ND 2.0 KR: do not pass on changed copies or parts of it.",
        (
            _korquad(
                "KorQuAD_v1.0_train.json",
                38527475,
                "40d5115879a701751781df721d901abfa736d8db5f89000f2619433f39bf2dd2",
            ),
            _korquad(
                "KorQuAD_v1.0_dev.json",
                3881058,
                "25ffeb51e6c51ec02c071b60a10188e10005c144110f0d876b26079d80a35bdf",
            ),
        ),
    ),
    _klue(
        "YNAT",
        "ynat-v1.1",
        ("train.json", 15, "e74e912a66720294bd6fe70e69b0cd131a0a10d7"),
        ("dev.json", 5, "f4fb92cc5d967b586ea5172c3da8c379ba31caf9"),
    ),
    _klue(
        "KLUE-STS",
        "klue-sts-v1.1",
        ("train.json", 9, "4e92fce70fe9f2dbed2ffcb9c2aec7417c6d32ff"),
        ("dev.json", 1, "2645707503e7b25cc3d9f94103cbfb2f5a086f56"),
    ),
    _klue(
        "KLUE-NLI",
        "klue-nli-v1.1",
        ("train.json", 13, "a7903d15f09a3663d8f1d78e68d8d6c10dbd8618"),
        ("dev.json", 2, "db052b2459c68d1ec57dd1573bfe90a9bb3f8157"),
    ),
    _klue(
        "KLUE-NER",
        "klue-ner-v1.1",
        ("train.tsv", 13, "b4f5d7dba85bb04d9dd72c7491bd62568af55cf1"),
        ("dev.tsv", 3, "3ed843a2e62d536fc2e2dbcc0f304ee346dda62e"),
    ),
    _klue(
        "KLUE-RE",
        "klue-re-v1.1",
        ("train.json", 20, "83b1fd41b1ea65dc29cd5bcfe1721bcdb25bd4d6"),
        ("dev.json", 6, "f3e013f47e0a5a5d234410f8cdaa1eb8d89ccce3"),
    ),
    _klue(
        "KLUE-MRC",
        "klue-mrc-v1.1",
        ("train.json", 65, "46fd63137949a85f054aacb81ca4065c7b3a5882"),
        ("dev.json", 25, "b89a46fcc5f3b15be59703abd626b52e4c4dd236"),
    ),
    _klue(
        "KLUE-DP",
        "klue-dp-v1.1",
        ("train.tsv", 10, "279c0b4de1e1341036b0147701d7e11ee79860e7"),
        ("dev.tsv", 2, "ecd421f75cb1343c30e7482ce7cdc730f5d4cd12"),
    ),
)

SOURCES: Dict[str, Source] = {source.task.lower(): source for source in _SOURCES}


def get_source(name: str) -> Source:
    """The data set of this name, in any case.

    Raises:
      InputError: there is none; the message suggests the nearest name.
    """
    source = SOURCES.get(name.lower())
    if source is not None:
        return source
    near = difflib.get_close_matches(name.lower(), SOURCES, n=1, cutoff=0.5)
    suggestion = f" Did you mean {SOURCES[near[0]].task}?" if near else ""
    raise InputError(
        f"There is no data set {name!r}.{suggestion} Known: {', '.join(task_names())}."
    )
