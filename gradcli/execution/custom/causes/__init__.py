"""Why a wrong backward is wrong: which term is missing, which change makes it right."""
