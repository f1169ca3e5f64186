#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes pipelines/html_entities.h: HTML's named character references in lower case.

The list is the HTML standard's, as CPython 3.11's html.entities.html5 has it.

    python3 tests/golden/html_entities.py > pipelines/html_entities.h
"""
import html.entities


def c_string(text):
    out = ""
    for byte in text.encode():
        out += chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\?' else "\\%03o" % byte
    return out


def table(name, comment, entries):
    print(f"/* {comment} */\nstatic const char {name}[] =")
    line = ""
    for key, value in sorted(entries.items()):
        item = c_string(f"{key}={value}\x1f")
        if len(line) + len(item) > 94:
            print(f'    "{line}"')
            line = ""
        line += item
    print(f'    "{line}";')


names = {k: v for k, v in html.entities.html5.items() if k == k.lower()}
print(
    """/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Written by tests/golden/html_entities.py.  HTML's named character references, those in lower
 * case, each as name=characters and a unit separator.
 */
#ifndef SANA_PIPELINES_HTML_ENTITIES_H
#define SANA_PIPELINES_HTML_ENTITIES_H

/* clang-format off */
"""
)
table("closed_entities", "with a semicolon behind: &name;",
      {k[:-1]: v for k, v in names.items() if k.endswith(";")})
print()
table("open_entities", "also without one: &name",
      {k: v for k, v in names.items() if not k.endswith(";")})
print("/* clang-format on */\n\n#endif")
