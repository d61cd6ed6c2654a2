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
DIALS_MAX = 16  # under way at once; further ones wait their turn
DIALS_WAITING_MAX = 256  # further ones fail at once; the caller backs off

# --- cells --------------------------------------------------------------------------------------------------
WAITING_BYTES_MAX = 4 * 1_048_576  # valid cells whose registry or lease is not held yet; fair shares per link
WAITING_SECONDS = 600.0  # then they are forgotten; reconciliation brings them again
EARLY_BYTES_MAX = 1_048_576  # cells from more than 5 min ahead; the furthest ahead go first
EVIDENCE_MAX = 64  # pairs that show an equivocation; the oldest go first
SUCCESSORS_MAX = 8  # nodes named in a drain

# --- reconcile ----------------------------------------------------------------------------------------------
RECONCILE_SESSIONS_MAX = 4  # started by us and under way; a further start is ignored, the next round tries again
RECONCILE_PEERS_MAX = 512  # links whose request rate is kept; the longest linked is forgotten and answered no more
RECONCILE_REQUESTS_MAX = 4_096  # asked in one session; then it fails, and the next one resumes a stream
RECONCILE_BYTES_MAX = 256 * 1_048_576  # cells received in one session; then it fails
RECONCILE_PUSH_BYTES_MAX = 8 * 1_048_576  # cells pushed in one session; a peer that lacks more streams them itself
RECONCILE_SECONDS_MAX = 300.0  # one session; then it fails
RECONCILE_REQUESTS_PER_SECOND_MAX = 50.0  # answered per link; beyond it SyncRefused("busy"), which is asked again
RECONCILE_REQUESTS_BURST = 100.0  # answered at once after a pause; same policy
RECONCILE_FRAME_BYTES = 60_000  # a message of cells is closed before it would grow beyond

# --- dht ----------------------------------------------------------------------------------------------------
DHT_BUCKETS_MAX = 256  # 20 contacts each; reached only by who makes about 2^40 keys; then full buckets stay unsplit
DHT_REPLACEMENTS_MAX = 10  # per full bucket (as go-ethereum); the one seen longest ago goes
DHT_PREFIX_PER_BUCKET = 2  # of one /24 or /48 in a full bucket (as go-ethereum); the excess gives way to others
DHT_PREFIX_PER_TABLE = 10  # of one /24 or /48 among all buckets; likewise
DHT_PEERS_MAX = 512  # links known here: twice LINKS_MAX, for dialled ones come on top; the oldest counts as unlinked
DHT_DIALLED_MAX = 128  # links held open for lookups; an idle one is given up, without any the ask fails at once
DHT_REQUESTS_MAX = 1_024  # open FindNodes, with those that are late; a further ask fails at once
DHT_FAILURES_MAX = 1_024  # peers that failed lately; the oldest is forgotten, and so tried again early
DHT_ANCHORS_MAX = 64  # contacts of the last run tried at bootstrap; the rest are not used
LOOKUPS_MAX = 4  # at a time, besides one for upkeep; a further lookup waits
LOOKUPS_WAITING_MAX = 64  # a further lookup is refused: it ends at once, with nothing found
LOOKUP_REQUESTS_MAX = 100  # per lookup, in equal parts per path; an honest one needs 20 to 60. Then it just ends
LOOKUP_CANDIDATES_MAX = 200  # per lookup, twice the requests; the farthest of its path that was not asked goes
NODES_BYTES_MAX = 60_000  # cells in one Nodes, so that it fits a frame; the farthest are left out

# --- broadcast ----------------------------------------------------------------------------------------------
BATCH_CELLS_MAX = 512  # more make a batch invalid
BATCH_PAGES_MAX = 512  # same
PAGE_BYTES_MAX = 1_024  # a page with a larger body makes its batch invalid
INTERVAL_MS_MAX = 20_000  # the longest interval that a batch may announce, or nobody could call its home unheard
OUTGOING_BYTES_MAX = 1_048_576  # own cells not yet sent; at the cap they are refused, and the caller waits
OUTGOING_PAGES_MAX = 8_192  # own pages not yet sent (100 ms of them); the oldest go first, their author refreshes them
BROADCAST_NEIGHBORS_MAX = 32  # active view, ring and some in transition; further ones get no broadcast
BROADCAST_ORIGINS_MAX = 4_096  # above any sensible max_registries; batches of further origins are not relayed
SEEN_BATCHES_MAX = 65_536  # ids; the oldest go first, their counters still tell a duplicate
SEEN_SECONDS = 120.0  # GossipSub keeps ids as long; of what comes later the counter tells that it is known
CACHED_BATCHES_MAX = 8_192  # payloads for Graft; the oldest go first, reconciliation has their cells
CACHED_BYTES_MAX = 16 * 1_048_576  # same
CACHED_SECONDS = 60.0
PENDING_BATCHES_MAX = 1_024  # being verified; further ones are dropped and come back by Graft or reconciliation
PENDING_PER_PEER_MAX = 256  # same, so that one peer cannot fill the queue
PENDING_BYTES_MAX = 16 * 1_048_576  # same
ANNOUNCED_MAX = 8_192  # batches announced to us and not here; further announcements are ignored
ANNOUNCED_PER_PEER_MAX = 2_048  # same, first announced by one peer
ANNOUNCEMENTS_QUEUED_MAX = 4_096  # per link, until the next IHAVE; the oldest go first
ITEMS_PER_MESSAGE_MAX = 512  # announcements, ids or origins in one IHAVE, GRAFT or PRUNE (wire.messages)
GRAFT_ANSWERS_MAX = 3  # times one batch is sent to one peer on request; further requests stay unanswered
GRAFT_ANSWERS_KEPT_MAX = 16_384  # (batch, peer) pairs counted; the oldest are forgotten, and may be answered anew
GRAFT_ANSWER_BYTES_MAX = 524_288  # pushed for one GRAFT, half an outbox; what is beyond is asked of the next peer
GAP_SPANS_MAX = 64  # runs of missing counters per origin; at the cap the two oldest become one
BROKEN_PROMISES_MAX = 32  # per peer and minute; then its announcements are ignored for a minute

# --- index --------------------------------------------------------------------------------------------------
# There is no cap on rows: the index has one per held lease, and the network file bounds those.
FILTER_LEAVES_MAX = 64  # the contract's; more is filter.too_complex. An empty and/or counts as a leaf
FILTER_DEPTH_MAX = 8  # the contract's; a leaf alone has depth 1, each and/or/not adds 1
FILTER_VALUES_MAX = 256  # the contract's, for one `in`
SORT_FIELDS_MAX = 3  # the contract's; more is params.invalid
INDEXED_LABELS_MAX = 32  # the contract's; a signed advert with more is indexed by the first of them in sorted order
INDEXED_LIST_MAX = 64  # values of one list field; a record is not found by those beyond. 4 KiB could hold 2 000,
# at 200 B of bitmap each

# --- cells: the network file and what is not held -----------------------------------------------------------
WAITING_SOURCES_MAX = 256  # shares of the waiting cells, one per link (LINKS_MAX); links beyond it share one
REGISTRIES_MAX = 1_048_576  # a network file that asks for more places is refused
SLOTS_MAX = 2**32  # same, for the slots of one home; rows of the index have 32 bits
SPONSORS_MAX = 1_024  # same, for the keys that let registries in: the file then still fits one frame
WORK_BITS_MAX = 64  # same; more than anybody can find
LIFE_MS_MAX = 366 * 86_400_000  # same; a cell that outlives a year is a mistake in the unit
NETWORK_KINDS_MAX = 32  # same, for the kinds that have a life

# --- overlay ------------------------------------------------------------------------------------------------
# Rates are a burst and a refill per second, per link and kind of message. What exceeds one is dropped unanswered and
# counted as debt; the same rates bound what we start or pass on, so an honest node is never in debt.
OVERLAY_MEMBERS_MAX = 4_096  # registries known; the newest is ignored, and found again by a lookup
OVERLAY_LINKS_MAX = 512  # twice LINKS_MAX, with those we dialled; a peer beyond it is no candidate until it links anew
OVERLAY_REQUESTS_MAX = 16  # places asked for and not answered yet; no more are asked meanwhile
OVERLAY_INVITES_MAX = 2  # of those, asked of newcomers whose walk ended here; later walks end unheeded
OVERLAY_AWAITED_MAX = 32  # cells of newcomers that the node verifies; the oldest walk ends unheeded
RING_MAX = 6  # ring neighbours: our two, and peers that count us among theirs; these are declined beyond 4
OVERLAY_JOIN_RATE = (4, 0.2)  # a newcomer joins once; each Join costs up to 14 walks
OVERLAY_NEIGHBOR_RATE = (16, 0.5)  # a full view asks one peer at most once in 10 s
OVERLAY_FORWARD_JOIN_RATE = (64, 4.0)  # walks of newcomers, each with a signature to check
OVERLAY_SHUFFLE_RATE = (32, 2.0)  # 1 000 registries with 20 s intervals walk 0.04 a second over each link
OVERLAY_DEBT_MAX = 256  # messages beyond a rate; then the peer misbehaves, and its link is closed

# --- storage ------------------------------------------------------------------------------------------------
STORE_QUEUE_BYTES_MAX = 32 * 1_048_576  # waiting for one writer; above half of it `pressure()`, at it StorageError
STORE_GROUP_BYTES_MAX = 4 * 1_048_576  # written in one transaction; what is queued beyond goes into the next
STORE_GROUP_MAX = 4_096  # records written in one transaction; same policy
STORE_ENVIRONMENTS_MAX = 64  # asked for when a store is made; more is refused
STORE_MAP_BYTES_MAX = 1 << 40  # the map doubles up to here; then StorageError

# --- node ---------------------------------------------------------------------------------------------------
INTAKE_PENDING_MAX = 1_024  # jobs that wait for their signatures; then introductions are let go, see node.intake
CONTACT_CELLS_MAX = 4_096  # verdicts on registry cells, so that one cell is verified once; the oldest go
CELL_TEXT_MAX = 256  # characters of a registry's URL or region; of a longer one clients are told nothing
ADDRESSES_MAX = 8_192  # endpoints of registries; the one learned longest ago goes

# --- client -------------------------------------------------------------------------------------------------
CLIENT_MESSAGE_BYTES_MAX = 16 * 1_048_576  # from a registry; a longer one closes the connection. A page has about 1 MiB
CLIENT_CALLS_MAX = 1_024  # calls or batches under way in one connection; a further one waits, as at the registry
CLIENT_FRAMES_QUEUED_MAX = 1_024  # messages not yet sent; a further one waits
CLIENT_CANDIDATES_MAX = 64  # registries learned from others; the one learned longest ago goes, those given always stay

# --- qos ----------------------------------------------------------------------------------------------------
QOS_SUBJECTS_MAX = 65_536  # nodes with reports here; the one reported on longest ago is forgotten
QOS_REPORTERS_MAX = 256  # per node; the one heard longest ago goes, of the prefixes with most. qos.explain counts them
QOS_WINDOWS_PER_REPORTER_MAX = 360  # per node, an hour of 10 s; the oldest go
QOS_WINDOWS_MAX = 65_536  # in all, under 2 KB each; the oldest of the prefix with most go
QOS_PAGES_MAX = 65_536  # summaries of other registries, about 3 KB each; the oldest of the registry with most go
QOS_PAGES_PER_TICK_MAX = 1_024  # published at once; the others a second later
QOS_EXPLAINED_WINDOWS_MAX = 384  # in one qos.explain, 300 B each, shared among the reporters; the oldest are left out
