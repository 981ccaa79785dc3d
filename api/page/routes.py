"""The routes of the web page."""

from litestar import Router

from api.page.assets import page_file
from api.page.crosstab import crosstab_page
from api.page.districts import district_page, districts_page
from api.page.home import home_page, survey_page
from api.page.question import question_page
from api.page.signing import sign_in, sign_in_form, sign_out
from api.page.stream import follow_page

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
        follow_page,
    ],
)
