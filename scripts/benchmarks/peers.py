"""What other systems reached on such a machine: 2 cores, 24 GiB, loopback, records of about 400 bytes, 2026-11-22.

Each figure is the median of three repeats; how they were taken stands in docs/benchmarks.md. They do less: none of the
stores checks a signature, and none but the etcd cluster and libp2p holds what others wrote."""

from __future__ import annotations

REGISTRATIONS_1 = "etcd 1 700; redis fsync 3 660; NATS 1 820"
REGISTRATIONS_64 = "etcd 18 900; redis fsync 22 900; ZooKeeper ×3 1 700"
REGISTRATIONS_64_P50 = "etcd 2.9; redis fsync 2.1"
REGISTRATIONS_64_P99 = "etcd 9.1; redis fsync 4.4; ZooKeeper ×3 80"
REGISTRATIONS_BATCHED = "etcd 83 000; redis fsync 83 300"
RENEWALS_64 = "etcd 13 500; redis fsync 157 000"
SPREAD_ALL = "etcd ×3 8 870; ZooKeeper ×3 1 700; py-libp2p 6"
CHANGES_ALL = "py-libp2p 9.8; js-libp2p 78; serf < 50"
GET_1 = "etcd 2 590; redis 35 700; NATS 2 480"
GET_64 = "etcd 12 500; redis 235 000; ZooKeeper 2 730"
QUERY = "etcd 97 / 118; redis 2.6 / 4.2; NATS 199 / 214"
WATCH = "etcd 0.32 / 1.1; serf 134 / 381; py-libp2p 26 / 140; js-libp2p 5.5 / 14"
CRASH = "etcd 2.3 (TTL 2 s); redis 23; serf 6.6; ZooKeeper 3.7"
RSS_EMPTY = "etcd 25; redis 12.5; ZooKeeper 76; serf 13.8"
RSS_PER_NODE = "redis 1.05; etcd 2.4; ZooKeeper 6-10; OrbitDB 31"
RSS_PER_CLIENT = "trio-websocket echo 17.8; plain trio TCP 4.5"
RESTART = "etcd 1.9; redis 0.38; ZooKeeper 1.3 (3 000); OrbitDB 8.5 (900, sync)"
INGEST = "OrbitDB first sync 106 records/s"
IDLE_CPU = "serf, 10 agents: 3.6 %"
