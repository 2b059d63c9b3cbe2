"""The list of mutants keeps step with the models, and some of them are seen to be killed (`make mutants` runs all)."""

import pytest
from compiled_project import compiled
from mutants import MUTANTS, Mutant, killed_by

QUICK = [
    "current version",
    "later load wins",
    "a touch at the trigger counts",
    "no touch at all still has a row",
    "nothing is credited twice",
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.where}: {mutant.idea}")
def test_a_mutant_still_edits_the_sql_that_is_compiled(mutant: Mutant) -> None:
    for models in compiled().values():
        assert mutant.edit(models) != list(models)


@pytest.mark.parametrize("idea", QUICK)
def test_a_mutant_is_killed_by_a_generated_company(idea: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.idea == idea)
    assert killed_by(mutant, companies=60) is not None, f"nothing tells {mutant} from the project"
