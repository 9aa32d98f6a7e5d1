"""Policies made for a schema: their expressions have the types that it declares, but for a fault now and then.

Every operator and function occurs, and so does everything that the type checker distinguishes: guards by `has` and
`hasTag`, dead code, references of every sort, records and sets inside of each other.
"""

from typed.policies import PolicyMaker
from typed.samples import Sample, outcome, samples
from typed.schemas import random_schema

__all__ = ["PolicyMaker", "Sample", "outcome", "random_schema", "samples"]
