"""What a client may ask of this registry: announced in `session.hello`, enforced here and in `rpc`."""

from __future__ import annotations

MESSAGE_BYTES_MAX = 262_144  # a larger request closes the session (1009); our notifications keep to it as well
BATCH_MAX = 1_000  # calls in one JSON-RPC batch; a longer one is -32600
IN_FLIGHT_MAX = 1_024  # calls not yet answered per session; beyond, the socket is not read
SUBSCRIPTIONS_PER_SESSION_MAX = 32  # a further one is limit.subscriptions
SUBSCRIPTIONS_BYTES_MAX = 1_073_741_824  # what all of them follow and have to tell, about; beyond, registry.overloaded
QUEUE_EVENTS_MAX = 16_384  # nodes pending for a synced subscription; beyond, it is told `lagged` and ends
EVENTS_PER_NOTIFICATION_MAX = 500  # of the contract
KEYS_PER_SESSION_MAX = 16_384  # keys authenticated in one session; a further one is limit.keys
SESSIONS_MAX = 16_384  # websockets; a further one is closed with 1013
SESSIONS_PER_PREFIX_MAX = 1_024  # from one /24 or /48, loopback exempt while all published addresses are loopback
REASON_MAX = 128  # characters of a drain's reason, of the contract; of another home's longer one the rest is cut off
PAGE_TOKENS_SECONDS = 60.0  # life of a page token: of the contract
GUESTS_MAX = 65_536  # nodes attached here: one a slot; a further registration is limit.quota
WAITING_RESUMES_MAX = 1_024  # subscriptions that wait for this registry to be synced; a further one is not kept waiting
RESUMES_PER_TICK_MAX = 32  # of these, begun at once, each with a look at all nodes; the others a second later
NOTIFICATIONS_UNSENT_MAX = 4  # per session on their way to the socket; what changes meanwhile coalesces
