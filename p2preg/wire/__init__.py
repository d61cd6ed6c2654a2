"""The bytes: canonical CBOR, the COSE_Sign1 envelope, framing, and the append-only table of peer messages. Pure."""
