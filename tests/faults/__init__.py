"""A whole broker on a disk that fails."""
