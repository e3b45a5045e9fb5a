"""Settings of a tokenizer: one frozen dataclass, one JSON beside the vocabulary.

The same settings travel with records, checkpoints and exports. What the settings do
is written in ``normalisation.py`` (text), ``wordpiece.py``, ``sentencepiece.py`` and
``morpheme.py``; this module only holds, checks, reads and writes them.
"""

import dataclasses
import difflib
import json
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ..io import files
from ..io.errors import InputError
from ..io.json_files import parse_object
from ..text.cleaning import RECIPES

ReadBytes = Callable[[str], bytes]

CONFIG_FILE_NAME = "tokenizer_config.json"
# Where our settings stand in Hugging Face's file of that name, if we exported it.
EXPORTED_KEY = "korean_encoders"

_CHOICES = {
    "algorithm": ("wordpiece", "sentencepiece"),
    "decompose": ("none", "letters", "all", "compatibility"),
    "digit_comma": ("split", "upstream"),
    "control_characters": ("Cc Cf", "Cc Cf Co", "C"),
    "morpheme_analyser": (None, "mecab", "okt", "komoran", "hannanum", "kkma"),
    "morphemes": ("none", "vocabulary", "run_time"),
    "cleaning": (None,) + tuple(RECIPES),
    "clean": ("none", "corpus", "run_time"),
}


@dataclasses.dataclass(frozen=True)
class TokenizerConfig:
    """All that decides how text becomes pieces, apart from the vocabulary itself.

    Attributes:
      algorithm: "wordpiece" (vocab.txt) or "sentencepiece" (*.model).
      lower_case: bool, lower-cases; never takes Hangul apart.
      strip_accents: bool, drops combining marks (Unicode category Mn).
      decompose: what is taken apart (Unicode NFD) before marks are dropped.
        "letters": é becomes e + mark, Hangul stays whole; only with strip_accents.
        "none": nothing, so only marks that are written apart are dropped
        (KR-BERT-MEDIUM). "all": everything, Hangul too, 한 becomes ᄒ ᅡ ᆫ, with or
        without strip_accents (Google's BERT, uncased; sub-character vocabularies).
        "compatibility": the same in NFKD, ① becomes 1 (Google's ALBERT, whose
        SentencePiece model puts Hangul together again).
      collapse_spaces: bool, SentencePiece only: one space for each run of white space
        before the model sees the text (Google's ALBERT).
      digit_comma: SentencePiece only: a piece such as "9," becomes 9 and a comma.
        "split": without a word mark inside a word. "upstream": as Google's ALBERT does
        under Python 3, with a stray word mark, for checkpoints trained so.
      control_characters: Unicode categories that are deleted. "Cc Cf" (BERT), "Cc Cf
        Co", private code points too (Hugging Face's fast tokenizers), or "C", every
        category that starts with C, unassigned ones too (ELECTRA, KR-BERT-MEDIUM).
      split_cjk: bool, each Chinese character is a word (Hangul never is).
      max_chars_per_word: int, characters; a longer word becomes one unk_token.
      morpheme_analyser: None or the konlpy analyser that the vocabulary was made with.
      morphemes: "none", "vocabulary" (the analyser shaped the vocabulary only:
        KR-ELECTRA) or "run_time" (text is cut into morphemes before pieces:
        Dialog-KoELECTRA).
      cleaning: None or the name of a recipe of data/text/cleaning.py.
      clean: "none", "corpus" (the recipe was applied to the corpus only: KcELECTRA,
        whose published scores are of uncleaned text) or "run_time" (text is cleaned
        before pieces, too).
      compose: bool, Unicode composition (NFC) before everything else, so that
        decomposed Hangul (file names of macOS) is read as syllables. None: where the
        vocabulary has no jamo, since decomposed words would all be unknown then.
      delete_controls: bool, SentencePiece only: what control_characters names is
        deleted before the model sees the text, as it always is for WordPiece.
      added_tokens: pieces of the vocabulary that stand in the text as they are written
        here and are never split, such as [SUBJ] or an emoji.
      pad_token, unk_token, cls_token, sep_token, mask_token: the special pieces.

    Raises:
      InputError: a value is not among the allowed ones, or two contradict each other.
    """

    algorithm: str = "wordpiece"
    lower_case: bool = False
    strip_accents: bool = False
    decompose: str = "letters"
    collapse_spaces: bool = False
    digit_comma: str = "split"
    control_characters: str = "Cc Cf"
    split_cjk: bool = True
    max_chars_per_word: int = 200
    morpheme_analyser: Optional[str] = None
    morphemes: str = "none"
    cleaning: Optional[str] = None
    clean: str = "none"
    compose: Optional[bool] = False
    delete_controls: bool = False
    added_tokens: Tuple[str, ...] = ()
    pad_token: str = "[PAD]"
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    mask_token: str = "[MASK]"

    def __post_init__(self):
        self._freeze_added_tokens()
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise InputError(
                    "Tokenizer setting {}={!r} is unknown. Use one of: {}.".format(
                        name, value, ", ".join(map(repr, allowed))
                    )
                )
        for field in dataclasses.fields(self):
            self._check_type(field.name, field.default)
        if self.max_chars_per_word < 1:
            raise InputError(
                f"Tokenizer setting max_chars_per_word={self.max_chars_per_word} "
                "must be at least 1."
            )
        self._check_pair("morphemes", "morpheme_analyser")
        self._check_pair("clean", "cleaning")

    def _check_pair(self, when, what):
        if (getattr(self, when) == "none") != (getattr(self, what) is None):
            raise InputError(
                f"Tokenizer settings {when}={getattr(self, when)!r} and "
                f"{what}={getattr(self, what)!r} contradict each other. Give both, or "
                f"leave both out."
            )

    def _freeze_added_tokens(self):
        """JSON has a list where this class, which is hashable, has a tuple."""
        tokens = self.added_tokens
        if not isinstance(tokens, (list, tuple)) or not all(
            isinstance(token, str) and token for token in tokens
        ):
            raise InputError(
                f"Tokenizer setting added_tokens={tokens!r} must be a list of texts."
            )
        object.__setattr__(self, "added_tokens", tuple(tokens))

    def _check_type(self, name, default):
        value = getattr(self, name)
        expected = str if default is None else type(default)
        if value is None and (default is None or name == "compose"):
            return
        if type(value) is not expected:
            raise InputError(
                f"Tokenizer setting {name}={value!r} must be a {expected.__name__}, "
                f"not a {type(value).__name__}."
            )

    @property
    def effective_decompose(self) -> str:
        """`decompose` as it takes effect: "letters" is only for strip_accents."""
        if self.decompose == "letters" and not self.strip_accents:
            return "none"
        return self.decompose

    @property
    def special_tokens(self) -> Tuple[str, ...]:
        """The five special pieces: pad, unk, cls, sep, mask."""
        return (
            self.pad_token,
            self.unk_token,
            self.cls_token,
            self.sep_token,
            self.mask_token,
        )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "TokenizerConfig":
        """Settings by name; names that are left out have their defaults.

        Raises:
          InputError: an unknown name (the nearest known one is suggested) or value.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise InputError(
                    "Unknown tokenizer setting {!r}{}. Known settings: {}.".format(
                        name,
                        f", did you mean {near[0]!r}?" if near else "",
                        ", ".join(known),
                    )
                )
        return cls(**settings)

    @classmethod
    def from_json_file(
        cls, path: str, read_bytes: ReadBytes = files.read_bytes
    ) -> "TokenizerConfig":
        """Reads the settings from a JSON file.

        A file of the same name written by Hugging Face or with KR-BERT-MEDIUM (it
        has the key ``do_lower_case`` or ``tokenizer_class``) is understood too.

        Args:
          path: the file.
          read_bytes: reads a whole file.

        Raises:
          InputError: no such file, not a JSON object, unknown settings.
        """
        try:
            content = read_bytes(path)
        except FileNotFoundError:
            raise InputError(f"Tokenizer settings `{path}` do not exist.") from None
        settings = parse_object(content, path)
        try:
            if EXPORTED_KEY in settings:
                settings = settings[EXPORTED_KEY]
                if not isinstance(settings, dict):
                    raise InputError(f"{EXPORTED_KEY} is not an object: {{...}}.")
            elif "do_lower_case" in settings or "tokenizer_class" in settings:
                settings = _from_hugging_face(settings)
            return cls.from_dict(settings)
        except InputError as error:
            raise InputError(f"`{path}`: {error}") from None

    def to_dict(self) -> Dict[str, Any]:
        """Every setting by name, as JSON has it."""
        return dict(dataclasses.asdict(self), added_tokens=list(self.added_tokens))

    def to_json_string(self) -> str:
        """Every setting as indented JSON that ends in a newline."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def bert_normaliser_settings(
    lower_case: bool, strip_accents: Optional[bool], split_cjk: bool
) -> Dict[str, Any]:
    """Our settings for those of Hugging Face's BertNormalizer.

    Args:
      strip_accents: None = as `lower_case`.
    """
    strips = lower_case if strip_accents is None else strip_accents
    return {
        "lower_case": bool(lower_case),
        "strip_accents": bool(strips),
        "decompose": "all" if strips else "letters",
        "split_cjk": bool(split_cjk),
    }


def _from_hugging_face(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Our settings for those of a Hugging Face Bert-, Electra- or AlbertTokenizer.

    Decomposed words that their vocabulary cannot spell are composed here.

    Their do_lower_case with strip_accents absent means Google's NFD form. The rules
    are those of their fast tokenizers, which is what AutoTokenizer loads; the slow
    ones, gone since Transformers 5, delete unassigned characters, too.
    """
    for name in _SWITCHES_OF_HUGGING_FACE:
        if not isinstance(settings.get(name), (bool, type(None))):
            raise InputError(f"{name} is {settings[name]!r}, expected true or false.")
    lower_case = bool(settings.get("do_lower_case", True))
    if str(settings.get("tokenizer_class")).startswith("Albert"):
        strip_accents = not settings.get("keep_accents", False)
        ours = dict(
            _ALBERT.to_dict(),
            lower_case=lower_case,
            strip_accents=strip_accents,
            collapse_spaces=bool(settings.get("remove_space", True)),
            decompose="compatibility" if strip_accents else "none",
        )
    else:
        ours = dict(
            PRESETS["hugging_face_cased"].to_dict(),
            **bert_normaliser_settings(
                lower_case,
                settings.get("strip_accents"),
                settings.get("tokenize_chinese_chars", True),
            ),
        )
    for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"):
        token = settings.get(name)
        if isinstance(token, dict):
            token = token.get("content")
        if token:
            ours[name] = token
    return dict(ours, compose=None)


_SWITCHES_OF_HUGGING_FACE = (
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
    "keep_accents",
    "remove_space",
)
_SENTENCEPIECE = TokenizerConfig(
    algorithm="sentencepiece", pad_token="<pad>", unk_token="<unk>"
)
_ALBERT = dataclasses.replace(
    _SENTENCEPIECE,
    strip_accents=True,
    decompose="compatibility",
    collapse_spaces=True,
)
_BERT = TokenizerConfig()
_BERT_LOWER = TokenizerConfig(lower_case=True, strip_accents=True, decompose="all")

PRESETS = {
    "korean_cased": _BERT,
    "korean_lower": TokenizerConfig(lower_case=True),
    "bert_cased": _BERT,
    "bert_uncased": _BERT_LOWER,
    "krbert_medium_cased": TokenizerConfig(control_characters="C"),
    "krbert_medium_uncased": TokenizerConfig(
        lower_case=True, strip_accents=True, decompose="none", control_characters="C"
    ),
    "electra_cased": TokenizerConfig(control_characters="C"),
    "electra_lower_nostrip": TokenizerConfig(lower_case=True, control_characters="C"),
    "electra_lower_strip": dataclasses.replace(_BERT_LOWER, control_characters="C"),
    "hugging_face_cased": TokenizerConfig(
        control_characters="Cc Cf Co", max_chars_per_word=100
    ),
    "korean_sentencepiece": _SENTENCEPIECE,
    "albert_cased": _ALBERT,
    "albert_uncased": dataclasses.replace(_ALBERT, lower_case=True),
}


def preset(name: str) -> TokenizerConfig:
    """The settings of a published tokenizer, e.g. ``preset("krbert_medium_cased")``.

    Raises:
      InputError: an unknown name.
    """
    if name not in PRESETS:
        raise InputError(
            "Unknown tokenizer preset {!r}. Known presets: {}.".format(
                name, ", ".join(sorted(PRESETS))
            )
        )
    return PRESETS[name]
