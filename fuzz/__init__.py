"""Coverage-guided fuzzing: one file per target, each with an invariant in one sentence. See docs/fuzzing.md."""
