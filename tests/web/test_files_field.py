"""The field for files, without a server."""

from pathlib import Path

import pytest

from mmpyramid.web import app


class Other(type):
    """A metaclass that Gradio does not have."""


class Foreign(metaclass=Other):
    def preprocess(self, payload):
        raise AssertionError("this should be replaced")


@pytest.mark.parametrize("base", [app.gr.File, Foreign], ids=["gradio", "another metaclass"])
def test_a_component_is_like_another_but_for_what_differs(base):
    members = {"preprocess": lambda self, payload: payload}
    made = app.subclass("Made", base, members)()
    assert isinstance(made, base)
    assert made.preprocess("as it came") == "as it came"


def test_files_are_named_as_visitors_named_them_and_no_stub_is_written(tmp_path):
    path = tmp_path / "a1b2"
    path.write_bytes(b"four")
    field = app.Files(label="Files", file_count="multiple")
    assert field.postprocess([]) is None
    sent = field.postprocess([(str(path), "holiday.xyz")])
    assert [(file.orig_name, file.size) for file in sent] == [("holiday.xyz", 4)]
    assert field.preprocess(sent) == [str(path)]
    assert field.preprocess(None) == []
    assert field.get_block_name() == "file"
    assert not Path(app.__file__).with_suffix(".pyi").exists()
