"""Which samples of generated events there are: what each is asked for, by which generator, and its arrays on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

from qinn_bench.data.kinematics import CUTS

LIBRARIES = ("pythia8mc", "fastjet", "awkward", "numpy")
BUNDLED = "bundled"
MUONS = ("pt_mum", "eta_mum", "phi_mum", "pt_mup", "eta_mup", "phi_mup")
MOST_JETS = 3
MOST_CONSTITUENTS = 500
"""Constituents of a jet on average, above which a provenance is not believed."""
JET_COLUMNS = (
    *("jet_pt", "jet_eta", "jet_mass", "sd_mass", "tau1", "tau2", "tau3", "tau4"),
    *("multiplicity", "charged", "width", "ptd"),
)
"""The columns of the `features` of a sample of jets; pT and masses in GeV."""
PARTICLE_COLUMNS = ("pt", "eta", "phi")
"""Of each constituent: pT in GeV, eta and phi in rad relative to the axis of its jet, the hardest first."""
HIT_COLUMNS = ("turn", "ecal", "hcal")
"""By how much a magnetic field has turned a constituent where it meets the calorimeter, in rad, and the transverse
energies that it leaves, in GeV."""
KINDS = ("photon", "electron", "muon", "charged hadron", "neutral hadron")
"""What the numbers of the array `kinds` stand for."""
LATENTS = (4, 8)
"""Latents of a jet that a sample of latents has, each of an autoencoder of its own."""
PRESETS, QUALITIES = ("cms", "energyflow"), ("full", "fast")


class ArrayOnDisk(NamedTuple):
    """The shape and the type of an array of a sample, and the names of its columns.

    Example:
        >>> ArrayOnDisk((100, 2), "float32", ("pt", "eta")).bytes
        800
    """

    shape: tuple[int, ...]
    dtype: str
    columns: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Its size."""
        size = {"float32": 4, "float16": 2, "uint16": 2, "uint8": 1}[self.dtype]
        for length in self.shape:
            size *= length
        return size


SampleLayout = dict[str, ArrayOnDisk]


@dataclass(frozen=True)
class Request:
    """What a sample is made of: all arguments of the generator that change its rows.

    Example:
        >>> Request(events=100).stated
        {'events': 100, 'seed': 1}
    """

    later: ClassVar[Mapping[str, Any]] = {}
    """What goes without saying, as it did before it could be asked for."""
    events: int = field(default=100_000, metadata={"help": "how many selected events"})
    seed: int = field(default=1, metadata={"help": "of the random streams"})

    @property
    def stated(self) -> dict[str, Any]:
        """All of it but what goes without saying."""
        return {name: value for name, value in asdict(self).items() if (name, value) not in self.later.items()}


@dataclass(frozen=True)
class ZjetsRequest(Request):
    """A sample of Z + jets.

    Example:
        >>> ZjetsRequest(events=1000, seed=7).quality
        'fast'
    """

    later: ClassVar[Mapping[str, Any]] = {"jets": 1}
    quality: str = field(default="fast", metadata={"help": "fast (no multi-parton interactions) or full"})
    cuts: str = field(default="lhc", metadata={"help": "lhc or paper"})
    min_ptz: float = field(default=0.0, metadata={"help": "least pT of the muon pair in GeV"})
    jets: int = field(default=1, metadata={"help": "exactly so many jets, 1 to 3"})


@dataclass(frozen=True)
class QgJetsRequest(Request):
    """A sample of quark and gluon jets, as many of each.

    Example:
        >>> QgJetsRequest(preset="energyflow").quality
        'full'
    """

    events: int = field(default=20_000, metadata={"help": "how many jets, half of them of each class"})
    preset: str = field(default="cms", metadata={"help": f"of quark and gluon jets: {' or '.join(PRESETS)}"})
    quality: str = field(default="full", metadata={"help": "full, or fast (no multi-parton interactions)"})
    energy: float = field(default=0.0, metadata={"help": "of the collisions in TeV; 0 is that of the preset"})
    particles: int = field(default=0, metadata={"help": "only so many hardest constituents are kept; 0 keeps all"})


@dataclass(frozen=True)
class TopJetsRequest(Request):
    """A sample of jets of hadronic top quarks and of quarks and gluons beside a Z, as many of each.

    Example:
        >>> TopJetsRequest(particles=20).events
        20000
    """

    events: int = field(default=20_000, metadata={"help": "how many jets, half of them of each class"})
    quality: str = field(default="full", metadata={"help": "full, or fast (no multi-parton interactions)"})
    particles: int = field(default=0, metadata={"help": "only so many hardest constituents are kept; 0 keeps all"})


@dataclass(frozen=True)
class DijetLatentsRequest(Request):
    """A sample of latents of dijets: half QCD, a quarter of each signal.

    Example:
        >>> DijetLatentsRequest(seed=2).stated
        {'events': 10000, 'seed': 2, 'quality': 'full'}
    """

    events: int = field(default=10_000, metadata={"help": "how many events, half of them QCD"})
    quality: str = field(default="full", metadata={"help": "full, or fast (no multi-parton interactions)"})


@dataclass(frozen=True)
class SampleSource:
    """A generator and its samples: `required` are the keys of a provenance with the types of their values, `choices`
    those of them that have to be one of a few, and `layout` says which arrays a provenance is of.

    `schema` counts up when the generator or the layout changes, so that an old sample is not taken for a new one.

    Example:
        >>> SOURCES["zjets"].bundled, SOURCES["qg_jets"].bundled
        ('bundled', 'qg_jets-bundled')
    """

    name: str
    request: type[Request]
    required: Mapping[str, type | tuple[type, ...]]
    choices: Mapping[str, tuple[Any, ...]]
    layout: Callable[[Mapping[str, Any]], SampleLayout]
    schema: int = 1
    stream: int = 0
    """Which random stream it draws from."""
    packed: bool = True
    """Whether its arrays are compressed, column by column."""

    @property
    def generator(self) -> str:
        """The module that makes the rows."""
        return f"qinn_bench.data.generators.{self.name}"

    @property
    def bundled(self) -> str:
        """The name of the sample that ships."""
        return BUNDLED if self.name == "zjets" else f"{self.name}-{BUNDLED}"

    @property
    def asked(self) -> tuple[str, ...]:
        """What its samples are asked for."""
        return tuple(one.name for one in fields(self.request))

    @property
    def needs_extra(self) -> str:
        """What to say where the generators are not installed."""
        return f"generating {self.name} needs the extra [hep]: pip install 'qinn-bench[hep]'"

    def is_one(self, provenance: Any, most: int) -> bool:
        """Whether a provenance is that of a sample of it, of at most so many events."""
        typed = isinstance(provenance, dict) and all(
            isinstance(provenance.get(key), kind) and not isinstance(provenance[key], bool)
            for key, kind in self.required.items()
        )
        return (
            typed
            and all(provenance.get(key, values[0]) in values for key, values in self.choices.items())
            and 0 <= provenance["events"] <= most
            and 0 <= provenance.get("constituents", 0) <= MOST_CONSTITUENTS * most
        )


def columns(jets: int) -> tuple[str, ...]:
    """The columns of Z + jets, in GeV and rad: pT, eta, phi of mu- and mu+, and pT, eta, phi, m of every jet.

    Example:
        >>> len(columns(1)), columns(2)[-4:]
        (10, ('pt_j2', 'eta_j2', 'phi_j2', 'm_j2'))
    """
    names = ["j", *(f"j{k}" for k in range(2, jets + 1))]
    return (*MUONS, *(f"{part}_{name}" for name in names for part in ("pt", "eta", "phi", "m")))


def _zjets_layout(provenance: Mapping[str, Any]) -> SampleLayout:
    named = columns(provenance.get("jets", 1))
    return {"rows": ArrayOnDisk((provenance["events"], len(named)), "float32", named)}


def _top_layout(provenance: Mapping[str, Any]) -> SampleLayout:
    jets, total = provenance["events"], provenance["constituents"]
    return {
        "features": ArrayOnDisk((jets, len(JET_COLUMNS)), "float32", JET_COLUMNS),
        "labels": ArrayOnDisk((jets,), "uint8"),
        "counts": ArrayOnDisk((jets,), "uint16"),
        "constituents": ArrayOnDisk((total, len(PARTICLE_COLUMNS)), "float16", PARTICLE_COLUMNS),
        "kinds": ArrayOnDisk((total,), "uint8"),
    }


def _qg_layout(provenance: Mapping[str, Any]) -> SampleLayout:
    hits = ArrayOnDisk((provenance["constituents"], len(HIT_COLUMNS)), "float16", HIT_COLUMNS)
    return _top_layout(provenance) | {"hits": hits}


def _latents_layout(provenance: Mapping[str, Any]) -> SampleLayout:
    events = provenance["events"]
    latents = {f"latents{n}": ArrayOnDisk((events, 2 * n), "float16") for n in LATENTS}
    return {"labels": ArrayOnDisk((events,), "uint8"), **latents}


_OF_ALL: dict[str, type | tuple[type, ...]] = {"events": int, "seed": int, "quality": str, "rows_sha256": str}
_OF_JETS = _OF_ALL | {"constituents": int, "particles": int}
SOURCES: dict[str, SampleSource] = {
    source.name: source
    for source in (
        SampleSource(
            "zjets",
            ZjetsRequest,
            _OF_ALL | {"cuts": str, "min_ptz": (int, float)},
            {"cuts": tuple(CUTS), "jets": tuple(range(1, MOST_JETS + 1))},
            _zjets_layout,
            packed=False,
        ),
        SampleSource(
            "qg_jets", QgJetsRequest, _OF_JETS | {"preset": str}, {"preset": PRESETS}, _qg_layout, stream=21_090_316
        ),
        SampleSource("top_jets", TopJetsRequest, _OF_JETS, {}, _top_layout, stream=22_020_377),
        SampleSource("dijet_latents", DijetLatentsRequest, _OF_ALL, {}, _latents_layout, stream=23_011_078),
    )
}
"""Every kind of sample by the name of its data set."""
