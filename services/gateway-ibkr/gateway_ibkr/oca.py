"""The OCA group that TWS keeps an order in with others of its list. Pure."""

from __future__ import annotations

from signalbox.messages import Contingency, ListPart

GROUP_TYPES = {Contingency.OCO: 1, Contingency.OUO: 2}
"""Both with block: one order of a group is routed at a time, so that a stop and a target that race do not both fill."""


def group_of(part: ListPart | None) -> tuple[str, int]:
    """Its name, and its type; "" = none.

    The children of one parent that say none are one group by themselves: so what is alone in its group says that one,
    where its entry may have more of them (all but the first).
    """
    if part is None:
        return "", 0
    if part.contingency is None and part.attached_to and part.group > 1:
        return part.group_id, GROUP_TYPES[Contingency.OUO]
    if part.contingency not in GROUP_TYPES:
        return "", 0
    return part.group_id, GROUP_TYPES[part.contingency]
