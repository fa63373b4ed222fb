"""People as values, their numbers and names, and the invented population: shared by the adapters whose registers speak about the
same people. Rule: the same seed gives the same people, byte for byte, on every machine; nobody is real.

model.py, identifiers.py   what a person is and how one is written
names.py, places.py        lists          dice.py       reproducible choices
example.py                 one family that every size of population begins with: what documents and demonstrations show
families.py                one household with its relatives             generator.py   a whole population
"""

from adapters.people.clock import VIETNAM, today

__all__ = ["VIETNAM", "today"]
