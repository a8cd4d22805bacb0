"""The heads of parsing networks against their formulas written out."""

import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.models import HANConfig, create_model
from mmpyramid.models.parsing import AttentiveMMIL, LabelDecoder
from mmpyramid.training.recipes import RECIPES


@pytest.fixture
def head() -> AttentiveMMIL:
    torch.manual_seed(1)
    return AttentiveMMIL(width=4, num_classes=3).double()


def everything(x_BTMD):
    return torch.ones(x_BTMD.shape[:2], dtype=torch.bool), torch.ones(len(x_BTMD), 2).bool()


@torch.no_grad()
def test_is_a_mean_over_time_weighted_by_class(head):
    x = 3 * torch.randn(1, 5, 2, 4, dtype=torch.float64)
    pooled = head(x, *everything(x))
    for c in range(3):
        video = 0.0
        for m in range(2):
            prob = [head.probability(x[0, t, m])[c].sigmoid() for t in range(5)]
            time = torch.stack([head.time_attention(x[0, t, m])[c] for t in range(5)]).softmax(0)
            modality = [head.modality_attention(x[0, t])[:, c].softmax(0)[m] for t in range(5)]
            stream = sum(p * w for p, w in zip(prob, time, strict=True))
            video += sum(p * w * u for p, w, u in zip(prob, time, modality, strict=True))
            torch.testing.assert_close(pooled.stream_BMC[0, m, c], stream)
        torch.testing.assert_close(pooled.video_BC[0, c], video)


@torch.no_grad()
def test_a_video_has_no_probability_above_one(head):
    """Each modality matters where its time weight is high, and the products add up to almost 2."""
    x = torch.zeros(1, 2, 2, 4, dtype=torch.float64)
    x[0, 0, 0, 0] = x[0, 1, 1, 0] = 1.0
    for layer, slope in ((head.time_attention, 20.0), (head.modality_attention, 20.0)):
        layer.weight.zero_()[:, 0] = slope
    head.probability.weight.zero_()
    head.probability.bias.fill_(5.0)
    pooled = head(x, *everything(x))
    assert pooled.prob_BTMC.min() > 0.99
    assert torch.equal(pooled.video_BC, torch.ones(1, 3, dtype=torch.float64))


@torch.no_grad()
def test_an_absent_modality_leaves_the_video_to_the_other_one(head):
    x = torch.randn(2, 5, 2, 4, dtype=torch.float64)
    mask, present = everything(x)
    present[0, 1] = False
    pooled, whole = head(x, mask, present), head(x, mask, torch.ones(2, 2).bool())
    assert pooled.prob_BTMC[0, :, 1].max() == pooled.stream_BMC[0, 1].max() == 0
    torch.testing.assert_close(pooled.video_BC[0], whole.stream_BMC[0, 0])
    torch.testing.assert_close(pooled.video_BC[1], whole.video_BC[1])


@pytest.mark.parametrize("form", ["released", "paper"])
@torch.no_grad()
def test_labels_tell_segments_by_the_attention_scores_of_the_last_layer(form):
    """Head by head: the mean of their scores, without softmax, of each label with each segment."""
    torch.manual_seed(2)
    decoder = LabelDecoder(16, 3, form).double().eval()
    x = torch.randn(1, 5, 2, 16, dtype=torch.float64)
    mask, present = everything(x)
    pooled = decoder(x, mask, present)
    for m, reader in enumerate((decoder.audio, decoder.visual)):
        label = reader.first(decoder.label_CD[None], x[:, :, m], mask)
        normal = reader.last.attention_norm(label)
        read = label + reader.last.attention(normal, x[:, :, m], mask)
        query = reader.last.attention.query(read if form == "released" else normal)[0]
        key = reader.last.attention.key(x[:, :, m])[0]
        scores = [
            query[:, at] @ key[:, at].T / 2**0.5
            for at in (slice(h, h + 2) for h in range(0, 16, 2))
        ]
        expected = torch.stack(scores).mean(0).T.sigmoid()
        torch.testing.assert_close(pooled.prob_BTMC[0, :, m], expected)
        occurs = reader.occurrence(
            read + reader.last.feed_forward(reader.last.feed_forward_norm(read))
        )
        torch.testing.assert_close(pooled.stream_BMC[0, m], occurs[0, :, 0].sigmoid())
    either = (pooled.stream_BMC >= 0.5).any(1)
    assert torch.equal(pooled.video_BC >= 0.5, either), "the gate of the release"


def test_networks_with_a_head_of_their_own_keep_it():
    config = RECIPES["talnet"]().model
    config.head = "leap"
    with pytest.raises(UserError, match="`talnet` has a head of its own"):
        create_model(config)
    with pytest.raises(UserError, match="a multiple of 8"):
        create_model(HANConfig(width=12, head="leap"))
    with pytest.raises(UserError, match="head should be one of mmil, leap, leap-paper"):
        HANConfig(head="other")
