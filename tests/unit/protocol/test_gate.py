r"""The strict JSON gate: each row of the hostile inputs is refused, whatever it hides in.

Escapes are written as they travel: `r"\u0000"` is the six characters that name a NUL.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionstore_app.core.errors import ParseError
from sessionstore_app.core.jsontext import MAX_INTEGER, Json, dumps
from sessionstore_app.protocol import gate
from tests.unit.generated import MANY, SOME, json_values

DEPTH = 32


def parse(text: str) -> Json:
    return gate.parse(text, DEPTH)


HOSTILE = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "nan in small letters": "nan",
    "1e400": "1e400",
    "minus 1e400": "-1E+400",
    "number of 400 digits and a fraction": "9" * 400 + ".5",
    "integer of 30 digits": "9" * 30,
    "2^53": str(2**53),
    "2^53 + 1": str(2**53 + 1),
    "minus 2^53": str(-(2**53)),
    "2^64": str(2**64),
    "integer of 5,000 digits": "7" * 5_000,
    "NUL escape": r'"a\u0000b"',
    "NUL escape behind an escaped backslash": r'"\\\u0000"',
    "NUL itself": '"a\0b"',
    "lone high surrogate escape": r'"\ud800"',
    "lone low surrogate escape": r'"\udfff"',
    "surrogate escapes in the wrong order": r'"\ude00\ud83d"',
    "high surrogate before a letter": r'"\ud83dx"',
    "high surrogate before another escape": r'"\ud83d\n"',
    "lone surrogate itself": '"\ud800"',
    "the same name twice": '{"a":1,"a":2}',
    "the same name twice, equal values": '{"a":1,"a":1}',
    "the same name, once escaped": r'{"a":1,"\u0061":2}',
    "the same name, escaped in two ways": r'{"/":1,"\/":2}',
    "the same name far apart": '{"a":1,"b":{"a":1},"c":[{"a":1}],"a":2}',
    "the empty name twice": '{"":1,"":2}',
    "depth 500": "[" * 500 + "]" * 500,
    "depth 1,100": "[" * 1_100 + "]" * 1_100,
    "depth 1,100 of objects": '{"a":' * 1_100 + "1" + "}" * 1_100,
    "depth 60,000, never closed": "[" * 60_000,
    "depth in turns": '[{"a":' * 17 + "1" + "}]" * 17,
    "byte-order mark": "\ufeff1",
    "byte-order mark before an object": '\ufeff{"a":1}',
}

MALFORMED = {
    "nothing": "",
    "white space alone": " \n",
    "no-break space": "\u00a01",
    "a vertical tab": "\v1",
    "a trailing comma": "[1,]",
    "a comma too many": '{"a":1,}',
    "two values": "1 2",
    "single quotes": "{'a':1}",
    "a bare name": "{a:1}",
    "a comment": "/* */1",
    "a leading zero": "01",
    "a leading plus": "+1",
    "no digit after the point": "1.",
    "no digit before the point": ".5",
    "a hexadecimal number": "0x10",
    "digits of another script": "\u0661",
    "an unknown escape": r'"\x41"',
    "a short escape": r'"\u00"',
    "a line break in a string": '"a\nb"',
    "an open string": '"abc',
    "an open list": "[1",
    "an open object": '{"a":1',
    "a colon too many": '{"a"::1}',
    "a name without a value": '{"a"}',
    "a number as name": "{1:2}",
    "True of another language": "True",
    "undefined": "undefined",
    "a lone quote": '"',
    "a lone backslash": "\\",
}

WRAPPINGS = {
    "alone": "{}",
    "in a list": "[1, {} ]",
    "in an object": '{{ "jsonrpc":"2.0",\n\t"params" : {{"value":{}}} }}',
    "behind a string with brackets": '["}}]\\"[{{:", {}]',
}


@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS.keys())
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_p36_hostile_json_is_refused_wherever_it_stands(text: str, wrapping: str) -> None:
    with pytest.raises(ParseError):
        parse(wrapping.format(text))


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_p36_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


@pytest.mark.parametrize("name", [r"\u0000", "a\0", r"\ud800", "\ud800"])
def test_p36_hostile_names_are_refused_as_values_are(name: str) -> None:
    with pytest.raises(ParseError):
        parse(f'{{"{name}":1}}')


PASSING: dict[str, tuple[str, Json]] = {
    "2^53 - 1": (str(MAX_INTEGER), MAX_INTEGER),
    "minus 2^53 - 1": (str(-MAX_INTEGER), -MAX_INTEGER),
    "sixteen digits that are no number": ('"9999999999999999"', "9999999999999999"),
    "sixteen digits beside a number": ('["9999999999999999",1]', ["9999999999999999", 1]),
    "a large number that is no integer": ("1e300", 1e300),
    "a long fraction": ("0.12345678901234567890", 0.12345678901234568),
    "an escaped backslash before u0000": (r'"\\u0000"', r"\u0000"),
    "an escaped backslash before u0000, in a list": (r'[{"a":"\\u0000"},1]', [{"a": r"\u0000"}, 1]),
    "a pair of surrogate escapes": (r'"\ud83d\ude00"', "\U0001f600"),
    "a letter beyond the basic plane": ('"\U0001f600"', "\U0001f600"),
    "names that differ in case": ('{"a":1,"A":2}', {"a": 1, "A": 2}),
    "one name in several objects": ('[{"a":1},{"a":{"a":1}}]', [{"a": 1}, {"a": {"a": 1}}]),
    "colons and brackets in strings": ('{"a:[{":":}]:\\"{"}', {"a:[{": ':}]:"{'}),
    "t9 a prototype's name inside a value": ('{"__proto__":{"x":1}}', {"__proto__": {"x": 1}}),
    "white space of all kinds": (' \t\r\n[ 1 ,\n{ "a" :\t2 } ] ', [1, {"a": 2}]),
    "falsy values": ('[0,false,"",[],{},null,-0.0]', [0, False, "", [], {}, None, -0.0]),
    "brackets beyond the depth in a string": ('"' + "[" * 40 + '"', "[" * 40),
    "more containers than the depth, side by side": ("[" + "[]," * 40 + "[]]", [[]] * 41),
    "a mark of byte order inside a string": ('"\ufeff"', "\ufeff"),
}


@pytest.mark.parametrize(("text", "value"), PASSING.values(), ids=PASSING.keys())
def test_p36_what_only_looks_hostile_passes(text: str, value: Json) -> None:
    assert repr(parse(text)) == repr(value)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_p36_depth_32_passes_and_33_is_refused(opening: str, closing: str) -> None:
    innermost = opening.replace('"a":', "") + closing
    parse(opening * 31 + innermost + closing * 31)
    with pytest.raises(ParseError, match="deep") as refused:
        parse(opening * 32 + innermost + closing * 32)
    assert refused.value.limit == DEPTH


@SOME
@given(json_values)
def test_p6_every_value_comes_back_equal(value: Json) -> None:
    assert repr(parse(dumps(value))) == repr(value)


@SOME
@given(json_values, st.sampled_from([None, 1, "\t"]))
def test_p36_escapes_and_white_space_change_no_value(value: Json, indent: int | str | None) -> None:
    assert repr(parse(json.dumps(value, ensure_ascii=True, indent=indent))) == repr(value)


def spelled(name: str, *, escaped: bool) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" if escaped else letter for letter in name) + '"'


@MANY
@given(st.lists(st.tuples(st.text("ab", max_size=2), st.booleans()), max_size=5), st.integers(0, 3))
def test_p36_an_object_passes_if_and_only_if_its_names_differ(names: list[tuple[str, bool]], depth: int) -> None:
    text = "{" + ",".join(f"{spelled(name, escaped=escaped)}:1" for name, escaped in names) + "}"
    text = '[{"a":' * depth + text + "}]" * depth
    if len({name for name, _ in names}) == len(names):
        parse(text)
    else:
        with pytest.raises(ParseError, match="twice"):
            parse(text)


@MANY
@given(st.text('[]{}",:\\ab01u. \n', max_size=14))
def test_t17_any_text_is_read_as_the_standard_library_reads_it_or_refused(text: str) -> None:
    try:
        value = parse(text)
    except ParseError:
        return
    assert value == json.loads(text)


SLOW_TO_SCAN = {
    "escaped quotes in a string that never ends": '"' + '\\"' * 8_000,
    "escaped quotes and a last backslash": '"' + '\\"' * 8_000 + "\\",
    "quotes without end": '"' * 16_000,
    "backslashes without end": '"' + "\\" * 16_000,
    "brackets in turns": "[]" * 8_000,
    "many names": "{" + ",".join(f'"{number}":1' for number in range(2_000)) + "}",
}


@pytest.mark.parametrize("text", SLOW_TO_SCAN.values(), ids=SLOW_TO_SCAN.keys())
def test_t17_no_quarter_of_a_frame_costs_more_than_a_moment(text: str) -> None:
    before = time.process_time()
    with suppress(ParseError):
        parse(text)
    # A linear scan takes a millisecond; a quadratic one, at four times the length, sixteen times what it takes here.
    assert time.process_time() - before < 0.2
