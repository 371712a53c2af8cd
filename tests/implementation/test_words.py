"""Sentences of an ablation: which way a loss goes, what is quiet, what is known."""

from __future__ import annotations

import pytest

import marr
from marr.errors import ContractError, OptionError
from marr.implementation import ablate


def test_methods_say_which_way_a_loss_goes(circuit):
    error = marr.measures.column("tone_error", better="lower")
    worse = ablate(circuit, measure=error, joint=False, n_random=0)
    assert "Loss is tone error ablated minus intact (positive: needed)" in worse.methods
    fewer = ablate(circuit, measure=marr.measures.accuracy(), joint=False, n_random=0)
    assert "Loss is accuracy intact minus ablated (positive: needed)" in fewer.methods


def test_quiet_units_are_not_said_to_be_without_loss(circuit):
    tone = marr.measures.column("tone_correct", better="higher")
    (flag,) = (n for n in ablate(circuit, measure=tone).notes if n.code == "redundancy")
    assert " of the 8 units that do not stand out one by one cost " in flag.text


def test_an_unknown_axis_lists_each_once(circuit):
    with pytest.raises(OptionError, match=r"there is 'unit', 'site'\."):
        ablate(circuit, measure=marr.measures.accuracy(), over="head")


def test_a_measure_that_was_not_called_is_named(circuit):
    with pytest.raises(ContractError, match=r"call it, as in accuracy\("):
        ablate(circuit, measure=marr.measures.accuracy)
