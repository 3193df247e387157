"""Site sessions that are long past their life, as many as wanted, on PostgreSQL, in a process of its own.

Run as `python -m tests.benchmarks.expired_rows '{"rows": 1000000}'` in the project's environment; prints JSON.
"""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.db import connections  # noqa: E402 - Django has to be set up first

from sessionstore_app.models import SiteSession  # noqa: E402

# A form's state, as people leave it behind.
DATA = '{"step":3,"name":"Ada Lovelace","email":"ada@example.com","answers":{"colour":"green","pets":["cat","dog"]}}'
EXPIRED = "now() - interval '10 days'"


def main(rows: int) -> dict[str, int]:
    values = {
        "id": "gen_random_uuid()",
        "update_count": "mod(number, 7)",
        "data": "%s",
        "created_at": EXPIRED,
        "updated_at": EXPIRED,
        "platform": "''",
        "platform_version": "''",
    }
    table = SiteSession._meta.db_table
    with connections[SiteSession.objects.all().db].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(values)}) "  # names and constants of this file
            f"SELECT {', '.join(values.values())} FROM generate_series(1, %s) AS number",
            [DATA, rows],
        )
        cursor.execute(f"ANALYZE {table}")
    return {"rows": SiteSession.objects.count()}


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
