"""Group data sets: nilearn's fetchers, and a seeded synthetic group with a planted truth."""

from .localizer import Localizer, fetch_localizer
from .simulation import SimulatedGroup, simulate_group

__all__ = ['Localizer', 'SimulatedGroup', 'fetch_localizer', 'simulate_group']
