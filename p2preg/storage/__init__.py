"""The data directory: the identity key, a lock against a second process, and the cells on disk. Impure."""
