"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is no fault of a test.
settings.register_profile("project", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
