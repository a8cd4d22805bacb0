"""Extractors by name."""

import subprocess
import sys

import pytest

from mmpyramid.errors import UserError
from mmpyramid.features.sets import (
    EXTRACTORS,
    FEATURE_SETS,
    create_extractor,
    create_extractors,
)
from mmpyramid.types import Modality


@pytest.mark.network
def test_the_open_set_is_one_extractor_per_modality():
    sound, picture = create_extractors("open")
    assert (sound.name, sound.modality, sound.dim) == ("yamnet", Modality.AUDIO, 1024)
    assert (sound.frames_per_segment, sound.frame_size) == (0, (0, 0))
    assert (picture.name, picture.modality) == ("efficientnet_lite0", Modality.VISUAL)
    assert (picture.dim, picture.frames_per_segment) == (1280, 2)
    assert picture.frame_size == (224, 224)
    assert [len(extractor.weights_sha256) for extractor in (sound, picture)] == [64, 64]


@pytest.mark.network
def test_extractors_can_be_chosen_by_name():
    assert [e.name for e in create_extractors(["efficientnet_lite0"])] == ["efficientnet_lite0"]


def test_every_set_names_known_extractors():
    assert {name for names in FEATURE_SETS.values() for name in names} <= set(EXTRACTORS)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match="'vgg'; there are efficientnet_lite0, yamnet"):
        create_extractor("vgg")
    with pytest.raises(UserError, match="'closed'; there are open"):
        create_extractors("closed")


def test_importing_the_sets_imports_no_backbone():
    code = (
        "import sys, mmpyramid.features.sets; "
        "print([m for m in ('torch', 'torchvision', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
