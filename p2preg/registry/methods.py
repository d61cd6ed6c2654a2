"""The table of methods: the contract of docs/rpc.md as data, from which dispatch and the OpenRPC document are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from p2preg.registry import params, results

# What a session must have done before a method is even looked at: nothing, greeted, proven a key, proven a node's.
Access = Literal["open", "greeted", "authenticated", "node"]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its name, its structs, who may call it, and a sentence for the reader of `rpc.discover`."""

    name: str
    params: type[Struct]
    result: object
    access: Access
    summary: str

    @property
    def is_heavy(self) -> bool:
        """Whether its answer may be long: a session gets one such at a time."""
        return self.name in _HEAVY


_HEAVY = ("nodes.get", "nodes.list", "nodes.select", "nodes.facets", "qos.explain", "registry.peers", "registry.info")

METHODS = {
    method.name: method
    for method in (
        Method("rpc.discover", params.Nothing, dict, "open", "This document."),
        Method("rpc.ping", params.Nothing, results.Time, "open", "The registry's time."),
        Method(
            "session.hello", params.Hello, results.Greeted, "open",
            "Who this registry is, its nonce for logins, its limits, and registries to fail over to. Once a session.",
        ),
        Method(
            "session.authenticate", params.Authenticate, results.ClientId, "greeted",
            "Prove to hold a key, by a signature over this session's nonce. For a node this is its proof of presence.",
        ),
        Method(
            "node.register", params.Register, results.Registered, "node",
            "Make this registry the node's home, with a signed advert or plain attributes.",
        ),
        Method("node.renew", params.Renew, results.Renewed, "node", "A new proof of presence: the lease goes on."),
        Method("node.load", params.Load, results.Empty, "node", "How busy the node is. Also as a notification."),
        Method("node.drain", params.Drain, results.State, "node", "Take no new work, by level and perhaps deadline."),
        Method("node.resume", params.NodeParams, results.State, "node", "Back to serving."),
        Method("node.leave", params.Leave, results.State, "node", "Gone for good, from every state."),
        Method(
            "node.explain", params.Explain, results.Explained, "open", "Why a node is, or is not, selected by a filter."
        ),
        Method("nodes.get", params.Get, results.Nodes, "open", "Nodes by id, whatever their state and contact."),
        Method("nodes.list", params.List, results.Nodes, "open", "Nodes by filter, sorted, in pages."),
        Method("nodes.select", params.Select, results.Selected, "open", "Nodes to place work on, with reasons."),
        Method("nodes.facets", params.Facets, results.FacetCounts, "open", "How many nodes have each value."),
        Method(
            "nodes.subscribe", params.Subscribe, results.Subscribed, "open",
            "Every change of the matching nodes, as nodes.event notifications: snapshot or difference, synced, live.",
        ),
        Method("nodes.unsubscribe", params.Unsubscribe, bool, "open", "End a subscription."),
        Method(
            "qos.report", params.QosReport, dict, "authenticated",
            "One window of measurements of one node; samples in the W3C's names and units.",
        ),
        Method("qos.get", params.QosGet, dict, "open", "A node's quality as reported from everywhere."),
        Method("qos.explain", params.QosExplain, dict, "open", "Every input and step from which the score follows."),
        Method("registry.info", params.Nothing, results.Info, "open", "The state of this registry."),
        Method("registry.peers", params.Nothing, results.Peers, "open", "The registries that it knows."),
        Method("registry.lookup", params.Lookup, results.LookedUp, "open", "A Kademlia lookup of a registry id."),
    )
}  # fmt: skip

NOTIFICATIONS = {
    "nodes.event": "Events of a subscription: {subscription, n, events}.",
    "node.notice": "To a node's session: {node_id, reason: displaced | prove | isolated | stopping, registries}.",
}
