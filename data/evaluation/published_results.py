"""What the authors of published models report on these benchmarks.

The metrics stand as they are printed there, in per cent; KorQuAD: exact match / F1.
They hold for the public data sets and the authors' settings. KoreALBERT's are from a
secondary source. KLUE's are from its paper, on its test, whose labels are not public;
two metrics stand in the order of ``Task.reported``.
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
_KLUE = "https://arxiv.org/abs/2105.09680"
_KLUE_COLUMNS = ("YNAT", "KLUE-STS", "KLUE-NLI", "KLUE-NER", "KLUE-RE", "KLUE-DP")
_KLUE_COLUMNS += ("KLUE-MRC",)
_KLUE_ROWS = {
    "mBERT base": "81.55 84.66/76.00 73.20 76.50/89.23 57.88/53.82 90.30/86.66 "
    "44.66/55.92",
    "XLM-R base": "83.52 89.16/82.01 77.33 80.37/92.12 57.46/54.98 89.20/87.69 "
    "27.48/53.93",
    "XLM-R large": "86.06 92.97/85.86 85.93 82.27/93.22 58.39/61.15 92.71/88.70 "
    "35.99/66.77",
    "KR-BERT base": "84.58 88.61/81.07 77.17 74.58/90.13 62.74/60.94 89.92/87.48 "
    "48.28/58.54",
    "KoELECTRA base": "84.59 92.46/84.84 85.63 86.11/92.56 62.85/58.94 92.90/87.77 "
    "59.82/66.05",
    "KLUE-BERT base": "85.73 90.85/82.84 81.63 83.97/91.39 66.44/66.17 89.96/88.05 "
    "62.32/68.51",
    "KLUE-RoBERTa small": "84.98 91.54/85.16 79.33 83.65/91.14 60.89/58.96 90.04/88.14 "
    "57.32/62.70",
    "KLUE-RoBERTa base": "85.07 92.50/85.40 84.83 84.60/91.44 67.65/68.55 93.04/88.32 "
    "68.67/73.98",
    "KLUE-RoBERTa large": "85.69 93.35/86.63 89.17 85.00/91.86 71.13/72.98 93.48/88.36 "
    "75.58/80.59",
}
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


SOURCES.update(dict.fromkeys(_KLUE_ROWS, _KLUE))


def published_results(task_name: str) -> Dict[str, str]:
    """Model -> its metric for a task, where it has one; {} for an unknown task."""
    if task_name in _KLUE_COLUMNS:
        place = _KLUE_COLUMNS.index(task_name)
        cells = {model: row.split()[place] for model, row in _KLUE_ROWS.items()}
        return {model: cell.replace("/", " / ") for model, cell in cells.items()}
    row = _ROWS.get(task_name, ("",) * len(_COLUMNS))
    return {model: metric for model, metric in zip(_COLUMNS, row) if metric}
