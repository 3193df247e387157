"""A resolver for the servers of tests, as a project would write one: a client is where its name says."""

from __future__ import annotations

from sessionstore_app.services.facts import ClientFacts, PropertyResolver

# Name of a client → country and coordinates.
PLACES: dict[str, tuple[str, tuple[float, float]]] = {
    "paris": ("fr", (48.8566, 2.3522)),
    "quito": ("EC", (-0.1807, -78.4678)),
    "mars": ("M" * 2_000, (4_000.0, float("inf"))),
}
# A client of this name makes the resolver fail.
BROKEN = "broken"


class NamedPlaces(PropertyResolver):
    """Knows places by the names of clients; the language is still what the client likes best."""

    def country(self, client: ClientFacts) -> str:
        """The place's."""
        if client.client_name == BROKEN:
            raise LookupError(f"nothing is known of {client.client_ip}")
        return PLACES[client.client_name][0] if client.client_name in PLACES else ""

    def coordinates(self, client: ClientFacts) -> tuple[float, float] | None:
        """The place's."""
        return PLACES[client.client_name][1] if client.client_name in PLACES else None
