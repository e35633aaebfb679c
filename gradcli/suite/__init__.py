"""Suite files, and many checks on many cores or machines."""
