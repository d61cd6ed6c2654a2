"""The index over what is held: filters, search, pages, facets and selection. Pure; replicated units throughout."""
