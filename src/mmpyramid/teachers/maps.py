"""Which classes of AudioSet and ImageNet stand for which of our labels, by name.

The rule for sound: the AudioSet class of the label, and the classes that are a kind of it and of
nothing else (so "Growling", shared by dogs and cats, is not used). The rule for pictures: the
ImageNet classes that are a kind of the thing ("beagle" is a dog), or the object that makes the
sound ("frying pan", "toilet seat"). A label for which a list has no such class is left out of its
map and named by `LabelSet.unmapped`; nothing is replaced by a look-alike. So a ukulele, which
ImageNet lacks, is never seen, although its classifier would call it an acoustic guitar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from mmpyramid.core import Modality
from mmpyramid.core.labels import AVE_LABELS, LLP_LABELS


class Span(NamedTuple):
    """All classes from `first` to `last` in the order of the class list."""

    first: str
    last: str


ClassMap: TypeAlias = Mapping[str, tuple[str | Span, ...]]
"""Label to the names of the backbone's classes that stand for it."""


@dataclass(frozen=True)
class LabelSet:
    """The labels of a benchmark and the two maps onto them.

    Attributes:
        name: as in the title of the benchmark.
        labels: in checkpoint order.
        classes: for `Modality.AUDIO` the map from AudioSet classes (the 521 that YAMNet knows), for
            `Modality.VISUAL` that from ImageNet-1k classes (names as torchvision spells them).
    """

    name: str
    labels: tuple[str, ...]
    classes: Mapping[Modality, ClassMap]

    def unmapped(self, modality: Modality) -> tuple[str, ...]:
        """The labels that have no counterpart, in order: a teacher never finds them there."""
        return tuple(label for label in self.labels if label not in self.classes[modality])


def class_indices(members: Sequence[str | Span], class_names: Sequence[str]) -> list[int]:
    """Columns of a backbone's class list for one label.

    Example:
        >>> class_indices(("b", Span("d", "f")), "abcdefg")
        [1, 3, 4, 5]
    """
    columns: list[int] = []
    for member in members:
        first, last = member if isinstance(member, Span) else (member, member)
        columns += range(class_names.index(first), class_names.index(last) + 1)
    return columns


_DOG_BREEDS = Span("Chihuahua", "Mexican hairless")
_BARKS = ("Bark", "Yip", "Bow-wow")
_CAT_SOUNDS = ("Cat", "Purr", "Meow", "Caterwaul")
_CATS = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
_FRYING_PANS = ("frying pan", "wok")
_MOTORCYCLES = ("moped", "motor scooter")

LLP_AUDIO: ClassMap = {
    "Speech": (
        "Speech",
        "Child speech, kid speaking",
        "Conversation",
        "Narration, monologue",
    ),
    "Car": (
        "Car",
        "Car alarm",
        "Skidding",
        "Tire squeal",
        "Car passing by",
        "Race car, auto racing",
    ),
    "Cheering": ("Cheering",),
    "Dog": ("Dog", *_BARKS, "Whimper (dog)"),
    "Cat": _CAT_SOUNDS,
    "Frying_(food)": ("Frying (food)",),
    "Basketball_bounce": ("Basketball bounce",),
    "Fire_alarm": ("Fire alarm",),
    "Chainsaw": ("Chainsaw",),
    "Cello": ("Cello",),
    "Banjo": ("Banjo",),
    "Singing": (
        "Singing",
        "Choir",
        "Yodeling",
        "Chant",
        "Mantra",
        "Child singing",
        "Opera",
        "Vocal music",
        "A capella",
    ),
    "Chicken_rooster": ("Chicken, rooster", "Cluck", "Crowing, cock-a-doodle-doo"),
    "Violin_fiddle": ("Violin, fiddle",),
    "Vacuum_cleaner": ("Vacuum cleaner",),
    "Baby_laughter": ("Baby laughter",),
    "Accordion": ("Accordion",),
    "Lawn_mower": ("Lawn mower",),
    "Motorcycle": ("Motorcycle",),
    "Helicopter": ("Helicopter",),
    "Acoustic_guitar": ("Acoustic guitar",),
    "Telephone_bell_ringing": ("Telephone bell ringing",),
    "Baby_cry_infant_cry": ("Baby cry, infant cry",),
    "Blender": ("Blender",),
    "Clapping": ("Clapping", "Applause"),
}

LLP_VISUAL: ClassMap = {
    "Car": (
        "ambulance",
        "beach wagon",
        "cab",
        "car mirror",
        "car wheel",
        "convertible",
        "grille",
        "jeep",
        "limousine",
        "minivan",
        "Model T",
        "pickup",
        "police van",
        "racer",
        "sports car",
    ),
    "Dog": (_DOG_BREEDS,),
    "Cat": _CATS,
    "Frying_(food)": _FRYING_PANS,
    "Basketball_bounce": ("basketball",),
    "Chainsaw": ("chain saw",),
    "Cello": ("cello",),
    "Banjo": ("banjo",),
    "Chicken_rooster": ("cock", "hen"),
    "Violin_fiddle": ("violin",),
    "Vacuum_cleaner": ("vacuum",),
    "Accordion": ("accordion",),
    "Lawn_mower": ("lawn mower",),
    "Motorcycle": _MOTORCYCLES,
    "Acoustic_guitar": ("acoustic guitar",),
    "Telephone_bell_ringing": ("dial telephone", "pay-phone"),
}

AVE_AUDIO: ClassMap = {
    "Church bell": ("Church bell", "Change ringing (campanology)"),
    "Bark": _BARKS,
    "Fixed-wing aircraft, airplane": ("Fixed-wing aircraft, airplane",),
    "Race car, auto racing": ("Race car, auto racing",),
    "Helicopter": ("Helicopter",),
    "Violin, fiddle": ("Violin, fiddle",),
    "Flute": ("Flute",),
    "Ukulele": ("Ukulele",),
    "Frying (food)": ("Frying (food)",),
    "Truck": (
        "Truck",
        "Air brake",
        "Air horn, truck horn",
        "Reversing beeps",
        "Ice cream truck, ice cream van",
    ),
    "Shofar": ("Shofar",),
    "Motorcycle": ("Motorcycle",),
    "Acoustic guitar": ("Acoustic guitar",),
    "Train horn": ("Train horn",),
    "Clock": ("Clock", "Tick", "Tick-tock"),
    "Banjo": ("Banjo",),
    "Goat": ("Goat",),
    "Baby cry, infant cry": ("Baby cry, infant cry",),
    "Bus": ("Bus",),
    "Chainsaw": ("Chainsaw",),
    "Cat": _CAT_SOUNDS,
    "Horse": ("Horse", "Clip-clop", "Neigh, whinny"),
    "Toilet flush": ("Toilet flush",),
    "Rodents, rats, mice": ("Rodents, rats, mice", "Mouse"),
    "Accordion": ("Accordion",),
    "Mandolin": ("Mandolin",),
}

AVE_VISUAL: ClassMap = {
    "Church bell": ("bell cote",),
    "Bark": (_DOG_BREEDS,),
    "Fixed-wing aircraft, airplane": ("airliner", "warplane", "wing"),
    "Race car, auto racing": ("racer",),
    "Violin, fiddle": ("violin",),
    "Flute": ("flute",),
    "Frying (food)": _FRYING_PANS,
    "Truck": (
        "fire engine",
        "garbage truck",
        "moving van",
        "pickup",
        "tow truck",
        "trailer truck",
    ),
    "Motorcycle": _MOTORCYCLES,
    "Acoustic guitar": ("acoustic guitar",),
    "Train horn": (
        "bullet train",
        "electric locomotive",
        "freight car",
        "passenger car",
        "steam locomotive",
    ),
    "Clock": ("analog clock", "digital clock", "wall clock"),
    "Banjo": ("banjo",),
    "Goat": ("ibex",),
    "Bus": ("minibus", "school bus", "trolleybus"),
    "Chainsaw": ("chain saw",),
    "Cat": _CATS,
    "Horse": ("sorrel",),
    "Toilet flush": ("toilet seat",),
    "Rodents, rats, mice": (
        "beaver",
        "fox squirrel",
        "guinea pig",
        "hamster",
        "marmot",
        "porcupine",
    ),
    "Accordion": ("accordion",),
}

LABEL_SETS: Mapping[str, LabelSet] = {
    "llp": LabelSet("LLP", LLP_LABELS, {Modality.AUDIO: LLP_AUDIO, Modality.VISUAL: LLP_VISUAL}),
    "ave": LabelSet("AVE", AVE_LABELS, {Modality.AUDIO: AVE_AUDIO, Modality.VISUAL: AVE_VISUAL}),
}
"""The label sets that have maps, by the name that users type."""
