"""The FastAPI application that Airflow's API server mounts under `/tidewheel`, for logged-in users only."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import jinja2
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from plugins.operators.links import airflow_address, browser_address
from plugins.web.overview import PURPOSES, overview
from plugins.web.reports import read_report
from tidewheel.lake import Store
from tidewheel.runs import JobRecord
from tidewheel.settings import load_settings

NOT_FOUND = 404
UNAUTHENTICATED = 401
LONGEST_REPEATED = 120
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store"}
# A report's scripts run, but in an origin of their own: they see neither Airflow's cookie nor its API.
REPORT_HEADERS = HEADERS | {"content-security-policy": "sandbox allow-scripts allow-popups allow-downloads"}
PAGE_HEADERS = HEADERS | {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}

app = FastAPI(
    title="Tidewheel",
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
    # These would be served without a login.
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)
_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@app.get("/")
def show_overview() -> HTMLResponse:
    """All pipelines on one page."""
    settings = load_settings()
    return _page(
        "overview.html",
        found=overview(settings),
        purposes=PURPOSES,
        mlflow=settings.mlflow_url,
        airflow=airflow_address(),
    )


@app.get("/lake/{path:path}")
def show_report(path: str) -> Response:
    """A report that a job left in the lake, as it is."""
    settings = load_settings()
    report = read_report(Store(settings.lake_root, settings.lake_options), path)
    if report is None:
        raise HTTPException(NOT_FOUND, f"the lake has no report {_short(path)}")
    return Response(report.content, media_type=report.content_type, headers=REPORT_HEADERS)


@app.get("/record/{path:path}")
def show_record(path: str) -> HTMLResponse:
    """What a job left behind, for a person: its sentence, links, figures and batches."""
    settings = load_settings()
    report = read_report(Store(settings.lake_root, settings.lake_options), path)
    if report is None:
        raise HTTPException(NOT_FOUND, f"the lake has no record {_short(path)}")
    try:
        record = JobRecord.model_validate_json(report.content)
    except ValidationError:
        words = f"{_short(path)} is not the record of a job, or was cut off or changed; run the job again"
        raise HTTPException(NOT_FOUND, words) from None
    links = {title: browser_address(target) for title, target in record.links.items()}
    return _page("record.html", record=record, links=links, raw=browser_address(path))


@app.exception_handler(HTTPException)
async def _ask_a_person_to_log_in(request: Request, error: HTTPException) -> Response:
    """A link that is opened without a login leads through the login page; a program gets the error."""
    if error.status_code == UNAUTHENTICATED and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{get_auth_manager().get_url_login()}?next={quote(str(request.url), safe='')}")
    return await http_exception_handler(request, error)


def _short(path: str) -> str:
    """A path as a message repeats it."""
    return repr(path if len(path) <= LONGEST_REPEATED else f"{path[:LONGEST_REPEATED]}...")


def _page(template: str, **words: object) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(**words), headers=PAGE_HEADERS)
