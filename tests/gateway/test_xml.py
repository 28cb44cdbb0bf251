"""The XML reader refuses what no S3 document contains, and the writer writes what every reader takes."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import refused

from gateway.errors import Code
from gateway.limits import XML_DEPTH, XML_NODES
from gateway.wire.xml import S3_NAMESPACE, Tree, document, escape, parse, text, tree


def nested(depth: int) -> bytes:
    return b"<a>" * depth + b"</a>" * depth


def test_namespaces_prefixes_comments_and_references_are_read() -> None:
    body = f'<?xml version="1.0"?><t:a xmlns:t="{S3_NAMESPACE}"><!-- c --><t:b x="1">&lt;&#65;<![CDATA[<]]></t:b></t:a>'
    root = parse(body.encode(), "a")
    assert root.required("b").leaf() == "<A<"
    assert root.required("b").attributes == {"x": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"<a>",
        b"<a></b>",
        b"<a/><a/>",
        b"text",
        b"<b/>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&x;</a>",
        b"<?php x?><a/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<a x="1" x="2"/>',
        b"<p:a/>",
        nested(XML_DEPTH + 1),
        b"<a>" + b"<b/>" * XML_NODES + b"</a>",
    ],
)
def test_what_is_not_an_s3_document_is_malformed(body: bytes) -> None:
    refused(Code.MALFORMED_XML, lambda: parse(body, "a"))


def test_depth_and_count_hold_at_their_limit() -> None:
    assert parse(nested(XML_DEPTH), "a")
    assert len(parse(b"<a>" + b"<b/>" * (XML_NODES - 1) + b"</a>", "a").children) == XML_NODES - 1


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_empty_body_has_an_error_of_its_own(body: bytes) -> None:
    refused(Code.MISSING_REQUEST_BODY, lambda: parse(body, "a"))


def test_children_are_asked_for_by_what_the_schema_says() -> None:
    root = parse(b"<a><b>1</b><c/><c/></a>", "a")
    assert root.optional("d") is None
    refused(Code.MALFORMED_XML, lambda: root.required("d"))
    refused(Code.MALFORMED_XML, lambda: root.required("c"))
    refused(Code.MALFORMED_XML, root.leaf)
    refused(Code.MALFORMED_XML, lambda: root.only("b"))
    root.only("b", "c")


@given(st.text())
def test_any_text_is_written_so_that_it_can_be_read(value: str) -> None:
    value = value.encode("utf-8", "replace").decode()
    read = parse(document(tree("a", text("b", value))), "a").required("b").leaf()
    bad = [char for char in value if char < " " and char not in "\t\n\r"] + [c for c in value if c in "\ufffe\uffff"]
    assert read == value or bad


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_and_never_crash(body: bytes) -> None:
    from gateway.errors import S3Error

    try:
        parse(body, "a")
    except S3Error as error:
        assert error.code in {Code.MALFORMED_XML, Code.MISSING_REQUEST_BODY}


def test_the_writer_escapes_and_leaves_out_what_is_none() -> None:
    body = document(tree("a", None, text("b", '<&>"\r'), Tree("c", "", (("x:y", '"'),)), text("d", True), text("e", 0)))
    assert body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<a xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    )
    assert b"<b>&lt;&amp;&gt;&quot;&#13;</b>" in body
    assert b'<c x:y="&quot;"/><d>true</d><e>0</e></a>' in body
    assert escape("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert ElementTree.fromstring(document(tree("a"))) is not None
