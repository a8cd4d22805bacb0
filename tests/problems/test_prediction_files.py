"""`PREDICTIONS.npz`: reading, checking, scoring."""

import numpy as np
import parsing_reference
import pytest

from mmpyramid import UserError
from mmpyramid.problems.parsing import (
    Predictions,
    llp_masks,
    parsing_report,
    read_predictions,
    score_predictions,
)

N, T, C = 6, 4, 3
IDS = [f"video{number}" for number in range(N)]


@pytest.fixture
def truth():
    *_, audio, visual = parsing_reference.random_masks(seed=2, shape=(N, T, C), density=0.9)
    assert audio.any()
    return audio, visual


@pytest.fixture
def arrays():
    random = np.random.RandomState(0)
    shapes = {"audio": (N, T, C), "visual": (N, T, C), "video": (N, C)}
    shapes |= {"video_audio": (N, C), "video_visual": (N, C)}
    values = {name: random.random_sample(shape).astype("f4") for name, shape in shapes.items()}
    return {"ids": np.array(IDS), **values}


def test_scores_do_not_depend_on_the_order_of_ids(tmp_path, arrays, truth):
    masks = llp_masks(arrays["audio"], arrays["visual"], arrays["video"])
    expected = parsing_report(*masks, *truth)
    order = [3, 0, 5, 1, 4, 2]
    np.savez(tmp_path / "p.npz", **{name: values[order] for name, values in arrays.items()})
    assert score_predictions(tmp_path / "p.npz", IDS, *truth) == expected


def test_the_protocol_reaches_the_masks(arrays, truth):
    names = ("video_audio", "video_visual")
    protocol = {"gate": "per_modality", "threshold": 0.25, "video_threshold": 0.52}
    masks = llp_masks(
        *(arrays[name] for name in ("audio", "visual", "video")),
        **{name: arrays[name] for name in names},
        **protocol,
    )
    expected = parsing_report(*masks, *truth, iou_threshold=0.3)
    assert score_predictions(arrays, IDS, *truth, **protocol, iou_threshold=0.3) == expected
    assert score_predictions(arrays, IDS, *truth) != expected
    for name in names:
        del arrays[name]
    with pytest.raises(UserError, match="`per_modality` needs"):
        score_predictions(arrays, IDS, *truth, **protocol)


def test_written_predictions_read_back(tmp_path, arrays):
    del arrays["video_audio"], arrays["video_visual"]
    ids = tuple(arrays.pop("ids").tolist())
    Predictions(ids=ids, **arrays).save(tmp_path / "any name")
    read = read_predictions(tmp_path / "any name", IDS, (T, C))
    assert read.ids == tuple(IDS)
    assert read.video_audio is None
    for name, values in arrays.items():
        np.testing.assert_array_equal(getattr(read, name), values)
        assert getattr(read, name).dtype == np.float32


def test_all_problems_are_told_at_once(arrays):
    del arrays["visual"]
    arrays["ids"][:3] = "twice"
    arrays["audio"][4, 1, 1] = np.nan
    arrays["audio"][5, 0, 0] = 7
    arrays["video"] = arrays["video"][:, :2]
    arrays["video_audio"] = arrays["video_audio"].astype(int)
    with pytest.raises(UserError) as caught:
        read_predictions(arrays, IDS, (T, C))
    assert str(caught.value).splitlines()[1:] == [
        "  - `visual` is missing",
        "  - 1 ids occur more than once (twice)",
        "  - 1 ids are not among the labels (twice)",
        "  - 3 labeled videos have no prediction (video0, video1, video2)",
        "  - 1 videos have NaN in `audio` (video4)",
        "  - 1 videos have values outside 0..1 in `audio`; apply the sigmoid to logits (video5)",
        "  - `video` must have shape (6, 3), got (6, 2)",
        "  - `video_audio` must be floating point, got int64: use `.astype('float32')`",
    ]


def test_long_lists_of_ids_are_cut(arrays):
    with pytest.raises(UserError, match=r"5 labeled .* \(video1, video2, video3, \.\.\.\)"):
        read_predictions({name: values[:1] for name, values in arrays.items()}, IDS, (T, C))


@pytest.mark.parametrize("kept", [[], range(1, T), [0, T - 1]])
def test_a_mask_tells_where_a_video_ends_and_nothing_else(arrays, kept):
    """Else a system could leave out what it got wrong."""
    arrays["mask"] = np.ones((N, T), bool)
    arrays["mask"][2] = np.isin(np.arange(T), kept)
    with pytest.raises(UserError, match=r"1 videos have a `mask` that is not 1 .* \(video2\)"):
        read_predictions(arrays, IDS, (T, C))
    arrays["mask"][2] = np.arange(T) < 2
    assert read_predictions(arrays, IDS, (T, C)).mask.sum() == N * T - T + 2


def test_ids_are_a_row_of_text(arrays):
    arrays["ids"] = np.arange(N)
    with pytest.raises(UserError, match=r"`ids` must be a row of text, got int64 of shape \(6,\)"):
        read_predictions(arrays, IDS, (T, C))


def test_pickled_ids_are_refused_and_never_run(tmp_path, arrays):
    arrays["ids"] = arrays["ids"].astype(object)
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(UserError, match=r"np\.array\(ids, dtype=str\)"):
        read_predictions(tmp_path / "p.npz", IDS, (T, C))


def test_files_that_are_no_npz(tmp_path, arrays):
    whole = tmp_path / "whole.npz"
    np.savez(whole, **arrays)
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("ids,audio")
    (tmp_path / "folder.npz").mkdir()
    np.save(tmp_path / "single.npy", arrays["audio"])
    names = ["cut.npz", "empty.npz", "text.npz", "folder.npz", "single.npy", "absent.npz"]
    for name in names:
        with pytest.raises(UserError, match=rf"{name}: expected an \.npz file"):
            read_predictions(tmp_path / name, IDS, (T, C))
