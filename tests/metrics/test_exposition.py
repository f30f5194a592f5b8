# SPDX-License-Identifier: Apache-2.0
"""Snapshots are added up, and read again by the parser of Prometheus's own library."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from armgs_server.measures import BOUNDS
from armgs_server.metrics.exposition import expose
from armgs_server.metrics.snapshot import Snapshot, from_json, quantile, take, total

NONE = [0] * (len(BOUNDS) + 1)


def counts(**buckets: int) -> list[int]:
    """`b3=5`: five in the fourth bucket."""
    found = list(NONE)
    for name, value in buckets.items():
        found[int(name[1:])] = value
    return found


ONE = Snapshot(
    counts={"connections\timaps": 3, "logins\timap\tok": 2, "bus_messages": 10},
    timings={"imap\tFETCH": (counts(b0=5, b2=1), 0.25), "store\twrite": (counts(b4=1), 0.002)},
    latest={"queue_messages": 4.0},
    resident=[1000],
    cpu=1.5,
)
TWO = Snapshot(
    counts={"connections\timaps": 1, "connections\tsmtp": 1},
    timings={"imap\tFETCH": (counts(b0=1), 0.05), "loop\tlag": (counts(b1=7), 0.001)},
    latest={"queue_messages": 5.0},
    resident=[2000],
    cpu=0.5,
)


def values(page: bytes) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, sorted."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_a_page_of_two_workers() -> None:
    """One of them has come over the bus, as JSON."""
    found = values(expose(total([ONE, from_json(json.loads(json.dumps(TWO.as_json())))])))
    for key, value in {
        ("armgs_workers",): 2,
        ("armgs_cpu_seconds_total",): 2.0,
        ("armgs_resident_bytes", "1"): 2000,
        ("armgs_connections", "imaps"): 4,
        ("armgs_connections", "smtp"): 1,
        ("armgs_logins_total", "imap", "ok"): 2,
        ("armgs_bus_messages_total",): 10,
        ("armgs_queue_messages",): 5.0,
        ("armgs_operation_seconds_bucket", "0.0001", "FETCH", "imap"): 6,
        ("armgs_operation_seconds_bucket", "0.0005", "FETCH", "imap"): 7,
        ("armgs_operation_seconds_bucket", "+Inf", "FETCH", "imap"): 7,
        ("armgs_operation_seconds_count", "FETCH", "imap"): 7,
        ("armgs_operation_seconds_sum", "FETCH", "imap"): 0.3,
        ("armgs_store_seconds_count", "write"): 1,
        ("armgs_loop_lag_seconds_bucket", "0.00025"): 7,
    }.items():
        assert found[key] == pytest.approx(value), key
    assert not any("store" in key[1:] for key in found if key[0].startswith("armgs_operation"))


def test_adding_leaves_what_was_added_as_it_was() -> None:
    before = json.dumps(ONE.as_json())
    total([ONE, TWO, ONE])
    assert json.dumps(ONE.as_json()) == before


def test_quantiles() -> None:
    assert quantile(NONE, 0.5) == 0
    assert quantile(counts(b0=99, b5=1), 0.5) == BOUNDS[0]
    assert quantile(counts(b0=99, b5=1), 0.995) == BOUNDS[5]
    assert quantile(counts(b17=1), 0.5) == float("inf")


def test_this_process() -> None:
    own = take({"queue_messages": 1.0})
    assert own.resident[0] > 2**20
    assert own.cpu > 0
    assert own.latest == {"queue_messages": 1.0}
