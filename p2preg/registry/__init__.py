"""The registry's rules: who is registered where and in what state, who is live, who is told. Pure.

`core.RegistryCore` is the door; `methods` is the table of what clients may call (the contract with clients)."""
