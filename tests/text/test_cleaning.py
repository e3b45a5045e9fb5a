"""Each cleaning step by itself, the recipes, and positions through all of them."""

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.errors import InputError
from data.text.aligned_text import AlignedText
from data.text.cleaning import RECIPES, STEPS, clean, clean_aligned, recipe_steps
from data.text.emoji import EMOJI_CLASS, EMOJI_SEQUENCE
from data.tokenization import TokenizerConfig, build_tokenizer
from tests.support.shared_data import OWN

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEART = "\u2764\ufe0f"


@pytest.mark.parametrize(
    "step, text, expected",
    [
        ("compose", "\u1112\u1161\u11ab국 e\u0301", "한국 é"),
        ("hanja", "대한민국(大韓民國)은 강하다", "대한민국은 강하다"),
        ("hanja", "경제[經濟·金融]와 美정부, 漢", "경제와  정부,  "),
        ("hanja", "北韓産이다 (가나) 々", " 이다 (가나)  "),
        ("urls", "링크https://a.kr/b?c=1%20입니다", "링크 입니다"),
        ("urls", "보기 WWW.naver.com, 끝", "보기   끝"),
        ("urls", "http 는 남는다", "http 는 남는다"),
        ("censor_marks", "OOO씨와 OOOO당", " 씨와  당"),
        ("censor_marks", "OO GOOOAL FOOO OOOK", "OO GOOOAL FOOO OOOK"),
        ("characters", "좋아요★♡ㅋ\u200b\x01\t", "좋아요  ㅋ   "),
        ("characters", "漢字 ひら Привет é", "   " + "   " + "       " + "é"),
        ("characters", "“인용”…～％·a1!?", "“인용”…～％·a1!?"),
        ("characters", "😀" + FAMILY + HEART + "1\ufe0f\u20e3", None),
        ("characters", "가\u200d나\ufe0f", "가 나 "),
        ("repeats", "ㅋㅋㅋㅋ와아아아!!!!", "ㅋㅋ와아아!!"),
        ("repeats", "10000원 1,000 222", "10000원 1,000 222"),
        ("repeats", "😀😀😀 " + HEART * 4, "😀😀 " + HEART * 2),
        ("repeats", FAMILY * 3, FAMILY * 2),
        ("repeats", "ㅋㅋ 가   나", "ㅋㅋ 가   나"),
        ("spaces", "  좋아요 \t\u3000정말\n", "좋아요 정말"),
    ],
)
def test_each_step_by_itself(step, text, expected):
    expected = text if expected is None else expected
    assert STEPS[step].clean(text) == expected
    assert STEPS[step].clean_aligned(AlignedText.of(text)).text == expected


def test_the_recipe_of_kcelectra():
    text = "와ㅋㅋㅋㅋ 大박!!! https://a.kr OOO씨 😀 10000원"
    assert clean(text, recipe_steps("kcelectra")) == "와ㅋㅋ 박!! 씨 😀 10000원"


def test_the_recipe_of_dialog_koelectra():
    text = "와ㅋㅋㅋㅋ 大박!!! https://a.kr OOO씨 ★"
    expected = "와ㅋㅋ 박!! https://a.kr OO씨 ★"
    assert clean(text, recipe_steps("dialog_koelectra")) == expected


def test_unknown_names_are_errors():
    with pytest.raises(InputError, match="recipe 'kcbert'. Known recipes: kcelectra"):
        recipe_steps("kcbert")


def test_the_emoji_table_is_fixed():
    # 1,419 code points of Unicode Emoji 16.0. A change here changes corpora.
    digest = hashlib.sha256(EMOJI_CLASS.encode("ascii")).hexdigest()
    assert digest[:16] == "14146c8d3ad331e0"
    one = re.compile(f"[{EMOJI_CLASS}]")
    count = sum(1 for point in range(0x110000) if one.match(chr(point)))
    assert count == 1419
    sequence = re.compile(EMOJI_SEQUENCE)
    for emoji in ["😀", FAMILY, HEART, "🇰🇷", "1\ufe0f\u20e3", "👍🏻", "\U0001fae0"]:
        assert sequence.fullmatch(emoji), emoji
    for other in ["1", "#", "★", "가", "ㅋ", "漢", "\u200d", "\ufe0f"]:
        assert not sequence.fullmatch(other), other


COMMENTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "가나ㅋㅋㅋO 漢字()[]!?.😀\u2764\ufe0f\u200d👍🏻1\u1112\u1161\u11ab\u0301eé"
        ),
    ),
    max_size=50,
)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@settings(max_examples=150, deadline=None)
@given(text=COMMENTS)
def test_positions_hold_through_cleaning(recipe, text):
    steps = recipe_steps(recipe)
    aligned = clean_aligned(AlignedText.of(text), steps)
    assert aligned.text == clean(text, steps)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
    previous_start = previous_end = 0
    for char, start, end in zip(*aligned):
        assert previous_start <= start <= end <= len(text)
        assert previous_end <= end
        previous_start, previous_end = start, end
        if char in "가나ㅋO!?1":
            assert char in text[start:end]


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@settings(max_examples=150, deadline=None)
@given(text=COMMENTS)
def test_nothing_that_a_recipe_removes_is_left(recipe, text):
    cleaned = clean(text, recipe_steps(recipe))
    assert "漢" not in cleaned and "字" not in cleaned
    assert "  " not in cleaned and cleaned == cleaned.strip()
    for char in "가나ㅋ!?.😀":
        assert char * 3 not in cleaned


def test_pieces_of_cleaned_text_have_original_offsets():
    config = TokenizerConfig(cleaning="kcelectra", clean="run_time")
    tokenizer = build_tokenizer(config, str(OWN("tokenization", "vocab.txt")))
    text = "영화(映畫)ㅋㅋㅋㅋㅋ 최고!!!!"
    encoding = tokenizer.encode(text)
    assert encoding.pieces == ["영화", "##ㅋㅋ", "최고", "!", "!"]
    slices = [text[start:end] for start, end in encoding.offsets]
    assert slices == ["영화", "ㅋㅋㅋㅋㅋ", "최고", "!", "!!!"]
    assert tokenizer.encode_ids_batch([text]) == [encoding.ids]


def test_cleaning_of_the_corpus_only_does_not_touch_text():
    # KcELECTRA: the published scores are of text that was not cleaned.
    config = TokenizerConfig(cleaning="kcelectra", clean="corpus")
    tokenizer = build_tokenizer(config, str(OWN("tokenization", "vocab.txt")))
    assert tokenizer.tokenize("최고!!!!") == ["최고", "!", "!", "!", "!"]
    with pytest.raises(InputError, match="clean='corpus' and cleaning=None contradict"):
        TokenizerConfig(clean="corpus")
    with pytest.raises(InputError, match="cleaning='kcbert' is unknown"):
        TokenizerConfig(cleaning="kcbert", clean="corpus")
