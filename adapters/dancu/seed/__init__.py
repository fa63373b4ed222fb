"""The generator of citizens. Rule: the same seed gives the same people, byte for byte, on every machine; nobody is real.

names.py, places.py   lists         dice.py       reproducible choices
example.py            one family that every size of population begins with: what documents and demonstrations show
families.py           one household with its relatives          generator.py   a whole population
load.py               into the database, once
"""
