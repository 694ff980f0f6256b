"""The checks of an intent, in modules by what they look at: each a row (`rows`) of pure functions of its facts.

None knows of another; what several need to compare is gathered in `risk.facts`, and `risk.decide` runs them all.
"""
