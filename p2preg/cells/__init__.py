"""The replicated data: one kind of signed register, what makes one valid, and which of them a registry holds. Pure."""
