"""Networks of `DhtCore`s alone, for what is asked of Kademlia itself: a thousand registries in seconds."""
