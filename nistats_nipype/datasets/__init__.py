"""Group data sets: nilearn's fetchers, a synthetic group with a planted truth, derivatives."""

from .conditions import SimulatedConditions, simulate_conditions
from .derivatives import MapSelection, parse_entities, select_maps
from .localizer import Localizer, fetch_localizer
from .simulation import SimulatedGroup, simulate_group

__all__ = [
    'Localizer',
    'MapSelection',
    'SimulatedConditions',
    'SimulatedGroup',
    'fetch_localizer',
    'parse_entities',
    'select_maps',
    'simulate_conditions',
    'simulate_group',
]
