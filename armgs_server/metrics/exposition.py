# SPDX-License-Identifier: Apache-2.0
"""A snapshot in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from armgs_server import __version__
from armgs_server.measures import BOUNDS
from armgs_server.metrics.snapshot import Buckets, Snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST

# Counts by their name in the code: whether they only grow, labels, what they are.
_COUNTS: dict[str, tuple[bool, tuple[str, ...], str]] = {
    "connections": (False, ("listener",), "Connections that are open"),
    "accepted": (True, ("listener",), "Connections taken"),
    "refused": (True, ("listener",), "Connections for which there was no room"),
    "logins": (True, ("service", "outcome"), "Log-ins by outcome: ok, refused, throttled, disabled"),
    "bus_messages": (True, (), "Messages published on the bus"),
    "acme_orders": (True, ("outcome",), "Certificates ordered from the CA by outcome: ok, failed"),
    "http_failures": (True, (), "HTTP requests that ended in an error of the server itself"),
}
_LATEST: dict[str, str] = {
    "certificate_seconds": "For how long the certificate that clients are shown is good yet",
    "queue_messages": "Recipients to whom mail is on its way",
    "queue_held": "Recipients whose mail is held",
    "queue_oldest_seconds": "For how long the oldest of them has waited",
}
_SPECIAL = ("store", "loop")


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All families, in a fixed order."""
        found = self._snapshot
        info = GaugeMetricFamily("armgs_info", "The program that runs", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily("armgs_workers", "Serving processes", value=found.workers)
        yield CounterMetricFamily("armgs_cpu_seconds", "Processor time of all workers", value=found.cpu)
        memory = GaugeMetricFamily("armgs_resident_bytes", "Memory of each worker", labels=["worker"])
        for number, size in enumerate(found.resident):
            memory.add_metric([str(number)], size)
        yield memory
        yield from _counts(found)
        for name, text in _LATEST.items():
            if name in found.latest:
                yield GaugeMetricFamily(f"armgs_{name}", text, value=found.latest[name])
        yield from _timings(found)


def _counts(found: Snapshot) -> Iterator[Metric]:
    for name, (grows, labels, text) in _COUNTS.items():
        family: CounterMetricFamily | GaugeMetricFamily = (
            CounterMetricFamily(f"armgs_{name}", text, labels=labels)
            if grows
            else GaugeMetricFamily(f"armgs_{name}", text, labels=labels)
        )
        for key, value in sorted(found.counts.items()):
            own, *values = key.split("\t")
            if own == name:
                family.add_metric(values, value)
        yield family


def _timings(found: Snapshot) -> Iterator[Metric]:
    by_service: dict[str, list[tuple[str, Buckets]]] = {}
    for key, buckets in sorted(found.timings.items()):
        service, kind = key.split("\t")
        by_service.setdefault(service, []).append((kind, buckets))
    everyone = HistogramMetricFamily(
        "armgs_operation_seconds", "Commands, requests, stanzas, by service", labels=["service", "kind"]
    )
    for service, kinds in by_service.items():
        if service not in _SPECIAL:
            for kind, buckets in kinds:
                everyone.add_metric([service, kind], *_cumulative(buckets))
    yield everyone
    store = HistogramMetricFamily(
        "armgs_store_seconds", "Work on the store, until it is durable", labels=["kind"]
    )
    for kind, buckets in by_service.get("store", ()):
        store.add_metric([kind], *_cumulative(buckets))
    yield store
    lag = HistogramMetricFamily("armgs_loop_lag_seconds", "How late the event loop is")
    for _, buckets in by_service.get("loop", ()):
        lag.add_metric([], *_cumulative(buckets))
    yield lag


def _cumulative(buckets: Buckets) -> tuple[list[tuple[str, float]], float]:
    counts, seconds = buckets
    found, so_far = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        so_far += count
        found.append((bound, float(so_far)))
    return found, seconds


def expose(snapshot: Snapshot) -> bytes:
    """The page that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)
