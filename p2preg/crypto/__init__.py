"""Keys and signatures. One verifier for the whole network: libsodium's Ed25519, through PyNaCl. Pure."""
