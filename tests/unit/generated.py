"""What Hypothesis draws in these tests: JSON values, keys and patterns."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from sessionstore_app.core.jsontext import MAX_INTEGER, Json

# The machine that runs the tests may be busy: no test is judged by its pace.
SOME = settings(max_examples=25, deadline=None)
MANY = settings(max_examples=100, deadline=None)

# Any Unicode that strict JSON lets pass: no NUL, no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
numbers = integers | st.floats(allow_nan=False, allow_infinity=False)
scalars: st.SearchStrategy[Json] = st.none() | st.booleans() | numbers | texts
json_values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=4)

# A small alphabet, so that keys meet patterns and each other.
keys = st.text("ab/", min_size=1, max_size=4)
patterns = st.just("*") | keys | keys.map(lambda key: f"{key}*") | keys.map(lambda key: f"*{key}")
