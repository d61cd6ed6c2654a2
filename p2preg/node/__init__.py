"""The whole node as one pure state machine: `core.NodeCore` owns the cores and routes events between them."""
