"""The description of the admin API, held against a running figway by schemathesis.

What it says is accepted is, what it does not allow is refused, and every answer is one that it
describes: status, content type, headers and body. Nothing that is sent brings figway down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks

from proxy.admin.calls import CALLS
from proxy.admin.openapi import document
from tests.journeys.conftest import FLAGS, ROUTES
from tests.journeys.figway_process import FigwayProcess, ask
from tests.journeys.origin import Origin

PAGE = document()
OPERATIONS = [
    pytest.param(method, path, id=f"{method.upper()} {path}")
    for path, methods in PAGE["paths"].items()
    for method in methods
]
# What the type of a field cannot say: these are told in words, with the place.
GRAMMARS = {
    "/api/v1/explain": "methods, URLs and header fields as RFC 9112 has them",
    "/api/v1/shadow/what-if": "rules as they stand in routes.yaml",
}
# Without parameters and body there is nothing to get wrong.
NOTHING_TO_SEND = {"/livez", "/metrics", "/openapi.json"}
ROOM = {f"FIGWAY_ACCESS_{kind}_PER_SECOND": "100000" for kind in ("READS", "CHANGES", "ROLLBACKS")}
SETTINGS = settings(
    max_examples=8,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FigwayProcess]:
    folder = tmp_path_factory.mktemp("openapi")
    # One shadowed route: then there is an observer that can be asked.
    routes = ROUTES.replace(
        "    stage: shadow\n", "    stage: shadow\n    shadow: {{sample: 100%}}\n"
    )
    with Origin("legacy") as legacy, Origin("new") as new:
        (folder / "routes.yaml").write_text(routes.format(legacy=legacy.url, new=new.url))
        (folder / "flags.yaml").write_text(FLAGS)
        figway = FigwayProcess(folder, workers=1, environ=ROOM)
        try:
            figway.serving()
            figway.wait_until(lambda: figway.status()["observer"]["state"] == "ready")
            yield figway
        finally:
            figway.close()


@pytest.fixture(scope="module")
def described(running: FigwayProcess) -> Any:
    load_all_checks()
    config = schemathesis.Config.from_dict(
        {
            "checks": {
                "positive_data_acceptance": {
                    # 412: the revision of an example is of another day.
                    "expected-statuses": ["2xx", "404", "409", "412"]
                },
                "negative_data_rejection": {
                    "expected-statuses": ["400", "401", "404", "405", "413", "415"]
                },
            }
        }
    )
    return schemathesis.openapi.from_url(
        f"http://{running.admin}/openapi.json",
        headers={"Authorization": f"Bearer {running.token}"},
        config=config,
    )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_figway_does_what_its_description_says(
    running: FigwayProcess, described: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = described[path][method]
    if mode is GenerationMode.NEGATIVE and path in NOTHING_TO_SEND:
        assert not operation.body
        assert not operation.query
        return
    left_out: list[CheckFunction] = []
    if path in GRAMMARS:
        left_out += CHECKS.get_by_names(["positive_data_acceptance"])
    if path == "/readyz":
        # 503 is its way to say no.
        left_out += CHECKS.get_by_names(["not_a_server_error"])
    headers = {"Authorization": f"Bearer {running.token}"}

    @SETTINGS
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=left_out)

    holds()


def test_after_all_that_it_serves_and_its_audit_is_sound(running: FigwayProcess) -> None:
    assert running.get("/").status == 200
    assert running.events("admin_call_failed") == []
    assert running.run("audit", "--verify").code == 0


def test_the_description_is_of_openapi_3_1_and_every_schema_in_it_is_one(
    running: FigwayProcess,
) -> None:
    served = running.api("/openapi.json").json
    assert served == json.loads(json.dumps(PAGE))
    assert served["openapi"].startswith("3.1.")
    for schema in served["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("call", [call for call in CALLS if call.body], ids=lambda call: call.name)
def test_every_example_fits_its_own_schema(call: Any) -> None:
    content = PAGE["paths"][call.path]["post"]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": PAGE["components"]}
    Draft202012Validator(schema).validate(content["example"])


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_tells_who_may_call_it_and_how_it_refuses(method: str, path: str) -> None:
    operation = PAGE["paths"][path][method]
    responses = operation["responses"]
    assert {"400", "403"} <= set(responses)
    if operation.get("security") == [{}]:
        assert "x-figway-role" not in operation
        return
    assert {"401", "429"} <= set(responses)
    if path.startswith("/api/v1/hooks/"):
        assert operation["security"] == [{"webhook": []}]
        return
    assert operation["x-figway-role"] in ("viewer", "operator", "admin")
    if method == "post":
        assert {"413", "415"} <= set(responses)
        assert operation["requestBody"]["required"] is True


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_needs_a_role_is_refused_to_whoever_has_none(
    running: FigwayProcess, method: str, path: str
) -> None:
    operation = PAGE["paths"][path][method]
    if "x-figway-role" not in operation:
        return
    target = path.replace("{id}", "x")
    body = b"{}" if method == "post" else None
    sent = {"Content-Type": "application/json"} if body else {}
    refused = ask(running.admin, method.upper(), target, body, sent)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
