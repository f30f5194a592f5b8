# SPDX-License-Identifier: Apache-2.0
"""The tables of the engine are computed from the features and agree with each other."""

from __future__ import annotations

import pytest

from armgs_server import dav
from armgs_server.dav.features import Feature, Shape, build_tables


def test_allow_is_computed() -> None:
    tables = build_tables(dav.FEATURES)
    assert set(tables.allow[Shape.FILE].split(", ")) == {
        "OPTIONS",
        "GET",
        "HEAD",
        "PUT",
        "PATCH",
        "DELETE",
        "COPY",
        "MOVE",
        "PROPFIND",
        "PROPPATCH",
        "LOCK",
        "UNLOCK",
        "REPORT",
    }
    assert "PUT" not in tables.allow[Shape.FILES].split(", ") and "MKCOL" in tables.allow[Shape.UNMAPPED]
    assert len(set(tables.compliance)) == len(tables.compliance)


def test_a_name_given_twice_is_an_error() -> None:
    with pytest.raises(AssertionError):
        build_tables((*dav.FEATURES, Feature(kinds=(dav.FILES,))))


def test_every_property_with_parameters_of_a_report_is_kept_out_of_propname() -> None:
    tables = build_tables(dav.FEATURES)
    hidden = {name for name, prop in tables.properties.items() if not prop.listed}
    assert all("data" in name for name in hidden)
