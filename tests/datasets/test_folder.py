"""A folder of own videos: every format, every way to split, and faults with file and line."""

import json

import numpy as np
import pytest

import tiny_folder
from mmpyramid.cli import main
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import Supervision, open_dataset
from mmpyramid.datasets.folder_files import video_id
from mmpyramid.datasets.refined import write_refined
from mmpyramid.models import load_pretrained
from tiny_folder import LABELS, STREAMS, length_of, name_of, rows_of, write_table

SPLITS = ("train", "val", "test")
NUM_VIDEOS = 30


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    tiny_folder.write_features(folder, NUM_VIDEOS)
    return folder / "features"


def expected_masks(number):
    length, (event,) = length_of(number), tiny_folder.events_of(number)
    masks = np.zeros((2, length, len(LABELS)), bool)
    for side, modality in enumerate((Modality.AUDIO, Modality.VISUAL)):
        if event.modality in (modality, Modality.AUDIO_VISUAL):
            masks[side, int(event.start) : int(event.end), LABELS.index(event.label)] = True
    return masks


@pytest.mark.parametrize("source", ["files", "annotations.csv", "annotations.tsv"])
def test_all_formats_say_the_same(tmp_path, features, source):
    if source == "files":
        tiny_folder.write_files(tmp_path, NUM_VIDEOS)
    else:
        write_table(tmp_path / source, rows_of(NUM_VIDEOS))
    found = {split: open_dataset(tmp_path, split, STREAMS, features=features) for split in SPLITS}
    assert [len(found[split]) for split in SPLITS] == [24, 3, 3]
    ids = [video_id for dataset in found.values() for video_id in dataset.ids]
    assert sorted(ids) == sorted(name_of(number) for number in range(NUM_VIDEOS))
    for dataset in found.values():
        assert dataset.labels == LABELS
        numbers = [int(video_id.split()[-1]) for video_id in dataset.ids]
        batch = dataset.batch(range(len(dataset)))
        lengths = [length_of(number) for number in numbers]
        assert batch.mask_BT.sum(1).tolist() == lengths
        assert batch.mask_BT.shape[1] == dataset.num_segments == max(lengths)
        for row, number in enumerate(numbers):
            audio_TC, visual_TC = expected_masks(number)
            truth = dataset.truth(dataset.ids[row])
            np.testing.assert_array_equal(truth[Modality.AUDIO], audio_TC)
            np.testing.assert_array_equal(truth[Modality.VISUAL], visual_TC)
            np.testing.assert_array_equal(batch.audio_BTC[row, : lengths[row]], audio_TC)
            np.testing.assert_array_equal(batch.visual_BTC[row, : lengths[row]], visual_TC)
            assert not batch.audio_BTC[row, lengths[row] :].any()
            np.testing.assert_array_equal(dataset.masks[0][row, : lengths[row]], audio_TC)
            assert batch.weak_BC[row].tolist() == [number % 2 == 0, number % 2 == 1]
            item = dataset.item(dataset.ids[row])
            assert {name: len(values) for name, values in item.items()} == dict.fromkeys(
                tiny_folder.WIDTHS, lengths[row]
            )
            heard, seen = batch.modality_BMC[row].sum(1).tolist()
            assert (heard, seen) == (audio_TC.any(), visual_TC.any())


def test_a_batch_is_as_long_as_its_longest_video(tmp_path, features):
    write_table(tmp_path / "annotations.csv", rows_of(NUM_VIDEOS))
    train = open_dataset(tmp_path, "train", STREAMS, features=features)
    shortest = min(range(len(train)), key=lambda row: train.item(train.ids[row])["yamnet"].shape[0])
    assert train.batch([shortest]).mask_BT.shape == (1, 4)


def test_an_event_without_a_modality_is_heard_and_seen(tmp_path):
    write_table(tmp_path / "table" / "annotations.csv", without(rows_of(12), "modality"))
    tsv = "onset\toffset\tevent_label\n0\t2\tbird\n"
    for number in range(12):
        (tmp_path / "files" / "annotations").mkdir(parents=True, exist_ok=True)
        kind, text = ("tsv", tsv) if number % 2 else ("txt", "0\t2\tbird\n")
        (tmp_path / "files" / "annotations" / f"{number}.{kind}").write_text(text)
    for folder in ("table", "files"):
        for split in SPLITS:
            for video in (dataset := open_dataset(tmp_path / folder, split)).ids:
                truth = dataset.truth(video)
                assert truth[Modality.AUDIO].any()
                np.testing.assert_array_equal(truth[Modality.AUDIO], truth[Modality.VISUAL])


def without(rows, *columns):
    return [{k: v for k, v in row.items() if k not in columns} for row in rows]


def test_weak_rows_train_and_are_not_measured(tmp_path, features):
    rows = [{**row, "split": SPLITS[n % 3]} for n, row in enumerate(rows_of(9))]
    weak = [{**row, "onset": "", "offset": ""} if row["split"] != "test" else row for row in rows]
    write_table(tmp_path / "annotations.csv", weak)
    train = open_dataset(tmp_path, "train", STREAMS, features=features)
    batch = train.batch([0, 1])
    assert batch.audio_BTC is None
    assert batch.weak_BC.sum(1).tolist() == [1, 1]
    assert open_dataset(tmp_path, "test", STREAMS, features=features).masks[0].any()
    with pytest.raises(UserError, match=r"labels without times, the first at annotations.csv line"):
        _ = open_dataset(tmp_path, "val", STREAMS, features=features).masks
    words = ["train", "folder", "--data", str(tmp_path), "--features", str(features)]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["column", "lists", "table"])
def test_every_way_to_say_the_split(tmp_path, how):
    rows = rows_of(9)
    if how == "column":
        rows = [{**row, "split": SPLITS[n % 3]} for n, row in enumerate(rows)]
    write_table(tmp_path / "annotations.csv", rows)
    if how == "lists":
        for number, split in enumerate(SPLITS):
            names = [f"{name_of(n)}.mp4" for n in range(number, 9, 3)]
            (tmp_path / f"{split}.txt").write_text("\n".join(names) + "\n")
    if how == "table":
        stated = [{"video": name_of(n), "split": SPLITS[n % 3]} for n in range(9)]
        write_table(tmp_path / "splits.csv", stated)
    for number, split in enumerate(SPLITS):
        assert open_dataset(tmp_path, split).ids == tuple(name_of(n) for n in range(number, 9, 3))


def test_the_fraction_is_the_same_every_time_and_moves_few_videos(tmp_path):
    splits = []
    for size in (40, 41):
        write_table(tmp_path / str(size) / "annotations.csv", rows_of(size))
        found = [open_dataset(tmp_path / str(size), split) for split in SPLITS]
        splits.append({video: n for n, dataset in enumerate(found) for video in dataset.ids})
    moved = [video for video in splits[0] if splits[0][video] != splits[1][video]]
    assert len(moved) <= 2
    assert list(splits[0].values()).count(1) == 4


def test_classes_come_from_the_file_or_from_the_annotations(tmp_path):
    write_table(tmp_path / "annotations.csv", rows_of(9))
    assert open_dataset(tmp_path, "train").labels == ("bird", "rain")
    (tmp_path / "labels.txt").write_text("rain\nwind\nbird\n")
    assert open_dataset(tmp_path, "train").labels == ("rain", "wind", "bird")


def test_a_video_in_which_nothing_happens(tmp_path, features):
    rows = rows_of(9)
    rows[4] = dict.fromkeys(rows[4], "") | {"video": name_of(4)}
    write_table(tmp_path / "annotations.csv", [{**row, "split": "train"} for row in rows])
    train = open_dataset(tmp_path, "train", STREAMS, features=features)
    assert train.weak.sum(1).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]


def test_refined_labels_belong_to_the_videos(tmp_path, features):
    write_table(tmp_path / "annotations.csv", rows_of(9))
    train = open_dataset(tmp_path, "train", STREAMS, features=features)
    modality_NMC = np.stack([train.weak, np.zeros_like(train.weak)], axis=1)
    write_refined(tmp_path / "refined.tsv", train, modality_NMC)
    supervision = Supervision(refined=tmp_path / "refined.tsv")
    refined = open_dataset(tmp_path, "train", STREAMS, features=features, supervision=supervision)
    np.testing.assert_array_equal(refined.batch([0, 1]).modality_BMC, modality_NMC[:2])
    assert refined.digest().keys() == {"annotations", "features", "refined"}


def test_a_digest_is_of_the_content(tmp_path, features):
    for place in ("a", "b"):
        write_table(tmp_path / place / "annotations.csv", rows_of(12))
    digests = [
        open_dataset(tmp_path / place, "train", STREAMS, features=features).digest()
        for place in ("a", "b")
    ]
    assert digests[0] == digests[1]
    rows = rows_of(12)
    for row in rows:
        row["offset"] = "2"
    write_table(tmp_path / "b" / "annotations.csv", rows)
    assert open_dataset(tmp_path / "b", "train", STREAMS, features=features).digest() != digests[0]


def change(row, **cells):
    return lambda rows: rows[row].update(cells)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change(2, label="brid"), r"'brid' at annotations.csv line 4, did you mean 'bird'\?"),
        (change(2, offset="99"), r"1..99 s of 6 s of my holiday 2 at annotations.csv line 4"),
        (change(2, offset="0.5"), r"annotations.csv line 4: an event needs 0 <= start < end"),
        (change(2, offset="soon"), r"annotations.csv line 4: expected a number as end"),
        (change(2, onset=""), r"annotations.csv line 4: expected a number as start"),
        (change(2, label=""), r"annotations.csv line 4: expected the label of an event"),
        (change(2, modality="loud"), r"annotations.csv line 4: expected a modality out of"),
        (change(2, video="../up"), r"those of files: 1 \('../up' at annotations.csv line 4\)"),
        (change(2, video="my holidy 2"), r"without features: 1 \(my holidy 2 at annotations.csv"),
        (change(2, split="tset"), r"not train, val, test: 1 \('tset' at annotations.csv line 4\)"),
        (change(2, split=""), r"without a split: 1 \(my holiday 2 at annotations.csv line 4\)"),
        (change(2, video=name_of(0), split="test"), r"two splits: 1 \(my holiday 0 at .* line 4"),
    ],
)
def test_a_fault_of_a_table_names_file_and_line(tmp_path, features, edit, message):
    rows = [{**row, "split": "train"} for row in rows_of(6)]
    edit(rows)
    write_table(tmp_path / "annotations.csv", rows)
    (tmp_path / "labels.txt").write_text("bird\nrain\n")
    with pytest.raises(UserError, match=message) as caught:
        open_dataset(tmp_path, "train", STREAMS, features=features)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
@pytest.mark.parametrize("file", ["annotations.csv", "labels.txt", "train.txt"])
def test_a_file_in_another_encoding_is_named(tmp_path, encoding, file):
    write_table(tmp_path / "annotations.csv", rows_of(6))
    (tmp_path / file).write_text("video,label\nété,Rüde\n", encoding=encoding)
    with pytest.raises(UserError, match=rf"{file}.*save it as UTF-8"):
        open_dataset(tmp_path, "train")


def test_faults_of_files_and_lists(tmp_path):
    with pytest.raises(UserError, match="missing files: 1"):
        open_dataset(tmp_path, "train", problem="parsing")
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    with pytest.raises(UserError, match=r"folders without files: 1 .*has none in .*\.csv, \.eaf"):
        open_dataset(tmp_path, "train")
    (annotations / "a.txt").write_text("0\t2\tbird\n")
    (annotations / "a.mp4.tsv").write_text("onset\toffset\tevent_label\n0\t2\tbird\n")
    (annotations / "b.docx").write_text("")
    (annotations / "c.txt").write_text("0\tbird\n")
    with pytest.raises(UserError) as caught:
        open_dataset(tmp_path, "train")
    message = str(caught.value)
    assert "videos with several files: 1 (a.txt and a.mp4.tsv)" in message
    assert "files that cannot be read: 2 " in message
    assert "c.txt: line 1: expected the label of an Audacity track" in message
    for name in ("a.mp4.tsv", "b.docx", "c.txt"):
        (annotations / name).unlink()
    (annotations / "b.txt").write_text("1\t2\tbird\n")
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("b\nc\n")
    with pytest.raises(UserError) as caught:
        open_dataset(tmp_path, "train")
    assert "listed twice: 1 (b at val.txt line 1 and train.txt line 2)" in str(caught.value)
    assert "without annotations: 1 (c at val.txt line 2" in str(caught.value)
    (tmp_path / "val.txt").write_text("")
    with pytest.raises(UserError, match="expected videos in the val split of"):
        open_dataset(tmp_path, "val")
    write_table(tmp_path / "splits.csv", [{"video": "a", "split": "train"}])
    with pytest.raises(UserError, match="one statement of the splits"):
        open_dataset(tmp_path, "val")
    (tmp_path / "annotations.csv").write_text("video,label\n")
    with pytest.raises(UserError, match=r"got annotations and annotations\.csv"):
        open_dataset(tmp_path, "val")


def test_a_table_without_its_columns_is_told(tmp_path):
    (tmp_path / "annotations.csv").write_text("film;what\na;b\n")
    with pytest.raises(UserError, match=r"`video` or `filename` .*separated by commas, got film;w"):
        open_dataset(tmp_path, "train")


def test_ids_are_names_without_the_suffix_of_media():
    assert [video_id(name) for name in ("a b.MP4", "v1.2", "x.wav", "été")] == [
        "a b",
        "v1.2",
        "x",
        "été",
    ]


@pytest.mark.slow
def test_a_network_of_own_classes_is_trained_evaluated_and_used(tmp_path, features, capsys):
    splits = ("train", "train", "train", "val", "test")
    rows = [{**row, "split": splits[number % 5]} for number, row in enumerate(rows_of(30))]
    write_table(tmp_path / "annotations.csv", rows)
    flags = ["--model.width", "16", "--model.pyramid.num-heads", "4", "--batch-size", "4"]
    flags += ["--epochs", "10", "--learning-rate", "3e-3", "--ema-decay", "0"]
    flags += ["--accelerator", "cpu", "--precision", "32-true"]
    data = ["--data", str(tmp_path), "--features", str(features)]
    run, model = tmp_path / "run", str(tmp_path / "run" / "model")
    assert main(["train", "folder", *data, "--out", str(run), *flags]) == 0
    network = load_pretrained(model)
    assert network.labels == LABELS
    assert main(["evaluate", model, *data, "--json", str(tmp_path / "numbers.json")]) == 0
    table = capsys.readouterr().out
    ours, oracle, nothing = (
        float(next(line for line in table.splitlines() if line.startswith(row)).split()[-2])
        for row in ("model", "true video labels", "nothing")
    )
    assert ours > max(oracle, nothing) + 10, table
    video, out = open_dataset(tmp_path, "test").ids[0], tmp_path / "predicted"
    assert main(["predict", model, *data, "--ids", video, "--truth", "--out", str(out)]) == 0
    found = json.loads((out / f"{video}.json").read_text())
    assert found["duration"] == length_of(int(video.split()[-1]))
    assert json.loads((out / f"{video}.truth.json").read_text())["events"]
