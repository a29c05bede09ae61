"""Questions that are put to the model of a finished study; one module a kind, `registry.KINDS` holds them."""
