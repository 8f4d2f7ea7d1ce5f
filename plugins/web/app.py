"""The FastAPI application that Airflow's API server mounts under `/tidewheel`, for logged-in users only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import jinja2
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from plugins.operators.links import airflow_address, airflow_path, browser_address
from plugins.web.attention import as_utc, clause
from plugins.web.audit_page import audit_page
from plugins.web.fleet_page import declared_pipeline, fleet
from plugins.web.pipeline_page import pipeline_page, report_path
from plugins.web.probations import interval_words, share_words
from plugins.web.reports import ReportFile, read_report
from plugins.web.row_page import row_page
from plugins.web.static_files import static_files, static_version
from plugins.web.trainings import Prices
from tidewheel.console_route import CONSOLE_ROUTE
from tidewheel.lake import Store
from tidewheel.quantities import quantity
from tidewheel.runs import JobRecord
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, pipeline_files

NOT_FOUND = 404
UNAUTHENTICATED = 401
LONGEST_REPEATED = 120
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store"}
# A report's scripts run, but in an origin of their own: they see neither Airflow's cookie nor its API.
REPORT_HEADERS = HEADERS | {"content-security-policy": "sandbox allow-scripts allow-popups allow-downloads"}
# Neither script nor style stands in a page: what a hostile value might bring along would not run.
PAGE_HEADERS = HEADERS | {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
}
STATIC_HEADERS = HEADERS | {"cache-control": "private, max-age=31536000, immutable"}

app = FastAPI(
    title="Tidewheel",
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
    # These would be served without a login.
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
)


@app.get("/")
def show_fleet() -> HTMLResponse:
    """All pipelines on one page, the one that needs somebody most at the top."""
    settings = load_settings()
    return _page("fleet.html", fleet=fleet(settings), mlflow=settings.mlflow_link, prices=_prices(settings))


@app.get("/pipeline/{name}")
def show_pipeline(name: str, figure: str = "") -> HTMLResponse:
    """One pipeline: its quality, drift, trainings, releases, and what happens next."""
    settings = load_settings()
    declared = _declared(settings, name)
    if not isinstance(declared, Pipeline):
        return _page("unreadable.html", name=name, error=declared)
    mlflow = settings.mlflow_link
    return _page(
        "pipeline.html",
        page=pipeline_page(settings, declared, figure=figure),
        pipeline=declared,
        mlflow=mlflow,
        model=f"{mlflow}/#/models/{name}" if mlflow else "",
        endpoint=f"{settings.endpoint_url.rstrip('/')}/{name}/" if settings.endpoint_url else "",
        prices=_prices(settings),
        report=lambda day: browser_address(report_path(name, day)),
    )


@app.get("/pipeline/{name}/row")
def show_row(name: str, day: str = "", key: Annotated[Sequence[str], Query()] = ()) -> HTMLResponse:
    """One row of a day: its prediction, its features, and what moved the prediction most."""
    settings = load_settings()
    declared = _declared(settings, name)
    if not isinstance(declared, Pipeline):
        return _page("unreadable.html", name=name, error=declared)
    return _page("row.html", page=row_page(settings, declared, day, key), pipeline=declared)


@app.get("/pipeline/{name}/audit")
def show_audit(name: str) -> HTMLResponse:
    """Who decided and did what about a pipeline."""
    settings = load_settings()
    if name not in {file.stem for file in pipeline_files(settings.pipelines_folder)}:
        raise HTTPException(NOT_FOUND, f"there is no pipeline {_short(name)} in {settings.pipelines_folder}")
    return _page("audit.html", page=audit_page(settings, name))


@app.get("/static/{name:path}")
def show_static(name: str) -> Response:
    """A style sheet or a script of the pages."""
    file = static_files().get(name)
    if file is None:
        raise HTTPException(NOT_FOUND, f"there is no file {_short(name)}")
    content, content_type = file
    return Response(content, media_type=content_type, headers=STATIC_HEADERS)


@app.get("/lake/{path:path}")
def show_report(path: str) -> Response:
    """A report that a job left in the lake, as it is."""
    report = _report_file(path, "report")
    return Response(report.content, media_type=report.content_type, headers=REPORT_HEADERS)


@app.get("/record/{path:path}")
def show_record(path: str) -> HTMLResponse:
    """What a job left behind, for a person: its sentence, links, figures and batches."""
    try:
        record = JobRecord.model_validate_json(_report_file(path, "record").content)
    except ValidationError:
        words = f"{_short(path)} is not the record of a job, or was cut off or changed; run the job again"
        raise HTTPException(NOT_FOUND, words) from None
    links = {title: browser_address(target) for title, target in record.links.items()}
    return _page("record.html", record=record, links=links, raw=browser_address(path))


def _prices(settings: Settings) -> Prices:
    return Prices(settings.cpu_hour_price, settings.gpu_hour_price, settings.currency)


def _report_file(path: str, kind: str) -> ReportFile:
    settings = load_settings()
    report = read_report(Store(settings.lake_root, settings.lake_options), path)
    if report is None:
        raise HTTPException(NOT_FOUND, f"the lake has no {kind} {_short(path)}")
    return report


@app.exception_handler(HTTPException)
async def _ask_a_person_to_log_in(request: Request, error: HTTPException) -> Response:
    """A link that is opened without a login leads through the login page; a program gets the error."""
    if error.status_code == UNAUTHENTICATED and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{get_auth_manager().get_url_login()}?next={quote(str(request.url), safe='')}")
    return await http_exception_handler(request, error)


def _declared(settings: Settings, name: str) -> Pipeline | str:
    """A pipeline's file, or why it cannot be read."""
    file = next((file for file in pipeline_files(settings.pipelines_folder) if file.stem == name), None)
    if file is None:
        raise HTTPException(NOT_FOUND, f"there is no pipeline {_short(name)} in {settings.pipelines_folder}")
    return declared_pipeline(file)


def _short(path: str) -> str:
    """A path as a message repeats it."""
    return repr(path if len(path) <= LONGEST_REPEATED else f"{path[:LONGEST_REPEATED]}...")


def _figure(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "unknown"


def _minute(at: datetime) -> str:
    return f"{as_utc(at):%Y-%m-%d %H:%M}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": _figure,
        "minute": _minute,
        "duration": _duration,
        "clause": clause,
        "share": share_words,
        "interval": interval_words,
        "quantity": quantity,
        "grouped": "{:,.0f}".format,
    }
    return environment


_templates = _environment()


def _page(template: str, **facts: object) -> HTMLResponse:
    root = f"{airflow_path()}{CONSOLE_ROUTE}"
    shared = {"root": root, "airflow": airflow_address(), "version": static_version()}
    return HTMLResponse(_templates.get_template(template).render(**shared, **facts), headers=PAGE_HEADERS)
