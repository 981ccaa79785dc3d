"""Make the examples of answers in the OpenAPI document anew, from real answers.

    python -m tests.contract.examples

Every operation is asked for what it is asked for in the test of its documented statuses. Long lists and texts are cut.
"""

import json
import re
import sys
from typing import Any

from api.openapi import EXAMPLES
from polling.store.engine import open_store
from tests.api.world import make_world
from tests.contract.served import new_database
from tests.contract.test_openapi import PROVOCATIONS, furnish

__all__ = ["cut", "make"]

SECRETS = (
    (r"hust_\w{8}_\w+", "hust_abcd2345_..."),
    (r"whsec_[\w+/=]+", "whsec_..."),
    (r'("ticket": ")[^"]+|(ticket=)[^"&]+', r"\1\2..."),
)
"""Good for nothing any more, but scanners would report them."""
MOST_ITEMS = 2
MOST_LETTERS = 600


def make() -> dict[str, dict[str, dict[str, Any]]]:
    """Operation id -> status -> media type -> the answer, cut; every status below 300 with a body."""
    made: dict[str, dict[str, dict[str, Any]]] = {}
    with new_database("sqlite") as (url, folder):
        store = open_store(url)
        world = make_world(store, folder, max_upload_mb=1)
        with world.client:
            furnish(world)
            for name, calls in PROVOCATIONS.items():
                for status in sorted((one for one in calls if one < 300), reverse=True):
                    reply = calls[status](world)
                    assert reply.status_code == status, (name, reply.text)
                    media_type = reply.headers.get("content-type", "").partition(";")[0]
                    if reply.content:
                        value = cut(reply.json()) if media_type == "application/json" else reply.text[:MOST_LETTERS]
                        made.setdefault(name, {})[str(status)] = {media_type: value}
        store.close()
    return made


def cut(value: Any) -> Any:
    """The value with the beginning of its lists and texts alone."""
    if isinstance(value, dict):
        return {name: cut(one) for name, one in value.items()}
    if isinstance(value, list):
        return [cut(one) for one in value[:MOST_ITEMS]]
    return value[:MOST_LETTERS] if isinstance(value, str) else value


def main() -> int:
    """Write the file that the document reads."""
    told = json.dumps(make(), ensure_ascii=False, indent=1)
    for secret in SECRETS:
        told = re.sub(*secret, told)
    EXAMPLES.write_text(told + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
