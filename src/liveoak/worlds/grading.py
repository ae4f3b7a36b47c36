"""Whether a reply holds the true answer.

Source: Rajpurkar et al. 2016 (SQuAD), exact match and word F1 over normalised text. Beyond it, an answer inside a
longer reply counts, numbers below one hundred may be spelled out, and a few signs stand for their words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_ARTICLES = frozenset({"a", "an", "the"})
_SIGNS = {"€": " euros ", "%": " percent ", "°": " degrees ", "&": " and "}
_UNITS = {
    word: value
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        )
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}


def normalised(text: str) -> tuple[str, ...]:
    """Words in lower case, without articles and punctuation, with number words as digits.

    A number keeps its point (`3.5` is not `35`) and loses its commas (`1,200`); a time is one word (`06:40` is `6.40`).
    """
    text = unicodedata.normalize("NFKC", text).lower()
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\b0?(\d+):(?=\d\d\b)", r"\1.", text)
    text = re.sub(r"['’](?=s\b)", " ", text)
    text = re.sub(r"['’]", "", text)
    words = [word for word in re.findall(r"\d+(?:\.\d+)+|\w+", text) if word not in _ARTICLES]
    return tuple(_with_digits(words))


def answered(reply: str, answer: str) -> bool:
    """Whether the normalised answer is the reply or stands in it, on word borders.

    Raises:
        ValueError: an answer without any word, which every reply would hold.
    """
    wanted = normalised(answer)
    if not wanted:
        raise ValueError(f"answer {answer!r} holds no word; expected the true answer's text")
    found = normalised(reply)
    return any(found[start : start + len(wanted)] == wanted for start in range(len(found) - len(wanted) + 1))


def f1(reply: str, answer: str) -> float:
    """Harmonic mean of precision and recall over normalised words, in [0, 1]; 1 where both are empty."""
    found, wanted = normalised(reply), normalised(answer)
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))


def _with_digits(words: list[str]) -> list[str]:
    out: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in _TENS and 1 <= _UNITS.get(following, 0) <= 9:
            out.append(str(_TENS[word] + _UNITS[following]))
            place += 2
            continue
        value = _TENS.get(word, _UNITS.get(word))
        out.append(word if value is None else str(value))
        place += 1
    return out
