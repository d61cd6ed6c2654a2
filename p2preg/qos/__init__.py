"""How good a Media Node is, as those who use it report: samples, votes, summaries, one score. Pure."""
