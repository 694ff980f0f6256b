"""The checks of an intent: each a pure function that returns a `Check`, in modules by what they look at.

None knows of another; what several need to compare is gathered in `risk.facts`, and `risk.decide` runs them all.
"""
