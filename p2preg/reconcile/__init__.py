"""Set reconciliation: two registries find out what each of them lacks, and exchange just that. Pure."""
