"""T7: a filter is no oracle: what it says does not depend on a property that its author may not see."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from sessionstore_app.core import filters
from sessionstore_app.core.errors import AccessDenied, InvalidFilter
from sessionstore_app.core.properties import format_roles
from sessionstore_app.services.reach import Reach
from tests.unit.filtertexts import Writer, names, nodes, values
from tests.unit.generated import MANY

_roles = st.lists(values, max_size=3).map(lambda roles: format_roles(tuple(roles)))


@MANY
@given(nodes, st.integers(0, 999), st.data())
def test_t7_a_filter_is_refused_or_blind_to_what_is_hidden(node: filters.Node, seed: int, data: st.DataObject) -> None:
    """Two sessions that look the same to its author match alike, whatever they hold beside."""
    named = sorted(names(node))
    visible = data.draw(st.sets(st.sampled_from([*named, "else"])))
    hidden = {*named, "secret"} - visible
    try:
        interest = Reach(sees=visible.__contains__).interest(Writer(random.Random(seed)).text(node))
    except AccessDenied:
        assert hidden & {*named}
        event("refused")
        return
    except InvalidFilter:
        # A drawn text may hold more patterns than are allowed.
        assume(False)
    assert visible.issuperset(named)
    event("answered")
    shown = data.draw(_properties(visible))
    one, other = (shown | data.draw(_properties(hidden)) for _ in range(2))
    assert interest.filter is not None
    assert interest.filter.matches(one) is interest.filter.matches(other)


def _properties(keys: set[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={key: _roles if key == filters.ROLES else values for key in sorted(keys)})


@pytest.mark.parametrize(
    "text",
    [
        *("Secret is 'a'", "not Secret is 'a'", "has Secret", "Secret ne 'a' or all", "all or has Secret"),
        *("not (all and not Secret in ['a', 'b'])", "Secret matches '.*'", "team is 'red' and Secret is 'a'"),
        *("hasRoles 'admin'", "not hasAnyRole 'a', 'b'", "$Roles is ''", "has $Roles or all"),
    ],
)
def test_t7_naming_what_is_hidden_is_refused_wherever_it_stands(text: str) -> None:
    """Also where it could change nothing: a refusal that came only where it mattered would tell."""
    with pytest.raises(AccessDenied):
        Reach(sees={"team"}.__contains__).interest(text)
