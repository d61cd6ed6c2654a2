"""Signed batches, and their spreading by Plumtree (Leitão, Pereira and Rodrigues 2007) with one eager/lazy split per
origin. What the spreading misses, reconciliation repairs. Pure."""
