"""Who judges, and what: a Grafana where there is one; the summary says which of the two ran."""

import pytest
from local_grafana import GrafanaService


@pytest.fixture(scope="session")
def judging_grafana(request: pytest.FixtureRequest) -> GrafanaService | None:
    """The Grafana that judges, or None: then the tests' evaluator does."""
    try:
        service: GrafanaService = request.getfixturevalue("grafana")
    except pytest.skip.Exception:
        return None
    return service
