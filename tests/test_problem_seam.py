"""No code outside a problem asks which problem it has: the problem answers by its methods."""

import ast
from pathlib import Path

import pytest

import mmpyramid
from mmpyramid.problems.base import PROBLEMS

PACKAGE = Path(mmpyramid.__file__).parent
CLASSES = {
    *("Scores", "LocalizationScores", "Pooled", "Localized"),
    *("ParsingNetwork", "LocalizationNetwork", "ParsingConfig", "LocalizationConfig"),
    *("ParsingProblem", "LocalizationProblem", "LocalizationObjective", "GuidedObjective"),
}
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not path.relative_to(PACKAGE).is_relative_to("problems/parsing")
    and not path.relative_to(PACKAGE).is_relative_to("problems/localization")
]


def questions(tree: ast.AST) -> list[str]:
    """Where code asks for the class of a problem's own things, or compares with its name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
            "isinstance",
            "issubclass",
        }:
            names = {getattr(each, "id", getattr(each, "attr", "")) for each in ast.walk(node)}
            found += [f"line {node.lineno}: isinstance of {name}" for name in names & CLASSES]
        texts = []
        if isinstance(node, ast.Compare | ast.Match):
            texts = [each for each in ast.walk(node) if isinstance(each, ast.Constant)]
        if isinstance(node, ast.Dict):
            texts = [key for key in node.keys if isinstance(key, ast.Constant)]
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            texts = [node.slice]
        found += [f"line {t.lineno}: {t.value!r}" for t in texts if t.value in PROBLEMS]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_code_asks_which_problem_it_has(path):
    assert questions(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(scores, Scores)",
        "isinstance(config, (int, models.ParsingConfig))",
        "network.problem == 'parsing'",
        "name in ('localization', 'other')",
        "{'parsing': 1}[name]",
        "PROBLEMS['parsing']",
    ],
)
def test_a_question_is_found(code):
    assert len(questions(ast.parse(code))) >= 1
