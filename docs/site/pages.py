"""Pages that the site shares with the repository, links between the two, and the API.

Loaded by mkdocs as hooks (see mkdocs.yml).
"""

import pkgutil
import posixpath
import re
import sys
from importlib import import_module
from inspect import ismodule
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import mmpyramid
from mmpyramid.render import FORMATS

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/mmpyramid/mmpyramid/blob/main/"
SHARED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository that are pages, and how the site calls them."""

INTERNAL = {"__main__", "cli", "files", "version", "web"}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API to the navigation, and the pages that nobody has put there."""
    listed = str(config.nav)
    more = [path.name for path in sorted(Path(config.docs_dir).glob("*.md"))]
    more = [name for name in more if f"'{name}'" not in listed]
    config.nav += [{"More": more}] if more else []
    config.nav.append({"API": [{room: f"api/{room}.md"} for room in rooms()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the shared pages, and one page of the API for each room."""
    for path, name in SHARED.items():
        content = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    for room in rooms():
        files.append(File.generated(config, f"api/{room}.md", content=reference(room)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to where the site has their targets, or to the repository; list the formats."""
    markdown = markdown.replace("<!-- formats -->", formats_table())
    sources = {name: path for path, name in SHARED.items()}
    source = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return LINK.sub(lambda link: target(link[1], source), markdown)


def target(link: str, source: str) -> str:
    """Where a link of a file of the repository leads on the site."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if path in SHARED:
        return SHARED[path]
    is_page = path.startswith("docs/") and not path.startswith("docs/site")
    return path.removeprefix("docs/") if is_page else REPOSITORY + path


def formats_table() -> str:
    """Every registered format of files."""
    rows = (
        f"| `{name}` | {each.description} | {each.programs} | {each.kept} |\n"
        for name, each in FORMATS.items()
    )
    return "| format | what it is | opens in | read back |\n|---|---|---|---|\n" + "".join(rows)


def reference(room: str) -> str:
    """The page of a room; functions named like a module are listed by their path."""
    name = f"mmpyramid.{room}"
    module = import_module(name)
    public = [n for n in getattr(module, "__all__", ()) if not ismodule(getattr(module, n))]
    paths = [f"{name}.{each}.{each}" for each in public if f"{name}.{each}" in sys.modules]
    options = "    options:\n      show_root_heading: true\n      show_root_toc_entry: true\n"
    return f"# `{name}`\n\n::: {name}\n" + "".join(f"\n::: {path}\n{options}" for path in paths)


def rooms() -> list[str]:
    """The public modules of the package."""
    return sorted({module.name for module in pkgutil.iter_modules(mmpyramid.__path__)} - INTERNAL)
