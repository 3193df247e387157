"""Sixty texts that want to be something else: script, markup, template, style, direction, control."""

from __future__ import annotations

from typing import Final

HOSTILE: Final = (
    # Script.
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "</script><script>alert(1)</script>",
    "<ScRiPt src=//example.com/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<a href=javascript:alert(1)>click</a>",
    "' onfocus='alert(1)' autofocus='",
    '" onmouseover="alert(1)" x="',
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "${alert(1)}`${7*7}`",
    "');alert(1);//",
    '\\";alert(1)//',
    "\u2028alert(1)\u2029",
    "<math><mtext></mtext><script>alert(1)</script></math>",
    # Markup.
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "</title></h1><b>bold</b>",
    "<base href='https://example.com/'>",
    "<meta http-equiv=refresh content='0;url=https://example.com/'>",
    "<form action=https://example.com/><input name=csrfmiddlewaretoken>",
    "</td></tr></table><h1>out</h1>",
    "</textarea><script>alert(1)</script>",
    "<!-- comment --><![CDATA[x]]>",
    "--><b>out of a comment",
    "&lt;b&gt;&#x3c;script&#x3e;&amp;",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "<plaintext>",
    "<template><img src=x></template>",
    "<object data=x></object><embed src=x>",
    # Template.
    "{{ 7*7 }}{% debug %}{{ request }}",
    "{% load static %}{% include 'admin/base.html' %}",
    "{{ settings.SECRET_KEY }}",
    "{% endblock %}{% extends 'x' %}",
    "%(name)s %s %d {0} {name}",
    "#{7*7} <%= 7*7 %> @{7*7}",
    "__proto__",
    "constructor.prototype",
    "$& $1 $$ \\1",
    # Style.
    "<style>*{display:none}</style>",
    "style=position:fixed;inset:0",
    "}*{display:none}/*",
    "expression(alert(1))",
    "url(https://example.com/x.png)",
    "@import 'https://example.com/x.css';",
    # Direction.
    "\u202egnp.exe\u202c \u2066left\u2069",
    "\u202e\u202e\u202eturned around",
    "\u2067right\u2066left\u202drun",
    "אבג <b>شكرا</b> דהו",
    "\u200f\u200e\u061cmarks",
    # Control, and what is hardly there.
    "bell\u0007 escape\u001b[31m delete\u007f next\u0085",
    "tab\tline\nreturn\rform\u000c",
    "\ufeff\u200b\u00ad\u2060nothing\u180e",
    "Z\u0335\u0322a\u0334\u0322l\u0338g\u0337o\u0336",
    "👩‍👩‍👧‍👦🏳️‍🌈\U000e0041",
    "x" * 120,
    "' OR 1=1; DROP TABLE sessionstore_app_room; --",
    "../../../../etc/passwd?x=1#y&z",
)
