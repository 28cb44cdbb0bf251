"""Source to tokens. Belongs here: characters, comments, positions. Does not belong here: what the tokens mean."""

import re
from dataclasses import dataclass
from typing import Final

from authz.schema.words import NAME_CHARS, SOURCE_BYTES, SchemaError


@dataclass(frozen=True)
class Token:
    """A name or a sign, and where it begins."""

    kind: str
    text: str
    line: int
    column: int

    def error(self, message: str) -> SchemaError:
        """An error at this token."""
        return SchemaError(message, self.line, self.column)


NAME: Final = "name"
END: Final = "end"
_SIGNS: Final = ("->", "{", "}", "(", ")", ":", "=", "|", "+", "-", "&", "#", ".")
_WORD: Final = re.compile(r"[A-Za-z0-9_]+")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_SPACE: Final = re.compile(r"[ \t\r\n]+|//[^\n]*")


class _Scanner:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.line = 1
        self.begin_of_line = 0

    def error(self, message: str) -> SchemaError:
        return SchemaError(message, self.line, self.at - self.begin_of_line + 1)

    def advance(self, end: int) -> None:
        passed = self.source[self.at : end]
        if newlines := passed.count("\n"):
            self.line += newlines
            self.begin_of_line = self.at + passed.rindex("\n") + 1
        self.at = end

    def skip(self) -> None:
        while True:
            if found := _SPACE.match(self.source, self.at):
                self.advance(found.end())
            elif self.source.startswith("/*", self.at):
                end = self.source.find("*/", self.at + 2)
                if end < 0:
                    raise self.error("this comment has no end: close it with */")
                self.advance(end + 2)
            else:
                return

    def next(self) -> Token:
        self.skip()
        line, column = self.line, self.at - self.begin_of_line + 1
        if self.at == len(self.source):
            return Token(END, "the end", line, column)
        if word := _WORD.match(self.source, self.at):
            text = word.group()
            if not _NAME.fullmatch(text):
                raise self.error(f"{text!r} is no name: names are a-z, 0-9 and _, and begin with a letter")
            if len(text) > NAME_CHARS:
                raise self.error(f"a name of {len(text)} characters; {NAME_CHARS} can be")
            self.advance(word.end())
            return Token(NAME, text, line, column)
        for sign in _SIGNS:
            if self.source.startswith(sign, self.at):
                self.advance(self.at + len(sign))
                return Token(sign, sign, line, column)
        raise self.error(_strange(self.source[self.at]))


def _strange(char: str) -> str:
    hints = {
        "*": "`type:*` is not needed: everybody is `anyone`, everybody who signed is `authenticated`, "
        "a tenant's own are `tenant#member`",
        ";": "statements end by themselves: leave `;` out",
        ",": "subject types are separated by `|`, permissions combined by `+`, `&` and `-`",
        "!": "there is no negation by itself: write `a - b`",
    }
    return hints.get(char, f"{char!r} stands for nothing here")


def tokens(source: str) -> list[Token]:
    """All tokens, the last of kind `end`. Raises SchemaError."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > SOURCE_BYTES:
        raise SchemaError(f"a schema of {size} bytes; {SOURCE_BYTES} can be", 1, 1)
    scanner = _Scanner(source)
    found = [scanner.next()]
    while found[-1].kind != END:
        found.append(scanner.next())
    return found
