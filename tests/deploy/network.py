"""Who may speak to whom, by the network policies: as Kubernetes defines it, on rendered manifests.

A policy that selects a pod closes it in the directions that it names; what any policy allows is then allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .manifests import Object, labels_of, matches, of_kind, ports

Place = Object | str
"""A workload of ours; else the name of a namespace of others, or "outside"."""
OUTSIDE = "outside"


def may_speak(objects: Sequence[Object], sender: Place, receiver: Place, port: int) -> bool:
    """Whether a TCP connection is let out there and in here."""
    return _lets(objects, sender, receiver, receiver, port, "Egress") and _lets(
        objects, receiver, sender, receiver, port, "Ingress"
    )


def _lets(objects: Sequence[Object], pod: Place, peer: Place, receiver: Place, port: int, direction: str) -> bool:
    if isinstance(pod, str):
        return True  # not ours to close
    closing = [
        policy["spec"]
        for policy in of_kind(objects, "NetworkPolicy")
        if direction in policy["spec"]["policyTypes"] and matches(policy["spec"]["podSelector"], labels_of(pod))
    ]
    side, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not closing or any(
        _is_port(rule, receiver, port) and (peers not in rule or any(_is_peer(each, peer) for each in rule[peers]))
        for spec in closing
        for rule in spec.get(side, [])
    )


def _is_port(rule: Object, receiver: Place, port: int) -> bool:
    named = {} if isinstance(receiver, str) else ports(receiver)
    allowed = [
        named.get(each["port"], each["port"]) for each in rule.get("ports", []) if each.get("protocol", "TCP") == "TCP"
    ]
    return "ports" not in rule or port in allowed


def _is_peer(peer: Object, place: Place) -> bool:
    if isinstance(place, str):
        return "namespaceSelector" in peer and matches(
            peer["namespaceSelector"], {"kubernetes.io/metadata.name": place}
        )
    return "namespaceSelector" not in peer and matches(peer["podSelector"], labels_of(place))
