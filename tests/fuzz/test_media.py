"""Media files with mutated bytes, by the thousand: a clear reason for each, and the run goes on."""

import re

import pytest

from extract.tiny_extraction import make
from fuzz.media import write_mutants
from fuzz.mutations import number_of_cases
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.store import FeatureStore

TIMEOUT = 20.0


@pytest.mark.slow
def test_mutated_files_are_extracted_or_refused(tmp_path):
    """In processes of one gibibyte each."""
    written = write_mutants(tmp_path / "mutants", number_of_cases(420, of=2_000))
    engine = LocalEngine(workers=2, limits=Limits(timeout=TIMEOUT, memory=2**30))
    names = ("mean_color", "bands")
    extract_corpus(written, tmp_path / "store", names, factory=make, engine=engine)
    store = FeatureStore(tmp_path / "store")
    assert {*store.ids, *store.failures} == {path.stem for path in written}
    assert 0 < len(store) < len(written)
    unforeseen = {n: why for n, why in store.failures.items() if re.match(r"\w+Error: ", why)}
    assert unforeseen == {}
    assert all(len(store.read(video_id).features) > 0 for video_id in store.ids)
