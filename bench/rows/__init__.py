"""The rows of the benchmark, in the order they are run and shown."""

from __future__ import annotations

from collections.abc import Mapping

from bench.row import Measure
from bench.rows.bodies import measure_bodies
from bench.rows.comparison import measure_comparison
from bench.rows.cost import measure_cost
from bench.rows.detection import measure_detection
from bench.rows.fleet_flip import measure_fleet_flip
from bench.rows.flip import measure_flip
from bench.rows.flip_storm import measure_flip_storm
from bench.rows.gate import measure_gate
from bench.rows.idle import measure_idle
from bench.rows.latency import measure_latency
from bench.rows.matching import measure_matching
from bench.rows.outage import measure_outage
from bench.rows.shadow_cost import measure_shadow_cost
from bench.rows.shadow_faults import measure_shadow_faults
from bench.rows.strategies import measure_strategies

ROWS: Mapping[str, Measure] = {
    "cost": measure_cost,
    "latency": measure_latency,
    "matching": measure_matching,
    "bodies": measure_bodies,
    "idle": measure_idle,
    "flip": measure_flip,
    "fleet_flip": measure_fleet_flip,
    "flip_storm": measure_flip_storm,
    "outage": measure_outage,
    "strategies": measure_strategies,
    "shadow_cost": measure_shadow_cost,
    "shadow_faults": measure_shadow_faults,
    "comparison": measure_comparison,
    "gate": measure_gate,
    "detection": measure_detection,
}
