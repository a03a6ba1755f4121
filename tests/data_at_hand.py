"""The data sets that load without a file of somebody else's, each with knobs that make it small."""

from qinn_bench import registry
from qinn_bench.values import Use

FEW = {"qg_jets": {"max_events": 1600}, "jet_bits": {"max_events": 1600}, "top_jets": {"max_events": 1600}}
FEW |= {"photon_showers": {"events": 1600}, "pion_showers": {"events": 1600}}
AT_HAND = [name for name in registry.names("data") if not registry.about("data", name).needs_path]


def small(name, **knobs):
    """A data set by name, small, with some knobs set."""
    return Use(name=name, knobs={**FEW.get(name, {}), **knobs})
