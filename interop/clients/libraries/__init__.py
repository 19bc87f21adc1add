"""A folder for each library: `library.py` and the files of its programs."""
