"""What the authors of the five published models report on these benchmarks.

The metrics stand as they are printed there, in per cent; KorQuAD: exact match / F1.
They hold for the public data sets and the authors' settings. KoreALBERT's are from a
secondary source.
"""

from typing import Dict

# Model -> where its metrics are published.
SOURCES = {
    "KR-BERT-MEDIUM": "https://github.com/snunlp/KR-BERT-MEDIUM",
    "KoreALBERT base": "https://arxiv.org/abs/2101.11363",
    "KR-ELECTRA": "https://github.com/snunlp/KR-ELECTRA",
    "Dialog-KoELECTRA-Small": "https://github.com/skplanet/Dialog-KoELECTRA",
    "KcELECTRA-base": "https://github.com/Beomi/KcELECTRA",
    "KcELECTRA-base-v2022": "https://github.com/Beomi/KcELECTRA",
}

_COLUMNS = tuple(SOURCES)
_ROWS = {
    "NSMC": ("90.29", "89.6", "91.168", "90.01", "91.71", "91.97"),
    "HATE": ("57.91 (test)", "", "74.50 (dev)", "68.26 (dev)", "", ""),
    "NaverNER": ("", "82.3", "87.90", "85.51", "86.90", "87.35"),
    "PAWS": ("", "", "82.05", "", "74.80", "76.50"),
    "KorNLI": ("", "79.7", "82.51", "78.54", "81.65", "82.12"),
    "KorSTS": ("", "81.2", "85.41", "78.96", "82.65", "83.67"),
    "QuestionPair": ("", "", "95.51", "94.99", "95.78", "95.12"),
    "KorQuAD": ("", "", "84.93 / 93.04", "", "70.60 / 90.11", "69.00 / 90.40"),
}


def published_results(task_name: str) -> Dict[str, str]:
    """Model -> its metric for a task, where it has one; {} for an unknown task."""
    row = _ROWS.get(task_name, ("",) * len(_COLUMNS))
    return {model: metric for model, metric in zip(_COLUMNS, row) if metric}
