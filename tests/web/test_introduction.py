"""The head of the page."""

import pytest

from mmpyramid.web.handlers import introduction
from mmpyramid.web.limits import Limits
from mmpyramid.web.pool import Setup


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (("teachers", "teachers-ave"), "25 LLP sounds and things"),
        (("teachers-ave", "teachers"), "28 AVE sounds and things"),
        (("hub/model", "teachers"), "the labels of hub/model"),
    ],
)
def test_it_names_what_the_first_model_looks_for(models, said):
    setup = Setup(models=models, vocabulary="llp")
    assert f"<p>A timeline of {said} in any" in introduction(Limits(), setup.sought)
