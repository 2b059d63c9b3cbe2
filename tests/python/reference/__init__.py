"""A plain reading of the semantics, which shares nothing with the SQL of the project.

One lead at a time, one day at a time, lists and loops: slow, and meant to be checked by eye. It knows the raw tables,
the policy seeds and the settings, and gives every mart as a list of rows.
"""

from reference.marts import KEYS, build_marts
from reference.settings import Settings

__all__ = ["KEYS", "Settings", "build_marts"]
