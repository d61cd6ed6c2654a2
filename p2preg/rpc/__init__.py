"""JSON-RPC 2.0 over websocket: the transport under the contract whose rules stand in `registry`."""
