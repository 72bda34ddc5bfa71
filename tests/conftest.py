"""For all tests: properties are about results, not about how long a busy machine takes to find them."""

from hypothesis import settings

settings.register_profile("podd", deadline=None)
settings.load_profile("podd")
