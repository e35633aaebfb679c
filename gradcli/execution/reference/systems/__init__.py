"""The adjoint systems of implicit definitions, solved by the structure that index notation shows of them."""
