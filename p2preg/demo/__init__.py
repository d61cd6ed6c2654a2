"""`p2preg demo`: a whole network on one machine, a story told with it, and what the story proved."""
