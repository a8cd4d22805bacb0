"""The contrastive loss against torch's cross-entropy, and with padding."""

import pytest
import torch
from torch.nn import functional as F

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models import HAN, HANConfig, create_model
from mmpyramid.models.baselines.avsdn import AVSDNParserConfig
from mmpyramid.problems.parsing.losses import GuidedObjective, contrastive_loss
from random_batch import random_batch


def pair(num_videos=3, length=7, dtype=torch.float64):
    torch.manual_seed(length)
    audio, visual = torch.randn(2, num_videos, length, 5, dtype=dtype)
    return audio.requires_grad_(), visual.requires_grad_()


def everything(audio):
    return torch.ones(audio.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("length", [2, 7, 10, 30])
@pytest.mark.parametrize(("temperature", "smoothing"), [(0.2, 0.1), (1.0, 0.0), (0.5, 0.4)])
def test_is_a_smoothed_cross_entropy_over_the_segments_of_a_video(length, temperature, smoothing):
    audio, visual = pair(length=length)
    cosine = torch.cosine_similarity(audio[:, :, None], visual[:, None], dim=-1)
    expected = F.cross_entropy(
        (cosine / temperature).flatten(0, 1),
        torch.arange(length).repeat(len(audio)),
        # Torch also gives a share of the smoothing to the target itself.
        label_smoothing=smoothing * length / (length - 1),
    )
    actual = contrastive_loss(audio, visual, everything(audio), temperature, smoothing)
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)


def test_an_encoder_that_changes_the_width_has_nothing_to_compare():
    config = AVSDNParserConfig(width=16)
    videos = random_batch(config, "parsing")
    output = create_model(config)(videos.streams)
    with pytest.raises(UserError, match="set it to 0"):
        GuidedObjective(contrast=1.0)(output, videos)


def test_padding_counts_nothing():
    audio, visual = pair(num_videos=2)
    mask = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    apart = [
        contrastive_loss(audio[:1], visual[:1], mask[:1]),
        contrastive_loss(audio[1:, :3], visual[1:, :3], mask[1:, :3]),
    ]
    together = contrastive_loss(audio, visual, mask)
    torch.testing.assert_close(together, (7 * apart[0] + 3 * apart[1]) / 10, atol=1e-12, rtol=0)
    together.backward()
    for gradient in (audio.grad, visual.grad):
        assert gradient[mask].abs().sum(-1).min() > 0
        assert gradient[~mask].abs().max() == 0


def test_a_batch_in_which_nothing_can_be_compared_gives_zero():
    audio, visual = pair(num_videos=2)
    loss = contrastive_loss(audio, visual, ~everything(audio))
    loss.backward()
    assert loss == 0
    assert audio.grad.abs().max() == 0
    alone = contrastive_loss(audio[:, :1], visual[:, :1], everything(audio)[:, :1])
    assert alone == 0, "a single segment has nothing to be told from"


def test_bf16_features_are_compared_in_float32():
    audio, visual = (x.detach().bfloat16() for x in pair())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = contrastive_loss(audio, visual, everything(audio))
    assert loss.dtype == torch.float32
    exact = contrastive_loss(audio.double(), visual.double(), everything(audio))
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)


def test_a_video_that_lacks_a_modality_has_nothing_to_tell_apart():
    network = HAN(HANConfig(audio_streams={"a": 3}, visual_streams={"v": 4}, width=8, num_heads=2))
    streams = {"a": torch.randn(2, 5, 3), "v": torch.randn(2, 5, 4)}
    mask_BT, present_BM = torch.ones(2, 5).bool(), torch.tensor([[True, True], [True, False]])
    batch = Batch(
        streams=streams, mask_BT=mask_BT, present_BM=present_BM, weak_BC=torch.ones(2, 25)
    )
    output = network.eval()(streams, mask_BT, present_BM)
    whole, guided = (GuidedObjective(contrast=weight)(output, batch) for weight in (1.0, 0.0))
    heard, seen = output.encoded.fused_BTMD[:, :, 0], output.encoded.projected_BTMD[:, :, 1]
    expected = contrastive_loss(heard[:1], seen[:1], mask_BT[:1])
    torch.testing.assert_close(whole - guided, expected)
