"""Answers that a prior cannot guess, drawn without repeating any word of an earlier one."""

from __future__ import annotations

import random
import re

from liveoak.worlds.firm.kinds import Pool


def _words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words_of(
    """
    Ines Tomas Greta Otto Lidia Marek Sunniva Pavel Odile Henrik Yara Bruno Salome Emil Thora Casimir Noor Ludo
    Petra Anselm Fenna Rafik Ilka Joost Mirela Aldo Sabine Tarek Vesna Matteo Kirsi Elio Dagny Piotr Amara
    Silvan Rosalba Ivo Heidrun Lorenz Nadja Cosmin Brigid Zoltan Estelle Magnus Tilda Florian Wanda Edvard
    Carlota Janek Philippa Stellan Orsolya Benno Agnete Faris Leokadia Rurik Viola Teodor Hedwig Nils Ramona
    Osric Klara Milan Sigrid Andor
    """
)
LAST_START = _words_of(
    """
    Kol Var Bren Thal Mor Zeld Quar Hask Lund Pell Drov Vint Ost Fenn Grim Tark Jor Wess Sab Rud Elk Nor Hav
    Mint
    """
)
LAST_END = _words_of("berg ova aker mann ini stad ek wick lund oc arsson ello hoff etti quist")
TOWN_START = _words_of(
    """
    Brack Ulver Tarn Holm Esker Wend Marl Stav Pell Orre Gris Lang Dun Fal Hex Quern Rath Silt Thorn Vard Yar
    Kel Immer Noss
    """
)
TOWN_END = _words_of("wyke holt mouth bury stad haven ford minster dale vik ness brook")
STREET_START = _words_of(
    """
    Tannery Cooper Lantern Saddler Willow Chandler Ferry Mason Orchard Heron Thimble Anchor Barley Foundry
    Juniper Kestrel
    """
)
STREET_END = _words_of("Lane Row Alley Square Quay Passage")
COLOURS = _words_of(
    """
    turquoise ochre maroon teal saffron lilac crimson beige magenta navy coral indigo mustard khaki burgundy
    apricot scarlet lavender salmon ivory peach amber cobalt russet
    """
)
WORDS = _words_of(
    """
    hazelnut driftwood lighthouse marzipan thistle cobweb dragonfly porcupine lantern saxophone gooseberry
    cinnamon walrus parsnip windmill tadpole bramble nutmeg pelican sandalwood toboggan mulberry kingfisher
    snowdrop pumpernickel accordion woodpecker tamarind bluebell harpsichord chestnut seahorse rhubarb
    quicksilver hedgehog puffin molasses jackdaw
    """
)
PRODUCT_START = _words_of("Velo Lumi Tarra Nori Zephy Calo Orbi Muro Feni Sova Kepi Dora Hali Riso Wuno Pali")
PRODUCT_END = _words_of("nette stra dux lith mira vex quill tonne rix bella")
MACHINE_START = _words_of(
    """
    Torvex Haldor Brisk Omnic Krupel Seltra Vandor Mirax Dynor Pressa Galvo Rotex Lathor Stanwik
    """
)
ANIMALS = _words_of(
    """
    Biscuit Pepper Mustang Bramwell Tinker Waffle Rascal Juno Pickles Bandit Truffle Schnapps Domino Radish
    Sprocket Gizmo
    """
)
WEEKDAYS = _words_of("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words_of("January February March April May June July August September October November December")
FIRM_START = _words_of(
    """
    Quill Ember Larch Copper Sorrel Wether Pinder Hollow Marten Tallow Cinder Fallow Bristle Gable Heather
    Mallard
    """
)
FIRM_MIDDLE = _words_of("fen by row well thorpe more gate low")
FIRM_END = ("Works", "Mills", "& Sons", "Trading", "Brothers", "Crafts", "Company")


def firm_name(rng: random.Random) -> str:
    return f"{rng.choice(FIRM_START)}{rng.choice(FIRM_MIDDLE)} {rng.choice(FIRM_END)}"


class Pools:
    """Draws answers for one handbook. No two answers share a word that tells them apart, numbers included."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def reserve(self, text: str) -> None:
        """Keep the words of `text` out of every later answer."""
        self._used.update(_words(text))

    def draw(self, pool: Pool) -> str:
        """A fresh answer.

        Raises:
            ValueError: the pool has no unused answer left.
        """
        for _ in range(2000):
            answer = self._sample(pool)
            telling = _words(answer) - _UNITS
            if not telling & self._used:
                self._used |= telling
                return answer
        raise ValueError(f"pool {pool!r} has no unused answer left; ask for fewer facts")

    def left(self, pool: Pool) -> bool:
        """Whether a small pool still has an answer."""
        small = {"weekday": WEEKDAYS, "colour": COLOURS, "word": WORDS, "animal": ANIMALS}.get(pool)
        return small is None or any(word.lower() not in self._used for word in small)

    def _sample(self, pool: Pool) -> str:
        rng = self._rng
        match pool:
            case "person":
                return f"{rng.choice(FIRST)} {rng.choice(LAST_START)}{rng.choice(LAST_END)}"
            case "town":
                return rng.choice(TOWN_START) + rng.choice(TOWN_END)
            case "street":
                return f"{rng.choice(STREET_START)} {rng.choice(STREET_END)}"
            case "room":
                return f"room {rng.randint(101, 499)}"
            case "extension":
                return str(rng.randint(2101, 8999))
            case "clock":
                return f"{rng.randint(5, 11)}:{rng.choice(range(5, 60, 5)):02d}"
            case "date":
                return f"{rng.randint(2, 28)} {rng.choice(MONTHS)}"
            case "weekday":
                return rng.choice(WEEKDAYS)
            case "year":
                return str(rng.randint(1811, 1989))
            case "colour":
                return rng.choice(COLOURS)
            case "word":
                return rng.choice(WORDS)
            case "animal":
                return rng.choice(ANIMALS)
            case "product":
                return rng.choice(PRODUCT_START) + rng.choice(PRODUCT_END)
            case "machine":
                return f"{rng.choice(MACHINE_START)} {rng.randint(2, 98) * 10}"
            case _:
                low, high, step, unit = _AMOUNTS[pool]
                return f"{rng.randrange(low, high + 1, step)} {unit}"


_AMOUNTS: dict[str, tuple[int, int, int, str]] = {
    "euros": (13, 197, 1, "euros"),
    "cents": (21, 98, 1, "cents"),
    "percent": (7, 46, 1, "percent"),
    "days": (3, 58, 1, "days"),
    "weeks": (3, 19, 1, "weeks"),
    "months": (5, 77, 1, "months"),
    "metres": (12, 94, 1, "metres"),
    "kilograms": (130, 990, 10, "kilograms"),
    "litres": (210, 1990, 10, "litres"),
    "degrees": (41, 178, 1, "degrees"),
    "people": (17, 390, 1, "people"),
    "pieces": (210, 4990, 10, "pieces"),
    "kilometres": (6, 23, 1, "kilometres"),
}
_UNITS = {unit for _, _, _, unit in _AMOUNTS.values()} | {word.lower() for word in [*MONTHS, *STREET_END, "room"]}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w:]+", text.lower()))
