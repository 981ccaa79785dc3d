"""The routes of the web page."""

from litestar import Router

from api.page.assets import page_file
from api.page.checks import checks_page
from api.page.crosstab import crosstab_page
from api.page.district import district_page
from api.page.districts import districts_page
from api.page.documents import diagnostics_page, disclosure_page, figure_file
from api.page.home import home_page, survey_page
from api.page.question import question_page
from api.page.record import record_page
from api.page.releases import releases_page, revision_page
from api.page.seats import seats_page
from api.page.signing import sign_in, sign_in_form, sign_out
from api.page.standing import methods_page, representation_page
from api.page.stream import follow_page
from api.page.trend import trend_page
from api.page.whom_to_ask import whom_to_ask_page

__all__ = ["page_routes"]

page_routes = Router(
    "/",
    route_handlers=[
        home_page,
        sign_in_form,
        sign_in,
        sign_out,
        page_file,
        survey_page,
        question_page,
        crosstab_page,
        districts_page,
        district_page,
        trend_page,
        seats_page,
        revision_page,
        releases_page,
        disclosure_page,
        diagnostics_page,
        figure_file,
        checks_page,
        representation_page,
        methods_page,
        record_page,
        whom_to_ask_page,
        follow_page,
    ],
)
