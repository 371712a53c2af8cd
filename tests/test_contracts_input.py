"""How every registered analysis meets bad input: misspelled names, missing values, nonsense."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _cases import ANSWERED, CASES, KINDS, first_case, system_of

import marr
from marr._analysis import ANALYSES
from marr.systems import from_arrays

SITE_OPTIONS = [
    (case, kind, option)
    for case, kind in ANSWERED
    for option in ("site", "sites")
    if option in inspect.signature(ANALYSES[CASES[case].analysis].function).parameters
]


def misspelled(value: Any) -> tuple[Any, str]:
    """Return a name with two letters swapped (in a list for a list), and the name."""
    name = value[0] if isinstance(value, list) else value
    wrong = name[0] + name[2] + name[1] + name[3:]
    return ([wrong] if isinstance(value, list) else wrong), name


@pytest.mark.parametrize(
    ("case", "kind", "option"), [(c, k, o) for c, k in ANSWERED for o in CASES[c].names]
)
def test_a_misspelled_name_suggests_the_nearest(case, kind, option):
    wrong, name = misspelled(CASES[case].options[option])
    with pytest.raises(
        marr.MarrError, match=rf"{option}\b.*Did you mean {name!r}"
    ) as caught:
        CASES[case](system_of(kind), **{option: wrong})
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(("case", "kind", "option"), SITE_OPTIONS)
def test_a_misspelled_site_suggests_the_nearest(case, kind, option):
    wrong = "eraly" if option == "site" else ["eraly"]
    with pytest.raises(marr.MarrError, match=rf"{option}\b.*Did you mean 'early'"):
        CASES[case](system_of(kind), **{option: wrong})


@pytest.mark.parametrize(
    ("case", "option"), [(c, o) for c in CASES for o in CASES[c].names]
)
def test_missing_values_are_refused_by_name_or_counted_in_a_note(case, option):
    """On three trials the column (or variable) is missing."""
    name = CASES[case].options[option]
    name = name[0] if isinstance(name, list) else name
    system = with_missing(name)
    if CASES[case].missing == "refused":
        with pytest.raises(
            marr.MarrError, match=rf"{name!r} has .*(missing|finite).*[Dd]rop"
        ):
            CASES[case](system)
        return
    finding = CASES[case](system)
    said = [n.text for n in finding.notes]
    assert any(re.search("missing|lack|not scored|left out", text) for text in said), (
        said
    )


def with_missing(name: str) -> Any:
    whole = system_of("recording")
    table, more = whole.trials, dict(whole.variables)
    if name in more:
        values = more[name].copy(deep=True)
        values[:3, 2] = np.nan
        more[name] = values
    else:
        kept = table[name].copy()
        kept = kept if kept.dtype.kind == "f" else kept.astype(object)
        kept.iloc[:3] = np.nan
        numeric = kept.dropna().map(lambda v: isinstance(v, (int, float))).all()
        table[name] = kept.astype(float) if numeric else kept
    activity = {site: whole.activity(site) for site in whole.sites}
    return from_arrays(activity, table, more, name="animal")


@pytest.mark.parametrize("name", sorted(ANALYSES))
@pytest.mark.parametrize("wrong", [np.zeros((3, 2)), None, "animal", marr])
def test_what_is_no_system_is_refused(name, wrong):
    case = first_case(name)
    with pytest.raises(
        marr.MarrError, match=rf"{name}.*must be a System or a Cohort; got"
    ):
        case(wrong)


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_option_strings_list_what_is_allowed(name):
    """Every option that is a word refuses another word and lists the allowed ones."""
    case = first_case(name)
    signature = inspect.signature(ANALYSES[name].function)
    text = inspect.getdoc(ANALYSES[name].function)
    words = re.findall(r"^(\w+) : \{\"", text, re.MULTILINE)
    kind = next(k for k in KINDS if k not in case.refuses)
    for option in words:
        assert option in signature.parameters
        with pytest.raises(marr.MarrError, match=option):
            case(system_of(kind), **{option: "nonesuch"})


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_numbers_that_cannot_be(name):
    case = first_case(name)
    parameters = inspect.signature(ANALYSES[name].function).parameters
    kind = next(k for k in KINDS if k not in case.refuses)
    for option, wrong in (("n_permutations", -1), ("n_folds", 1), ("n_random", -1)):
        if option in parameters:
            with pytest.raises(marr.MarrError, match=option):
                case(system_of(kind), **{option: wrong})
