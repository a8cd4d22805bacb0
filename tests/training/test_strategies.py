"""Strategies: their losses written out, and each of them in a run with a parsing network."""

import math
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch.nn import functional as F

from mmpyramid.cli import main
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.segment_labels import SegmentLabels, SegmentTargets, Softening
from mmpyramid.models import create_model
from mmpyramid.problems.parsing.composed import Step, Targets
from mmpyramid.problems.parsing.losses import (
    GuidedObjective,
    binary_cross_entropy,
    contrastive_loss,
    smooth,
)
from mmpyramid.training.module import AtomicCheckpointIO, NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.strategies import STRATEGIES, strategy_named
from mmpyramid.training.strategies.cmrc import combine
from mmpyramid.training.strategies.coleaf import Reference, asymmetric_loss, together
from mmpyramid.training.strategies.jomold import (
    DenoisingObjective,
    alone,
    noisy_labels,
    read_noise_ratios,
)
from mmpyramid.training.strategies.leap import similarity_target
from mmpyramid.training.strategies.uwav import UncertaintyObjective, mix
from mmpyramid.training.strategies.valor import SegmentObjective, pseudo_labels
from random_batch import random_batch
from training import tiny_corpus

RNG = np.random.default_rng(5)


def flags(num_epochs: int) -> tuple[str, ...]:
    """Of a short training of a narrow network."""
    epochs = ("--epochs", str(num_epochs))
    return ("--model.width", "16", *epochs, "--batch-size", "8", "--precision", "32-true")


FLAGS = flags(2)
WITH_LABELS = ["valor", "uwav", "cmrc", "leap", "leap-decoder", "lsld"]
WITH_RATIOS = ["jomold", "coleaf"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


def write_margins(corpus, folder, layout=("audio", "visual"), dtype=np.float16):
    """Random margins for the training videos; gives them, (N, T, M, C)."""
    train = read_llp(corpus, "train")
    margins = RNG.normal(size=(len(train), 10, 2, len(train.labels)))
    for index, side in enumerate(layout):
        (folder / side).mkdir(parents=True, exist_ok=True)
        for video_id, margin_TMC in zip(train.ids, margins, strict=True):
            values = margin_TMC[:, index]
            values = values > 0 if dtype is np.bool_ else values
            np.save(folder / side / f"{video_id}.npy", values.astype(dtype))
    return margins


@pytest.fixture(scope="module")
def labels(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    write_margins(corpus, folder)
    return folder


def labelled_batch(model) -> Batch:
    """A random batch with pseudo labels, some of which nobody knows."""
    batch = random_batch(model, "parsing")
    generator = torch.Generator().manual_seed(2)
    shape = (*batch.mask_BT.shape, 2, len(model.labels))
    pseudo_BTMC = torch.rand(shape, generator=generator) * batch.weak_BC[:, None, None]
    weight_BTMC = (torch.rand(shape, generator=generator) > 0.2).float()
    return replace(batch, pseudo_BTMC=pseudo_BTMC, pseudo_weight_BTMC=weight_BTMC)


def small(recipe: str):
    config = RECIPES[recipe]()
    config.model.width, config.precision = 16, "32-true"
    return config


class TestGuided:
    """HAN, MM-Pyramid and MA are combinations of the same terms, to the bit."""

    @pytest.mark.parametrize("contrast", [0.0, 1.0])
    def test_the_sum_is_what_it_was(self, contrast):
        config = small("han")
        batch = random_batch(config.model, "parsing")
        output = create_model(config.model).eval()(batch.streams, batch.mask_BT, batch.present_BM)
        weak_BC = batch.weak_BC
        loss = (
            binary_cross_entropy(output.stream_BMC[:, 0], smooth(weak_BC, 1.0))
            + binary_cross_entropy(output.stream_BMC[:, 1], smooth(weak_BC, 0.9))
            + binary_cross_entropy(output.video_BC, weak_BC)
        )
        if contrast:
            encoded = output.encoded
            both_BT = batch.mask_BT & batch.present_BM.all(1, keepdim=True)
            pair = encoded.fused_BTMD[:, :, 0], encoded.projected_BTMD[:, :, 1]
            loss = loss + contrast * contrastive_loss(*pair, both_BT, 0.2)
        assert torch.equal(GuidedObjective(contrast=contrast)(output, batch), loss)


class TestSegmentLabels:
    def read(self, corpus, folder, **how):
        train = read_llp(corpus, "train")
        labels = SegmentLabels(folder=folder, **how)
        return train, SegmentTargets(labels, train.ids, train.weak, train.labels)

    def batch_of(self, train, targets, rows):
        mask_BT = torch.ones(len(rows), 10, dtype=torch.bool)
        return targets.added_to(
            Batch(streams={}, mask_BT=mask_BT, present_BM=torch.ones(len(rows), 2) > 0), rows
        )

    @pytest.mark.parametrize("dtype", [np.float16, np.float64, np.bool_, np.int64])
    def test_hard_labels_are_margins_above_0_of_the_classes_of_a_video(
        self, corpus, tmp_path, dtype
    ):
        layout = ("CLAP/segment_pseudo_labels", "CLIP/segment_pseudo_labels")
        margins = write_margins(corpus, tmp_path, layout, np.bool_ if dtype is np.int64 else dtype)
        if dtype is np.int64:
            for path in tmp_path.rglob("*.npy"):
                np.save(path, np.load(path).astype(np.int64))
        train, targets = self.read(corpus, tmp_path)
        batch = self.batch_of(train, targets, [3, 0])
        expected = (margins > 0) * (train.weak[:, None, None] > 0)
        np.testing.assert_array_equal(batch.pseudo_BTMC, expected[[3, 0]])
        assert (batch.pseudo_weight_BTMC == 1).all()

    def test_soft_labels_are_sigmoids(self, corpus, tmp_path):
        margins = write_margins(corpus, tmp_path)
        train, targets = self.read(corpus, tmp_path, soft=True, temperature=2.0)
        batch = self.batch_of(train, targets, [1])
        expected = 1 / (1 + np.exp(-margins[1].astype(np.float16) / 2)) * train.weak[1]
        np.testing.assert_allclose(batch.pseudo_BTMC[0], expected, atol=2e-3)

    def test_classes_are_balanced_by_their_shares(self, corpus, tmp_path):
        """With a share of 0.05 the paper's weights are 0.475 and 0.05."""
        margins = write_margins(corpus, tmp_path)
        train, targets = self.read(corpus, tmp_path, balance=0.5)
        share_M = ((margins > 0) * (train.weak[:, None, None] > 0)).mean((0, 1, 3))
        weight_MC = self.batch_of(train, targets, [0]).pseudo_weight_BTMC[0, 0]
        for modality, share in enumerate(share_M):
            expected = np.where(train.weak[0] > 0, 0.5 * (1 - share), share)
            np.testing.assert_allclose(weight_MC[modality], expected, rtol=1e-5)

    def test_what_a_teacher_cannot_perceive_counts_nothing(self, corpus, tmp_path):
        write_margins(corpus, tmp_path)
        train = read_llp(corpus, "train")
        path = tmp_path / "visual" / f"{train.ids[0]}.npy"
        margin_TC = np.load(path)
        margin_TC[:, 1] = np.nan
        np.save(path, margin_TC)
        for soft in (False, True):
            _, targets = self.read(corpus, tmp_path, soft=soft)
            batch = self.batch_of(train, targets, [0])
            assert (batch.pseudo_weight_BTMC[0, :, 1, 1] == 0).all()
            assert batch.pseudo_weight_BTMC.sum() == batch.pseudo_weight_BTMC.numel() - 10
            assert not batch.pseudo_BTMC.isnan().any()

    def test_uncertain_labels_of_what_is_seen_become_soft(self, corpus, tmp_path):
        """LSLD's rule written out, over the segments of all videos with and without the class."""
        margins = write_margins(corpus, tmp_path).astype(np.float16).astype(np.float32)
        softening = Softening(offset=0.16, slope=0.05)
        train, targets = self.read(corpus, tmp_path, softening=softening)
        rows = range(len(train))
        batch = self.batch_of(train, targets, rows)
        label = (margins > 0) & (train.weak[:, None, None] > 0)
        np.testing.assert_array_equal(batch.pseudo_BTMC[:, :, 0], label[:, :, 0])
        cosine, has = 0.16 + 0.05 * margins[:, :, 1], label[:, :, 1]
        expected = has.astype(float)
        for row, second, column in np.ndindex(has.shape):
            of_class, others = cosine[..., column][has[..., column]], cosine[..., column]
            others, value = others[~has[..., column]], cosine[row, second, column]
            if has[row, second, column] and value < others.max() and 0 < 4 * value < 1:
                expected[row, second, column] = 4 * value
            if not has[row, second, column] and value > of_class.min() and 0 < 0.4 * value < 1:
                expected[row, second, column] = 0.4 * value
        np.testing.assert_allclose(batch.pseudo_BTMC[:, :, 1], expected, atol=1e-6)
        soft = (expected > 0) & (expected < 1)
        assert (soft & has).any()
        assert (soft & (train.weak[:, None] == 0)).any(), "also of classes that a video lacks"
        with pytest.raises(UserError, match="should be above 0"):
            Softening(slope=0.0)
        with pytest.raises(UserError, match="should be finite"):
            Softening(offset=math.nan)

    def test_all_that_is_wrong_is_told_at_once(self, corpus, tmp_path):
        with pytest.raises(UserError, match="got neither pair"):
            self.read(corpus, tmp_path)
        write_margins(corpus, tmp_path)
        ids = read_llp(corpus, "train").ids
        side = tmp_path / "audio"
        (side / f"{ids[0]}.npy").unlink()
        (side / f"{ids[1]}.npy").write_bytes(b"no array")
        np.save(side / f"{ids[2]}.npy", np.zeros((10, 4)))
        np.save(side / f"{ids[3]}.npy", np.full((10, 3), 2))
        np.save(side / f"{ids[4]}.npy", np.zeros((9, 3)))
        np.save(side / f"{ids[5]}.npy", np.array([{}], object), allow_pickle=True)
        with pytest.raises(UserError) as caught:
            self.read(corpus, tmp_path)
        for part in ("missing files", "cannot be read", "something else", "other than 0 and 1"):
            assert part in str(caught.value)
        assert "differ in length" in str(caught.value)

    def test_hard_labels_cannot_be_made_soft(self, corpus, tmp_path):
        write_margins(corpus, tmp_path, dtype=np.bool_)
        with pytest.raises(UserError, match="soft labels are made from margins"):
            self.read(corpus, tmp_path, soft=True)

    def test_thresholds_are_subtracted_before_margins_are_rounded(self, corpus, tmp_path):
        """Logits of 20 are 0.016 apart in half precision."""
        train = read_llp(corpus, "train")
        threshold = {"audio": 20.0, "visual": 30.0}
        for side, above in threshold.items():
            logit_TC = np.full((10, len(train.labels)), above, np.float32)
            logit_TC[:5] += np.float32(0.004)
            (tmp_path / side).mkdir()
            for video_id in train.ids:
                np.save(tmp_path / side / f"{video_id}.npy", logit_TC)
        lines = [f"{label},20,30" for label in train.labels]
        (tmp_path / "thresholds.csv").write_text("\n".join(["label,audio,visual", *lines]))
        train, targets = self.read(corpus, tmp_path)
        batch = self.batch_of(train, targets, [0])
        expected_TMC = np.zeros((10, 2, len(train.labels)))
        expected_TMC[:5] = train.weak[0]
        np.testing.assert_array_equal(batch.pseudo_BTMC[0], expected_TMC)

    def test_shorter_labels_than_videos_are_refused(self, corpus, tmp_path):
        write_margins(corpus, tmp_path)
        train, targets = self.read(corpus, tmp_path)
        mask_BT = torch.ones(1, 11, dtype=torch.bool)
        batch = Batch(streams={}, mask_BT=mask_BT, present_BM=torch.ones(1, 2) > 0)
        with pytest.raises(UserError, match=f"labels of 11 segments of {train.ids[0]} in"):
            targets.added_to(batch, [0])


class TestValor:
    def test_segments_and_video_are_compared(self):
        config = small("han")
        batch = labelled_batch(config.model)
        network = create_model(config.model).eval()
        output = network(batch.streams, batch.mask_BT, batch.present_BM)
        objective = SegmentObjective(segment_labels="labels", audio_weight=3.0)
        exists = batch.mask_BT[:, :, None]
        logit_BTMC = torch.logit(output.prob_BTMC.double())
        expected = F.binary_cross_entropy(output.video_BC, batch.weak_BC)
        for modality, weight in enumerate((3.0, 1.0)):
            loss = F.binary_cross_entropy_with_logits(
                logit_BTMC[:, :, modality].clamp(-16, 16),
                batch.pseudo_BTMC[:, :, modality].double(),
                batch.pseudo_weight_BTMC[:, :, modality].double(),
                reduction="none",
            )
            expected = expected + weight * (loss * exists).sum() / (exists.sum() * loss.shape[-1])
        torch.testing.assert_close(
            objective(output, batch).double(), expected.double(), rtol=1e-4, atol=1e-5
        )


class TestUwav:
    def test_a_mixture_is_a_share_of_each(self):
        values = torch.arange(6.0).view(2, 3, 1)
        order = torch.tensor([5, 4, 3, 2, 1, 0])
        mixed = mix(values, order, torch.tensor(0.75))
        np.testing.assert_allclose(mixed.flatten(), [1.25, 1.75, 2.25, 2.75, 3.25, 3.75])

    def test_mixtures_teach_the_head(self):
        config = small("han")
        batch = labelled_batch(config.model)
        network = create_model(config.model).eval()
        output = network(batch.streams, batch.mask_BT, batch.present_BM)

        def loss(weight):
            torch.manual_seed(1)
            objective = UncertaintyObjective(segment_labels="labels", mixture_weight=weight)
            return objective.criterion(network)(output, batch)

        assert loss(1.0) > loss(0.0)
        torch.testing.assert_close(loss(2.0) - loss(0.0), 2 * (loss(1.0) - loss(0.0)))
        for value in (0.0, -1.0, math.inf, math.nan):
            with pytest.raises(UserError, match="alpha should be above 0"):
                UncertaintyObjective(segment_labels="labels", alpha=value)


class TestCmrc:
    def test_a_combination_has_the_labels_of_both_tracks(self):
        model = small("han").model
        batch = labelled_batch(model)
        batch = replace(batch, pseudo_BTMC=(batch.pseudo_BTMC > 0.3).float())
        torch.manual_seed(3)
        combined = combine(batch, tuple(model.audio_streams), share=1.0)
        heard, seen = "vggish", "resnet152"
        assert torch.equal(combined.streams[seen], batch.streams[seen])
        for row, values in enumerate(combined.streams[heard]):
            (origin,) = [
                i for i, own in enumerate(batch.streams[heard]) if torch.equal(own, values)
            ]
            mask_T = batch.mask_BT[row] & batch.mask_BT[origin]
            audio_TC = batch.pseudo_BTMC[origin, :, 0] * mask_T[:, None]
            visual_TC = batch.pseudo_BTMC[row, :, 1] * mask_T[:, None]
            if origin != row and not (audio_TC.any() or visual_TC.any()):
                raise AssertionError("a combination without labels should have stayed as it is")
            assert torch.equal(combined.weak_BC[row], (audio_TC + visual_TC).amax(0).clamp(max=1))
            assert torch.equal(combined.pseudo_BTMC[row, :, 0], audio_TC)

    def test_which_streams_are_sound_is_no_option(self, capsys):
        """The network tells it; another answer would exchange pictures, or nothing."""
        words = ["train", "llp", "--data=X", "--out=Y", "--strategy=cmrc", "--segment-labels=Z"]
        with pytest.raises(SystemExit, match="2"):
            main([*words, "--objective.audio-streams", "resnet152"])
        assert "--objective.audio-streams" in capsys.readouterr().err

    def test_the_sound_of_the_network_is_exchanged(self):
        config = STRATEGIES["cmrc"].configure(small("han"))
        config.objective.share = 1.0
        network, batch = create_model(config.model), labelled_batch(config.model)
        criterion, changed = config.objective.criterion(network), set()
        for seed in range(5):  # Some draw each video's own sound.
            torch.manual_seed(seed)
            streams = criterion.augment(batch).streams
            changed |= {n for n, x in batch.streams.items() if not torch.equal(x, streams[n])}
        assert changed == {"vggish"}

    def test_none_are_combined_at_a_share_of_0(self):
        model = small("han").model
        batch = labelled_batch(model)
        combined = combine(batch, tuple(model.audio_streams), share=0.0)
        for name, values in batch.tensors().items():
            assert torch.equal(combined.tensors()[name], values)


class TestLeap:
    @pytest.mark.parametrize(("common", "target"), [(0, 0.01), (0.5, 0.3433), (1, 0.51)])
    def test_the_released_targets(self, common, target):
        """With two events in the busiest segment a pair shares none, one or both."""
        heard = torch.tensor([[[1.0, 1.0]]])
        seen = torch.zeros(1, 1, 2)
        seen[..., : round(2 * common)] = 1
        assert similarity_target(heard, seen).item() == pytest.approx(target, abs=1e-4)

    def test_a_video_without_events_asks_for_nothing_alike(self):
        nothing = torch.zeros(1, 3, 4)
        assert torch.equal(similarity_target(nothing, nothing), torch.full((1, 3, 3), 0.01))
        assert torch.equal(similarity_target(nothing, nothing, "paper"), torch.zeros(1, 3, 3))

    def test_a_stream_keeps_its_weak_label_where_the_teacher_knows_nothing(self):
        batch = labelled_batch(small("han").model)
        batch = replace(batch, weak_BC=torch.ones_like(batch.weak_BC))
        batch.pseudo_weight_BTMC[0, :, 1, 2] = 0
        batch.pseudo_BTMC[0, :, 1, 2] = 0
        weak = Targets(batch.weak_BC, batch.weak_BC[:, None].expand(-1, 2, -1))
        stream_BMC = pseudo_labels(weak, Step(None, batch)).stream_BMC
        expected_BMC = batch.pseudo_BTMC.amax(1)
        expected_BMC[0, 1, 2] = 1
        torch.testing.assert_close(stream_BMC, expected_BMC)


class TestJomold:
    def test_labels_are_dropped_as_the_rule_says(self):
        generator = torch.Generator().manual_seed(4)
        loss_BMC = torch.rand(40, 2, 6, generator=generator)
        weak_BC = (torch.rand(40, 6, generator=generator) < 0.5).float()
        ratio_MC = torch.rand(2, 6, generator=generator)
        found = noisy_labels(loss_BMC, weak_BC, ratio_MC)
        for class_ in range(6):
            rows = [row for row in range(40) if weak_BC[row, class_]]
            for modality in (0, 1):
                most = math.floor(ratio_MC[modality, class_] * len(rows))
                own, other = loss_BMC[:, modality, class_], loss_BMC[:, 1 - modality, class_]
                largest = sorted(rows, key=lambda row: -own[row].item())[:most]
                smallest = sorted(rows, key=lambda row: other[row].item())[:most]
                dropped = found[:, modality, class_].nonzero().flatten().tolist()
                assert dropped == sorted(set(largest) & set(smallest))
        assert found.any()

    def test_a_modality_alone_does_not_know_the_other(self):
        config = small("llp")
        network = create_model(config.model).eval()
        batch = random_batch(config.model, "parsing")
        streams = {name: torch.randn_like(values) for name, values in batch.streams.items()}
        other = replace(batch, streams={**streams, "vggish": batch.streams["vggish"]})
        own, changed = alone(network, batch), alone(network, other)
        torch.testing.assert_close(own[:, 0], changed[:, 0])
        assert not torch.allclose(own[:, 1], changed[:, 1])

    def test_released_ratios(self, shared):
        ratio_MC = read_noise_ratios(shared / "data" / "llp" / "jomold_noise_ratios.npz", 25)
        number_C = read_llp(shared / "data" / "llp", "train").weak.sum(0)
        audio, visual = (ratio_MC * number_C).sum(1)
        assert (round(float(visual)), round(float(audio))) == (6099, 791)

    def test_ratios_that_are_none_are_refused(self, tmp_path):
        path = tmp_path / "ratios.npz"
        with pytest.raises(UserError, match="No such file"):
            read_noise_ratios(path, 3)
        path.write_bytes(b"PK\x03\x04")
        with pytest.raises(UserError, match="expected noise ratios"):
            read_noise_ratios(path, 3)
        np.savez_compressed(path, audio=np.random.random(3), visual=np.zeros(3))
        content = path.read_bytes()
        path.write_bytes(content[:62] + b"\xff" * 20 + content[82:])
        with pytest.raises(UserError, match="expected noise ratios"):
            read_noise_ratios(path, 3)
        for values in (np.array([0.1, 2, 0.1]), np.zeros(4), np.full(3, np.nan)):
            np.savez(path, audio=values, visual=values)
            with pytest.raises(UserError, match="3 noise ratios within"):
                read_noise_ratios(path, 3)

    def test_nothing_is_dropped_in_the_first_epoch(self, tmp_path):
        np.savez(tmp_path / "ratios.npz", audio=np.full(25, 0.9), visual=np.full(25, 0.9))
        config = small("han")
        batch = random_batch(config.model, "parsing")
        batch = replace(batch, weak_BC=torch.ones_like(batch.weak_BC))
        network = create_model(config.model).eval()
        objective = DenoisingObjective(noise_ratios=tmp_path / "ratios.npz", contrast=0.0)
        criterion = objective.criterion(network)
        output = network(batch.streams, batch.mask_BT, batch.present_BM)
        first = criterion(output, batch)
        plain = GuidedObjective()(output, batch)
        audio = binary_cross_entropy(output.stream_BMC[:, 0], batch.weak_BC)
        torch.testing.assert_close(first, plain + audio)
        criterion.epoch = 1
        assert not torch.equal(criterion(output, batch), first)


class TestColeaf:
    def test_the_asymmetric_loss(self):
        """With soft labels, in the terms of its paper: (1 - p) log p, and the same of 1 - p."""
        prob, label = torch.tensor([[0.3, 0.6, 0.02]]), torch.tensor([[0.95, 0.05, 0.0]])
        found = asymmetric_loss(prob, label).item()
        expected = 0.0
        for p, y in zip((0.3, 0.6, 0.02), (0.95, 0.05, 0.0), strict=True):
            absent = min(1 - p + 0.05, 1)
            weight = 1 - (p * y + absent * (1 - y))
            expected -= weight * (y * math.log(p) + (1 - y) * math.log(absent))
        assert found == pytest.approx(expected, rel=1e-5)

    def test_classes_occur_together_as_in_a_sure_reference(self):
        found = torch.tensor([[0.9, 0.2, 0.5]], requires_grad=True)
        prob, label = torch.tensor([[0.3, 0.9, 0.05]]), torch.tensor([[1.0, 1.0, 0.0]])
        wanted = torch.tensor([0.9, 0.9, 0.5])  # Not sure of the first; the third is not there.
        off = torch.outer(wanted, wanted) - torch.outer(found[0], found[0])
        value = together(found, prob, label, 0)
        torch.testing.assert_close(value[0], off.square().sum() / 3)
        value.sum().backward()
        assert found.grad[0, 1] < 0, "the second rises"

    def test_a_reference_sees_one_modality_and_no_padding(self):
        config = small("han").model
        torch.manual_seed(0)
        reference = Reference(config.visual_streams, 16, 25).eval()
        batch = random_batch(config, "parsing")
        short = batch.mask_BT.clone()
        short[:, 6:] = False
        streams = {name: values.clone() for name, values in batch.streams.items()}
        streams["vggish"] += 1
        for name in config.visual_streams:
            streams[name][:, 6:] = 77.0
        cut = {name: values[:, :6] for name, values in batch.streams.items()}
        padded, alone = reference(streams, short), reference(cut, short[:, :6])
        torch.testing.assert_close(padded.prob_BC, alone.prob_BC)
        torch.testing.assert_close(padded.token_BC, alone.token_BC)

    def test_references_learn_and_teach_without_following(self, tmp_path):
        """What they learn is the same whether they teach or not; the network then learns more."""
        np.savez(tmp_path / "ratios.npz", audio=np.full(25, 0.2), visual=np.full(25, 0.2))
        gradients = []
        for teaches in (True, False):
            config = strategy_named("coleaf").configure(small("han"))
            config.objective.noise_ratios = tmp_path / "ratios.npz"
            if not teaches:
                config.objective.visual_match_weight = config.objective.together_weight = 0.0
            torch.manual_seed(0)
            module = NetworkModule(config).eval()
            module.criterion.epoch = 1
            module.loss(random_batch(config.model, "parsing")).backward()
            gradients.append({n: p.grad for n, p in module.named_parameters()})
        learned = [name for name in gradients[0] if name.startswith("criterion.references.")]
        assert len(learned) == len(module.criterion.trained()) > 0
        for name in learned:
            assert torch.equal(gradients[0][name], gradients[1][name])
        name = "network.layer.self_attention.query.weight"
        assert not torch.equal(gradients[0][name], gradients[1][name])


class TestTeacher:
    def test_the_teacher_is_an_average_and_saved_with_the_run(self):
        config = strategy_named("ema-teacher").configure(small("han"))
        config.objective.keep, config.objective.start = 0.5, 0
        module = NetworkModule(config)
        before = [p.clone() for p in module.network.parameters()]
        module.criterion.finish_step()
        with torch.no_grad():
            for parameter in module.network.parameters():
                parameter.add_(1.0)
        module.criterion.finish_step()
        for own, teacher in zip(before, module.criterion.teacher.module.parameters(), strict=True):
            torch.testing.assert_close(teacher, own + 0.5)
        assert any(name.startswith("criterion.teacher.") for name in module.state_dict())
        assert not any(p.requires_grad for p in module.criterion.teacher.parameters())

    def test_it_teaches_after_its_start(self):
        config = strategy_named("ema-teacher").configure(small("han"))
        module = NetworkModule(config).eval()
        batch = random_batch(config.model, "parsing")
        output = module.network(batch.streams, batch.mask_BT, batch.present_BM)
        assert torch.equal(module.criterion(output, batch), GuidedObjective()(output, batch))
        module.criterion.epoch = 5
        assert module.criterion(output, batch) > GuidedObjective()(output, batch)

    def test_what_lies_behind_the_end_of_a_video_changes_nothing(self):
        config = strategy_named("ema-teacher").configure(small("han"))
        module = NetworkModule(config).eval()
        module.criterion.epoch = 5
        batch = random_batch(config.model, "parsing")
        batch.weak_BC[:] = 1
        padded = replace(
            batch,
            mask_BT=F.pad(batch.mask_BT, (0, 4)),
            streams={n: F.pad(x, (0, 0, 0, 4), value=7.0) for n, x in batch.streams.items()},
        )
        losses = [
            module.criterion(module.network(x.streams, x.mask_BT, x.present_BM), x)
            for x in (batch, padded)
        ]
        torch.testing.assert_close(*losses)


WEIGHTS = [
    ("jomold", "audio_weight"),
    ("jomold", "video_weight"),
    ("coleaf", "visual_match_weight"),
    ("ema-teacher", "teacher_weight"),
    ("valor", "audio_weight"),
]


@pytest.mark.parametrize(("strategy", "name"), WEIGHTS)
def test_negative_weights_are_refused(strategy, name):
    objective = strategy_named(strategy).configure(small("han")).objective
    flag = name.replace("_", "-")
    with pytest.raises(UserError, match=f"{flag} should be 0 or more, got -1"):
        replace(objective, **{name: -1.0})


def test_labels_are_not_dropped_before_the_first_epoch():
    with pytest.raises(UserError, match="start should be 0 or more, got -1"):
        DenoisingObjective(start=-1)


@pytest.mark.parametrize("strategy", ["valor", "cmrc", "leap"])
def test_a_loss_without_terms_is_refused_before_the_run(corpus, labels, tmp_path, strategy, capsys):
    words = ["train", "han", "--data", str(corpus), "--out", str(tmp_path / "run"), *FLAGS]
    words += ["--strategy", strategy, "--segment-labels", str(labels)]
    terms = ("audio", "visual", "video") + (("stream", "similarity") if strategy == "leap" else ())
    words += [word for name in terms for word in (f"--objective.{name}-weight", "0")]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "expected a term of the loss that counts" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_networks_of_a_run_are_not_saved_twice():
    module = NetworkModule(small("han"))
    assert not any(name.startswith("criterion.") for name in module.state_dict())


@pytest.mark.parametrize("recipe", ["han", "llp"])
@pytest.mark.parametrize(
    "strategy", [s for s in STRATEGIES if s not in ("plain", "modality-aware")]
)
def test_gradients_of_every_strategy_with_every_kind_of_network(recipe, strategy, tmp_path):
    """Of a padded batch in which a modality is missing: finite, and none but the network's."""
    config = strategy_named(strategy).configure(small(recipe))
    if strategy in WITH_LABELS:
        config.objective.segment_labels = tmp_path
    if strategy in WITH_RATIOS:
        config.objective.noise_ratios = tmp_path / "ratios.npz"
        np.savez(config.objective.noise_ratios, audio=np.full(25, 0.2), visual=np.full(25, 0.2))
    module = NetworkModule(config)
    module.criterion.epoch = 10
    batch = labelled_batch(config.model)
    batch.mask_BT[0, 6:], batch.present_BM[1, 0] = False, False
    loss = module.loss(batch)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in module.network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("strategy", WITH_LABELS)
def test_a_run_on_segment_labels(corpus, labels, tmp_path, strategy, capsys):
    words = ("train", "han", "--data", str(corpus), *FLAGS, "--strategy", strategy)
    out = tmp_path / "run"
    assert main([*words, "--out", str(out), "--segment-labels", str(labels)]) == 0
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["objective"]["segment_labels"] == str(labels)
    assert "segments" in config["data"]
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--out", str(tmp_path / "other")])
    assert "--segment-labels" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_by_a_loss_that_leaves_weights_out(corpus, labels, tmp_path):
    """LEAP's does not read the video's probabilities, so nothing trains the modalities' weights."""
    words = ["train", "han", "--strategy", "leap", "--segment-labels", str(labels), *FLAGS]
    words += ["--data", str(corpus), "--out", str(tmp_path / "run"), "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "mmpyramid", *words, "--devices", "2"], check=True)
    assert (tmp_path / "run" / "model").is_dir()


@pytest.mark.slow
def test_references_are_trained_and_saved_with_the_run(corpus, tmp_path):
    np.savez(tmp_path / "ratios.npz", audio=np.full(3, 0.2), visual=np.full(3, 0.2))
    words = ("train", "han", "--data", str(corpus), *FLAGS, "--strategy=coleaf")
    words += ("--objective.noise-ratios", str(tmp_path / "ratios.npz"))
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    saved = AtomicCheckpointIO().load_checkpoint(tmp_path / "run" / "last.ckpt")["state_dict"]
    for side in (0, 1):
        tokens = saved[f"criterion.references.{side}.token_CD"]
        assert (tokens.std(0) > 0).all(), "they start as zeros"
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert not any("references" in name for name in weights)


@pytest.mark.slow
def test_the_runs_of_jomold(corpus, tmp_path, capsys):
    words = ("train", "han", "--data", str(corpus), "--strategy=jomold")
    again = (*words, *flags(3), "--out", str(tmp_path / "run"), "--resume")
    words += FLAGS
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert read_noise_ratios(tmp_path / "run" / "noise_ratios.npz", 3).shape == (2, 3)
    assert str(tmp_path / "run" / "denoised" / "model") in capsys.readouterr().out
    ratios = ("--objective.noise-ratios", str(tmp_path / "run" / "noise_ratios.npz"))
    assert main([*words, *ratios, "--out", str(tmp_path / "known")]) == 0
    assert (tmp_path / "known" / "model").is_dir()
    assert main(again) == 2
    assert "were estimated after 2 epochs, not 3; resume" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.slow
def test_the_place_of_pseudo_labels_does_not_count_but_their_content(
    corpus, labels, tmp_path, capsys
):
    words = ["train", "han", "--strategy=valor", f"--data={corpus}", f"--out={tmp_path}/run"]
    assert main([*words, *flags(1), f"--segment-labels={labels}"]) == 0
    words += FLAGS
    moved = shutil.copytree(labels, tmp_path / "moved")
    assert main([*words, f"--segment-labels={moved}", "--resume"]) == 0
    write_margins(corpus, moved)
    assert main([*words, f"--segment-labels={moved}", "--resume"]) == 2
    assert "differs in data;" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_the_first_process_alone_estimates_noise(corpus, tmp_path):
    """Of two processes each would read the whole corpus, and the last one's file would stay."""
    reports = tmp_path / "reports.py"
    reports.write_text(
        "import os, pathlib\n"
        "from mmpyramid.training.strategies import jomold\n"
        "estimate = jomold.estimate_noise_ratios\n"
        "def reported(*given):\n"
        f"    pathlib.Path({str(tmp_path)!r}, f'{{os.getpid()}}.estimates').touch()\n"
        "    return estimate(*given)\n"
        "jomold.estimate_noise_ratios = reported\n"
    )
    words = ["train", "han", "--data", str(corpus), *FLAGS, "--strategy=jomold", "--devices", "2"]
    words += ["--out", str(tmp_path / "run"), "--device", "cpu"]
    command = [sys.executable, "-m", "mmpyramid", "--code", str(reports), *words]
    subprocess.run(command, check=True)
    assert (tmp_path / "run" / "denoised" / "model").is_dir()
    assert len([*tmp_path.glob("*.estimates")]) == 1


@pytest.mark.slow
def test_a_teacher_resumes_with_its_weights(corpus, tmp_path):
    words = ("train", "han", "--data", str(corpus), "--strategy", "ema-teacher")
    words += ("--objective.start", "1", "--objective.keep", "0.9")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*words, *FLAGS, "--out", str(whole)]) == 0
    assert main([*words, *flags(1), "--out", str(parts)]) == 0
    assert main([*words, *FLAGS, "--out", str(parts), "--resume"]) == 0
    name = "model/model.safetensors"
    assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_a_strategy_is_for_one_problem(corpus, tmp_path, capsys):
    words = ("train", "ave", "--data", str(corpus), "--out", str(tmp_path / "run"))
    assert main([*words, "--strategy", "ema-teacher"]) == 2
    assert "choose one that fits" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "llp", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in STRATEGIES)
