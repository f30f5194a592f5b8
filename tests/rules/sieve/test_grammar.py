# SPDX-License-Identifier: Apache-2.0
"""rules/sieve: lexer, grammar, checking, program, strings: what is a script, and what is none."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import catalogue, strings
from armgs_server.rules.sieve.checking import check
from armgs_server.rules.sieve.grammar import Command, Tag, parse
from armgs_server.rules.sieve.lexer import MAX_NUMBER, Kind, parse_tokens
from armgs_server.rules.sieve.program import VERSION, Template, Variable, load, serialise
from tests.rules.sieve import cases

NESTING = 30
WORDS = [
    *sorted(catalogue.COMMANDS),
    *sorted(catalogue.TESTS),
    *("require", "elsif", "else", ":is", ":matches", ":regex", ":count", ":comparator", ":copy", ":flags"),
    *(":index", ":last", ":mime", ":days", ":text:", "text:\r\n", ".\r\n", "{", "}", "(", ")", "[", "]", ";"),
    *(
        ",",
        '"',
        '"a"',
        '"${a}"',
        '"*"',
        '"gt"',
        '"fileinto"',
        '["a", "b"]',
        "1",
        "2M",
        "99999999999999999999",
    ),
    *("#x\r\n", "/*", "*/", '"\\', "\n", "é", "\0"),
]


def first(script: str) -> Command:
    return parse(script.encode(), NESTING)[0]


def test_words_of_the_language() -> None:
    tokens = list(
        parse_tokens(b'If :Is "a\\"b\\c" 2K # remark\r\n/* more\r\n */ { text: # x\r\na\r\n..b\r\n.\r\n')
    )
    assert [(token.kind, token.value, token.line) for token in tokens] == [
        (Kind.IDENTIFIER, "if", 1),
        (Kind.TAG, "is", 1),
        (Kind.STRING, 'a"bc', 1),
        (Kind.NUMBER, 2048, 1),
        (Kind.MARK, "{", 3),
        (Kind.STRING, "a\r\n.b\r\n", 3),
        (Kind.END, "", 7),
    ]


def test_a_command_with_all_there_is() -> None:
    command = first('x :t 1 "s" ["a", "b"] y (a, b "c") { keep; }')
    assert command.arguments == (Tag("t"), 1, "s", ["a", "b"])
    assert [test.name for test in command.tests] == ["y"]
    assert [test.name for test in command.tests[0].tests] == ["a", "b"]
    assert command.block is not None and command.block[0].name == "keep"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("keep", "line 1: ';' or '{' is expected at the end of the script"),
        ("keep;\nkeep }", "line 2: ';' or '{' is expected instead of '}'"),
        ("if true { keep;", "line 1: a command or '}' is expected at the end of the script"),
        ('keep "a;', "line 1: a string has no end"),
        ("/* keep;", "line 1: a comment has no end"),
        ("x text:\nabc\n", "line 1: a multi-line string has no end"),
        ("x %;", "line 1: '%' means nothing here"),
        ("x 99999999999999999999;", "line 1: a number is too large"),
        ("x 5000000000000000000G;", "line 1: a number is too large"),
        ('x ["a" "b"];', "line 1: ',' or ']' is expected instead of 'b'"),
        ("x [1];", "line 1: a string is expected instead of '1'"),
        ("x (a, b;", "line 1: ',' or ')' is expected instead of ';'"),
        ("x (1);", "line 1: a name is expected instead of '1'"),
        ("1;", "line 1: a command is expected instead of '1'"),
        ("if " + "not " * 40 + "true { keep; }", "line 1: blocks or tests are nested too deep"),
        ("if true {" * 40, "line 1: blocks or tests are nested too deep"),
    ],
)
def test_what_is_no_script(script: str, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(script.encode(), NESTING)
    assert str(caught.value) == complaint


def test_what_is_no_text() -> None:
    for script, complaint in (
        (b"keep;\n\xff", "line 2: a script is UTF-8"),
        (b"\0", "line 1: a script holds no NUL"),
    ):
        with pytest.raises(Invalid) as caught:
            parse(script, NESTING)
        assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ('require "no-such";', 'unknown capability "no-such"'),
        ('keep; require "fileinto";', "require stands only at the beginning"),
        ("require 1;", "require wants one string list"),
        ("xyzzy;", "unknown command xyzzy"),
        ("if xyzzy { }", "unknown test xyzzy"),
        ("else { }", "else without if"),
        ("if true { } else { } else { }", "else has no test, and nothing behind it"),
        ("if { }", "if wants a test"),
        ("if true;", "if wants a test and a block"),
        ("keep { }", "keep has no block"),
        ('fileinto "a";', 'fileinto needs require "fileinto"'),
        ("keep 1;", "keep: has 1 arguments instead of 0"),
        ("keep :no;", "keep: has no :no"),
        ("keep true;", "keep wants no test"),
        ("redirect 1;", "redirect: the address wants a string"),
        ('redirect "nobody";', "redirect: not a mail address"),
        ("if size :over 1 :under 2 { }", "size: wants :over or :under"),
        ('if size :over "1" { }', "size: :over wants a number"),
        ("if size :over { }", "size: :over wants a number"),
        ('if header :is :contains "a" "b" { }', "header: :contains is one too many"),
        ('if header "a" :is "b" { }', "header: :is stands behind an argument without a tag"),
        ('if header "a:b" "c" { }', "header: 'a:b' is not the name of a header field"),
        ('if address "subject" "c" { }', "address: subject is no field of addresses"),
        ('if header :regex "a" "b" { }', 'header: :regex needs require "regex"'),
        ('require "regex"; if header :regex "a" "(" { }', "header: not a regular expression"),
        ('if header :comparator "i;x" "a" "b" { }', "header: unknown comparator 'i;x'"),
        ('if header :comparator "i;ascii-numeric" "a" "b" { }', 'header: needs require "comparator-i;ascii'),
        (
            'require "comparator-i;ascii-numeric";'
            'if header :contains :comparator "i;ascii-numeric" "a" "b" {}',
            "header: :contains does not go with i;ascii-numeric",
        ),
        ('require "relational"; if header :count "xx" "a" "1" { }', "header: 'xx' is no relation"),
        ("if anyof true { }", "anyof wants tests in parentheses"),
        ("if not (true) { }", "not wants 1 test"),
        ('require "variables"; set "1a" "x";', "set: '1a' is not the name of a variable"),
        ('require "variables"; set "a" "${no.b}";', "set: there are no variables no.…"),
        ('require "variables"; set :lower :upper "a" "b";', "set: :upper is one too many"),
        ('require "envelope"; if envelope "cc" "x" { }', "envelope: 'cc' is no part of the envelope"),
        ('require "date"; if date "date" "eon" "x" { }', "date: 'eon' is no part of a date"),
        ('require "index"; if header :last "a" "b" { }', "header: :last goes with :index"),
        ('require "enotify"; notify "x:y";', "notify: there is no notification method 'x'"),
        ('require "enotify"; notify "mailto:";', "notify: mailto wants one to 5 addresses"),
        (
            'require "vacation-seconds"; vacation :days 1 :seconds 2 "x";',
            "vacation: one of :days and :seconds",
        ),
        ('require "duplicate"; if duplicate :header "a" :uniqueid "b" { }', "duplicate: one of :header"),
        (
            'require "encoded-character"; redirect "${unicode:D800}";',
            "redirect: D800 is no Unicode character",
        ),
        (
            'require ["fileinto", "special-use"]; fileinto :specialuse "Junk" "a";',
            "fileinto: 'Junk' is no special",
        ),
    ],
)
def test_what_cannot_run(script: str, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(script.encode(), NESTING)
    assert str(caught.value).removeprefix("line 1: ").startswith(complaint)


def test_every_extension_must_be_required() -> None:
    """RFC 5228 §3.2: without it, it is as if it did not exist."""
    for table in (catalogue.COMMANDS, catalogue.TESTS):
        for spec in table.values():
            if spec.capability:
                use = f"{spec.name};" if spec.name in catalogue.COMMANDS else f"if {spec.name} {{ }}"
                with pytest.raises(Invalid, match=re.escape(f'needs require "{spec.capability}"')):
                    check(use.encode(), NESTING)


def test_ihave_hides_what_is_not_there() -> None:
    """RFC 5463 §4: behind a false one nothing is looked at, behind a true one its capabilities count."""
    script = """require "ihave";
        if ihave "no-such" { xyzzy :a 1 { } } elsif ihave "fileinto" { fileinto "A"; } else { xyzzy; }
        if allof (ihave "no-such", true) { xyzzy; }
        if not ihave "no-such" { keep; } else { xyzzy; }"""
    program = check(script.encode(), NESTING).program
    assert "fileinto" in program.capabilities
    assert [len(node.tests) for node in program.nodes] == [1, 0, 1]


def test_programs_are_kept_as_they_are() -> None:
    for some, required in (
        (cases.COMMON, cases.REQUIRED),
        (cases.OURS, (*cases.REQUIRED, *cases.REQUIRED_OF_OURS)),
    ):
        program = check(cases.script(some, required).encode(), NESTING).program
        text = serialise(program)
        assert load(text) == program
    assert load(text.replace(f'"version":{VERSION}', '"version":0')) is None


def test_strings_with_variables() -> None:
    """RFC 5229 §3"""
    assert strings.template("plain") == "plain"
    assert strings.template("a${B}c${01}") == Template(("a", Variable("b"), "c", Variable("1")))
    assert strings.template("${a b} ${} ${x") == "${a b} ${} ${x"
    assert strings.template("${global.X}") == Template((Variable("global.x"),))
    assert strings.decode("${hex:41}${HEX: 42 43 }${unicode:20AC}${hex:}") == "ABC€${hex:}"


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
@example("text:" * 20)
@example('"' + "\\a" * 2000)
@example("/*" * 2000)
def test_any_words_at_all(script: str) -> None:
    """A program or a complaint with its line, in bounded time; a program is kept as it is."""
    begun = time.thread_time()
    try:
        program = check(script.encode(), NESTING).program
    except Invalid as error:
        assert error.line >= 1
    else:
        assert load(serialise(program)) == program
    assert time.thread_time() - begun < 5


@given(st.binary(max_size=200))
def test_any_bytes_at_all(script: bytes) -> None:
    try:
        check(script, NESTING)
    except Invalid as error:
        assert error.line >= 1


@given(st.text(max_size=50).filter(lambda text: "\0" not in text))
def test_quoted_strings_are_read_as_written(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert first(f'x "{quoted}";').arguments == (text.encode("utf-8", "replace").decode(),)


@given(st.integers(0, MAX_NUMBER))
def test_numbers(number: int) -> None:
    assert first(f"x {number};").arguments == (number,)
