"""Every cap of the node in one table: its name, its value, why that value, and what happens when it is reached."""

from __future__ import annotations

# --- wire ---------------------------------------------------------------------------------------------------
FRAME_BYTES_MAX = 65_536  # a longer frame closes the link; bulk is streamed in several
CELL_BYTES_MAX = 4_096  # a larger cell is invalid
CBOR_DEPTH_MAX = 12  # deeper nesting is not canonical here; the deepest message we know has 6
BATCH_BYTES_MAX = 60_000  # a signed batch fits one frame with its envelope
BATCH_FLUSH_BYTES = 32_768  # cells and pages collected before a batch is signed without waiting longer
NETWORK_BYTES_MAX = 32  # the network's name with its hash

# --- links --------------------------------------------------------------------------------------------------
LINKS_MAX = 256  # further inbound links are closed after the handshake
HALF_OPEN_MAX = 64  # handshakes under way; further connections are closed at accept
HANDSHAKES_PER_PREFIX_MAX = 16  # under way from one /24 or /48 (loopback exempt)
OUTBOX_BYTES_MAX = 1_048_576  # per link; at the cap IHAVEs go first, then oldest gossip, then the link is closed
OUTBOX_MESSAGES_MAX = 4_096  # per link; same policy

# --- cells --------------------------------------------------------------------------------------------------
WAITING_BYTES_MAX = 4 * 1_048_576  # valid cells whose registry or lease is not held yet; fair shares per link
WAITING_SECONDS = 600.0  # then they are forgotten; reconciliation brings them again
EARLY_BYTES_MAX = 1_048_576  # cells from more than 5 min ahead; the furthest ahead go first
EVIDENCE_MAX = 64  # pairs that show an equivocation; the oldest go first
SUCCESSORS_MAX = 8  # nodes named in a drain
