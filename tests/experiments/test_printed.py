"""The printed tables: whole, consistent where the paper is, and runnable."""

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.experiments import TABLES
from mmpyramid.experiments.run import recipe_named
from mmpyramid.experiments.tables import PRINTED
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.recipes.mm_pyramid import ABLATIONS

ROWS = [(table, row) for table in TABLES.values() for row in table.rows]


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda value: getattr(value, "name", ""))
def test_a_row_has_a_number_or_a_gap_for_each_column_and_known_recipes(table, row):
    assert len(row.printed) == len(table.columns)
    assert set(row.recipes.values()) <= RECIPES.keys() | ABLATIONS.keys()
    assert set(row.recipes) <= {column.setting for column in table.columns}
    assert set(row.only) <= {column.heading for column in table.columns}
    for recipe in row.recipes.values():
        assert recipe_named(recipe).objective.problem == RECIPES[table.recipe]().objective.problem


def test_slugs_are_different():
    for table in TABLES.values():
        slugs = [row.slug for row in table.rows]
        assert len(set(slugs)) == len(slugs)


def test_what_the_paper_prints_inconsistently_is_found():
    found = {
        (table.key, row.name) for table in TABLES.values() for row, _ in table.inconsistencies()
    }
    assert found == {
        ("2", "HAN+MA"),
        ("2", "MM-Pyramid"),
        ("2", "MM-Pyramid+MA"),
        ("3", "Hybr-Trans w/ PE"),
        ("3", "MM-Pyramid w/o conv"),
        ("3", "MM-Pyramid (full)"),
    }  # fmt: skip
    text = next(text for row, text in TABLES["2"].inconsistencies() if row.name == "MM-Pyramid")
    assert "prints Type@AV Eve 49.9, but the mean of its Audio, Visual and AV is 49.6" in text


def test_the_full_network_stands_in_three_tables_with_the_same_numbers():
    printed = {
        row.printed for table in PRINTED for row in table.rows if row.recipes.get("") == "llp"
    }
    longest = max(printed, key=len)
    assert printed == {longest, longest[6:]}


def test_rows_are_chosen_by_slug_in_the_order_of_the_table():
    chosen = TABLES["3"].choose(("mm-pyramid-full", "mm-unpyramid"))
    assert [row.name for row in chosen] == ["MM-Unpyramid", "MM-Pyramid (full)"]
    assert len(TABLES["3"].choose(())) == 8
    with pytest.raises(UserError, match=r"no row to run called nobody; it has .*mm-pyramid"):
        TABLES["1"].choose(("nobody",))


def test_every_row_can_be_run_in_every_setting_that_the_paper_has_a_number_for():
    for table, row in ROWS:
        if table not in PRINTED:
            continue
        printed = {
            column.setting
            for column, number in zip(table.columns, row.printed, strict=True)
            if number is not None
        }
        assert printed == row.recipes.keys(), row.name


def test_a_reconstruction_is_called_one_beside_its_numbers_and_below():
    rebuilt = {row.name: row for row in TABLES["1"].rows if row.source != "ours"}
    assert rebuilt.keys() == {"AVDSN", "DAM", "AVRB", "AVIN", "CMAN", "AVT", "MPN"}
    assert {rebuilt[name].source for name in ("AVRB", "AVT")} == {"AVRB-like", "AVT-like"}
    assert all("reconstruction" in row.notes[-1] for row in rebuilt.values())
    notes = {row.name: row.source for row in TABLES["2"].rows if "reconstruction" in str(row.notes)}
    assert set(notes) == {"Kong et al.", "TALNet", "STPN", "CMCS", "AVE", "AVDSN"}
    assert set(notes.values()) == {"reconstruction"}


def test_the_subset_is_of_four_systems_and_of_its_columns_alone():
    subset = TABLES["1"].on_subset()
    assert [row.name for row in subset.rows] == ["MPN", "CMRAN", "PSP", "MM-Pyramid"]
    assert [row.printed for row in subset.rows][-1] == (63.9, 55.3)
    assert [column.heading for column in subset.columns] == ["Sup. subset", "W-Sup. subset"]
    with pytest.raises(UserError, match="table 2 has no columns about a subset"):
        TABLES["2"].on_subset()
