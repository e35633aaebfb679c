"""Code as a program: scripts, functions and modules, followed call by call as they run under autograd."""
