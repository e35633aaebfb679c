"""A user's own code: loaded from a file or a module, called at a point, and what it raises said in the user's terms."""
