"""Failed asserts of the shared test class tell their values, as those of test files do."""

import pytest

pytest.register_assert_rewrite("parsing_network_tests")
