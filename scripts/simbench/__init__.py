"""Behind `scripts/bench-sim`: the scenarios of `p2preg sim`, each over many seeds, against their bars."""
