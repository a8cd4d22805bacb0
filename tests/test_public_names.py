"""Names that users import stay where they are: taking one away is a change that users must make."""

from importlib import import_module
from pathlib import Path

NAMES = Path(__file__).with_name("public_names.txt").read_text().split()


def test_every_public_name_is_still_there():
    """Add new names to the list; a name leaves it one version after its deprecation."""
    assert len(NAMES) > 100
    for path in NAMES:
        room, name = path.rsplit(".", 1)
        module = import_module(room)
        assert name in module.__all__, path
        assert getattr(module, name) is not None, path
