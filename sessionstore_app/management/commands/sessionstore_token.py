"""`manage.py sessionstore_token`: print a token."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessionstore_app.services.tokens import mint_token


class Command(BaseCommand):
    """Mints a token and prints nothing else, so that a script can take it."""

    help = "Print a signed, expiring token for a bot, a worker or a test."
    # The token is signed, not stored: no database is needed.
    requires_system_checks: list[str] = []  # noqa: RUF012  # Django's own declaration

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who it is for and what it grants."""
        parser.add_argument("--principal", required=True, help="whose token it is")
        parser.add_argument("--role", action="append", default=[], help="a session-wide role; may be repeated")
        parser.add_argument("--permission", action="append", default=[], help="such as manage_room; may be repeated")
        parser.add_argument(
            "--room",
            action="append",
            default=[],
            metavar="ROOM[=ROLE,…]",
            help="a room (or pattern) it is good for, and the roles there; may be repeated",
        )
        parser.add_argument("--expires-in", type=float, default=3_600, metavar="SECONDS", help="default 3600")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token."""
        rooms = {}
        for text in options["room"]:
            room, _, roles = text.partition("=")
            rooms[room] = [role for role in roles.split(",") if role]
        try:
            token = mint_token(
                options["principal"],
                roles=options["role"],
                permissions=options["permission"],
                rooms=rooms,
                expires_in=options["expires_in"],
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
