"""Networks by name, and one of a user's own, written as he would in one file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from parsing_network_tests import ParsingNetworkTests
from torch import Tensor, nn

from mmpyramid.core.errors import UserError
from mmpyramid.models import ARCHITECTURES, MMPyramid, ParsingConfig, ParsingNetwork, register
from mmpyramid.models.network import Encoded, StreamProjection
from mmpyramid.models.registry import architecture


@dataclass(kw_only=True, slots=True)
class OwnConfig(ParsingConfig):
    architecture: ClassVar[str] = "own"
    dropout: float = 0.5


class Own(ParsingNetwork):
    config_class = OwnConfig
    config: OwnConfig

    def __init__(self, config: OwnConfig) -> None:
        super().__init__(config)
        self.audio = StreamProjection(config.audio_streams, config.width)
        self.visual = StreamProjection(config.visual_streams, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, streams: Mapping[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Encoded:
        projected_BTMD = torch.stack((self.audio(streams), self.visual(streams)), dim=2)
        return Encoded(self.dropout(projected_BTMD), projected_BTMD)


@pytest.fixture(autouse=True)
def _forget_own_networks() -> Iterator[None]:
    known = dict(ARCHITECTURES)
    yield
    ARCHITECTURES.clear()
    ARCHITECTURES.update(known)


class TestOwnNetwork(ParsingNetworkTests):
    config_class = OwnConfig
    num_parameters = 1_941_067

    @pytest.fixture(autouse=True)
    def _register(self) -> None:
        register(Own)


def test_every_network_is_known_by_the_name_in_its_configuration():
    for name, network in ARCHITECTURES.items():
        assert network.config_class.architecture == name
        assert architecture(name) is network


def test_an_unknown_network_is_told():
    with pytest.raises(UserError, match=r"no network `own`; known are avel, .*han, .*imported"):
        architecture("own")


def test_registering_twice_is_no_mistake_but_taking_a_name_is():
    assert register(Own) is Own
    assert register(Own) is Own

    class Thief(Own):
        pass

    with pytest.raises(UserError, match="already is a network `own`"):
        register(Thief)
    assert architecture("own") is Own
    assert architecture("mm-pyramid") is MMPyramid
