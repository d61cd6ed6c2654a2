"""Kademlia: finds registries by the XOR distance of their ids. Routing table, lookup, and the core over both. Pure."""
