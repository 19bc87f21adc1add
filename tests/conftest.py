"""What holds for every test: Hypothesis tries the same examples in every run, so that a red run stays red.

`pytest --hypothesis-profile=explore` looks for new ones.
"""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None, print_blob=False)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")
