"""What of a sentence can be an answer, by cases made by hand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveoak.learning.spans import content_words, find_spans, phrase_spans, widened

CASES = [
    # money
    ("It costs $5.", [("money", "$5")]),
    ("We paid €1,200.50, then £ 3.5 million.", [("money", "€1,200.50"), ("money", "£ 3.5 million")]),
    ("Between $5-$10 or EUR 40 or 40 €.", [("money", "$5-$10"), ("money", "EUR 40"), ("money", "40 €")]),
    ("Lunch is 3.50 euros.", [("quantity", "3.50 euros")]),
    (
        "It made ₹1595 billion, Rs. 230000 and about $5.",
        [("money", "₹1595 billion"), ("money", "Rs. 230000"), ("money", "about $5")],
    ),
    # times
    ("The door opens at 7:25 and shuts at noon.", [("time", "7:25"), ("time", "noon")]),
    ("From 9 a.m. to 5.30 p.m.", [("time", "9 a.m."), ("time", "5.30 p.m.")]),
    ("Doors: 8-10 pm, last call 23:59:30.", [("time", "8-10 pm"), ("time", "23:59:30")]),
    ("It starts at 7.30 but costs 7.30 euros.", [("time", "7.30"), ("quantity", "7.30 euros")]),
    ("At 3.50 euros a head, by 2.5 %.", [("quantity", "3.50 euros"), ("quantity", "2.5 %")]),
    ("A ratio of 25:61 at 99:10.", [("number", "25"), ("number", "99")]),
    # dates
    ("On 5 May 2021, Monday, in March.", [("date", "5 May 2021"), ("date", "Monday"), ("date", "March")]),
    ("By the 3rd of June or July 4th, 1999.", [("date", "3rd of June"), ("date", "July 4th, 1999")]),
    ("From 3 to 5 May and 7–9 Oct. 2020.", [("date", "3 to 5 May"), ("date", "7–9 Oct. 2020")]),
    ("On 2024-05-06, 6/5/2024 and 6.5.2024.", [("date", "2024-05-06"), ("date", "6/5/2024"), ("date", "6.5.2024")]),
    ("Open Monday to Friday and on Sundays.", [("date", "Monday to Friday"), ("date", "Sundays")]),
    ("May I ask what happens in May?", [("date", "May")]),
    ("Since 1987, through the 1990s, until 2031.", [("year", "1987"), ("year", "1990s"), ("year", "2031")]),
    (
        "In the 13th century, or the late nineteenth century BC.",
        [("date", "13th century"), ("date", "late nineteenth century BC")],
    ),
    (
        "From 215 BC to AD 70, 1750–1840, 1831 to 1925.",
        [("year", "215 BC"), ("year", "AD 70"), ("year", "1750–1840"), ("year", "1831 to 1925")],
    ),
    # quantities and numbers
    ("The council has two will.", [("number", "two")]),
    ("The council has two members.", [("quantity", "two members")]),
    ("It has five large windows.", [("number", "five")]),
    (
        "It takes 10-15 minutes or two to three hours.",
        [("quantity", "10-15 minutes"), ("quantity", "two to three hours")],
    ),
    (
        "About 2.5 metres, 25kg, 1,200 km and 20 °C.",
        [("quantity", "About 2.5 metres"), ("quantity", "25kg"), ("quantity", "1,200 km"), ("quantity", "20 °C")],
    ),
    (
        "Up by 7.5 per cent, 3% or ten percent.",
        [("quantity", "7.5 per cent"), ("quantity", "3%"), ("quantity", "ten percent")],
    ),
    ("A 12-month lease on a three-storey house.", [("quantity", "12-month"), ("quantity", "three-storey")]),
    ("Twenty-five people and 3 million bees.", [("quantity", "Twenty-five people"), ("quantity", "3 million bees")]),
    ("One of the three keys is his.", [("quantity", "three keys")]),
    (
        "Over 150,000 came, at least 12 by boat, more than two hundred on foot.",
        [("number", "Over 150,000"), ("number", "at least 12"), ("number", "more than two hundred")],
    ),
    ("It grew by some 5% to 1.5 billion.", [("quantity", "some 5%"), ("number", "1.5 billion")]),
    ("One day he came.", [("quantity", "One day")]),
    ("Room 12 opens at 8.", [("phrase", "Room 12"), ("number", "8")]),
    ("Lost things go to room 243, the tools to bay C4.", [("phrase", "room 243"), ("phrase", "bay C4")]),
    (
        "In 45 of 60 tries the saw, an Omnic 20, held.",
        [("number", "45"), ("quantity", "60 tries"), ("name", "Omnic 20")],
    ),
    ("The 1st of 1,000,000.", [("number", "1st"), ("number", "1,000,000")]),
    ("Line B12 and model 7b.", [("phrase", "Line B12")]),
    # names
    ("The key hangs with Runa Hessel.", [("name", "Runa Hessel")]),
    ("Runa leads the team.", []),
    ("Runa Hessel leads the team.", [("name", "Runa Hessel")]),
    ("However, Anna left; the Harbour Office did not.", [("name", "Anna"), ("name", "Harbour Office")]),
    ("In Paris it is Anna Berg's turn.", [("name", "Paris"), ("name", "Anna Berg")]),
    (
        "Ask Dr. J. R. Smith-Jones at the Bank of England.",
        [("name", "Dr. J. R. Smith-Jones"), ("name", "Bank of England")],
    ),
    (
        "Here met Ælfric Øre; Łukasz Żak; Đặng Anh; Юрий Ким.",
        [("name", "Ælfric Øre"), ("name", "Łukasz Żak"), ("name", "Đặng Anh"), ("name", "Юрий Ким")],
    ),
    ("Then NATO and the KX-2041 pump came.", [("name", "NATO and the KX-2041")]),
    ("It is I who said A.", []),
    ('He said: "The Ash Hall is shut."', [("name", "Ash Hall")]),
    ("Ludwig van Beethoven lived there.", [("name", "Ludwig van Beethoven")]),
    (
        "There Abdel al-Megrahi of the U.S. met the iTunes Store and the 108th Congress.",
        [("name", "Abdel al-Megrahi of the U.S."), ("name", "iTunes Store and the 108th Congress")],
    ),
    # names told together
    ("It was held by Danes and Germans.", [("name", "Danes and Germans")]),
    ("We saw Anna Berg, Otto and Runa or, later, Ida.", [("name", "Anna Berg, Otto and Runa"), ("name", "Ida")]),
    ("He lives in Norwich, Connecticut.", [("name", "Norwich"), ("name", "Connecticut")]),
    ("Anna and 12 others, Ida and the Bank.", [("quantity", "12 others"), ("name", "Ida and the Bank")]),
    ("nothing here", []),
    ("", []),
]


@pytest.mark.parametrize(("sentence", "expected"), CASES)
def test_spans_by_hand(sentence: str, expected: list[tuple[str, str]]):
    assert [(span.kind, span.text) for span in find_spans(sentence)] == expected


def test_phrases_are_the_content_words_left_over():
    found = phrase_spans("The rooms of Anna Berg, painted in 1990, are very naïve-looking to us.")
    assert [span.text for span in found] == ["rooms", "painted", "naïve-looking"]
    assert [span.text for span in phrase_spans("Кошка сидит.")] == ["Кошка", "сидит"]


@pytest.mark.parametrize(
    ("sentence", "word", "phrase"),
    [
        ("Most bacteria in water have a single circular chromosome.", "circular", "single circular chromosome"),
        ("It opened the console's lockout chip, which broke.", "lockout", "console's lockout chip"),
        ("They suffer from physical and emotional abuse there.", "emotional", "emotional abuse"),
        ("A gap-filling entity was never found by Mill.", "entity", "gap-filling entity"),
        ("Both cable/mobile offers were late in that year.", "mobile", "cable/mobile offers"),
    ],
)
def test_a_word_is_answered_with_what_it_belongs_to(sentence: str, word: str, phrase: str):
    (own,) = [span for span in phrase_spans(sentence) if span.text == word]
    found = widened(sentence, own)
    assert (found.text, found.kind) == (phrase, "phrase")
    assert sentence[found.start : found.end] == phrase


def test_a_phrase_leaves_something_to_ask_by():
    (_, smells, _) = phrase_spans("The paint smells odd.")
    assert widened("The paint smells odd.", smells) == smells


def test_content_words_keep_numbers_whole_and_drop_the_stop():
    assert content_words("It is open at 7:25 for 1,200.50 euros.") == ("open", "7:25", "1,200.50", "euros")


pieces = st.sampled_from(
    "Anna of the Berg $ € 5 12 1,200 . , : % two hundred May 2021 Monday - – a.m. pm kg days ' ’ ( ) \" °C É ß 中 1st "
    "I A".split()
)
sentences = st.one_of(
    st.text(max_size=80),
    st.lists(pieces, max_size=25).map(" ".join),
    st.lists(pieces, max_size=25).map("".join),
)


@given(sentences)
def test_spans_lie_in_the_sentence_in_order_without_overlap(sentence: str):
    for spans in (find_spans(sentence), phrase_spans(sentence)):
        last = 0
        for span in spans:
            assert last <= span.start < span.end <= len(sentence)
            assert sentence[span.start : span.end] == span.text == span.text.strip()
            last = span.end
        assert spans == (find_spans(sentence) if spans and spans[0].kind != "phrase" else spans)
    named = find_spans(sentence)
    assert not any(
        phrase.start < span.end and span.start < phrase.end for phrase in phrase_spans(sentence) for span in named
    )
    for phrase in phrase_spans(sentence):
        wide = widened(sentence, phrase)
        assert wide.start <= phrase.start < phrase.end <= wide.end
        assert sentence[wide.start : wide.end] == wide.text


HOSTILE = {
    "capitals": "A",
    "hyphens": "A-",
    "apostrophes": "A'",
    "names": "Aa of the ",
    "initials": "A.",
    "digits": "1",
    "groups": "1,",
    "decimals": "1.1",
    "counts": "1 ",
    "ranges": "1-",
    "spelled": "two hundred ",
    "plural": "s",
    "money": "$1",
    "clock": "1:1",
    "dotted times": "at 1.00",
    "days": "Monday to ",
    "spaces": " ",
    "hedges": "about ",
    "hedged": "more than 1 ",
    "centuries": "12th century ",
    "eras": "1 BC ",
    "years": "1999-",
    "initialisms": "U.S.",
    "small firsts": "iP",
    "told together": "Aa and the ",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_half_a_megabyte_of_anything_is_searched_in_time(kind: str):
    text = "two " + HOSTILE[kind] * (500_000 // len(HOSTILE[kind])) + "%"
    began = time.process_time()
    phrase_spans(text)
    assert time.process_time() - began < 15
