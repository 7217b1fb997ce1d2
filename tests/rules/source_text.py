"""Just enough parsing of source text to find functions and includes: no compiler is asked."""

import ast
import re

# What may hold braces or quotes without meaning them. Numbers come before character literals: the
# digit separators of 1'000'000 open none.
_OPAQUE = re.compile(
    r"""
      //[^\n]*
    | /\*.*?\*/
    | R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"
    | "(?:\\.|[^"\\\n])*"
    | (?P<number>(?<!\w)\d(?:'?[\w.])*)
    | '(?:\\.|[^'\\\n])+'
    | ^[ \t]*\#(?:\\\n|[^\n])*
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE)
_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
_TEMPLATE = re.compile(r"^template\s*<[^{]*?>\s*(?=class|struct|union|enum)")
_TYPE = re.compile(r"(class|struct|union|enum)\b")
_SHELL_FUNCTION = re.compile(r"^(?:function\s+)?([\w-]+)\s*\(\)\s*\{\s*$")


def blank_opaque(text):
    """C++ text of the same shape, without comments, literals and preprocessor lines."""
    def blank(match):
        if match.group("number"):
            return match.group()
        return re.sub(r"[^\n]", " ", match.group())
    return _OPAQUE.sub(blank, text)


def includes(text):
    """(line number, path) of each include."""
    for number, line in enumerate(text.splitlines(), start=1):
        match = _INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def _block_kind(head):
    """What a brace opens that is not inside a function, from the text before it."""
    head = head.strip()
    if re.search(r"\bnamespace\b", head) or re.match(r"extern\b\s*$", head):
        return "scope"
    if _TYPE.match(_TEMPLATE.sub("", head)):
        return "scope"
    open_parentheses = head.count("(") > head.count(")")
    if "(" in head and not open_parentheses and not head.endswith("="):
        return "function"
    return "initializer"


def cpp_functions(text):
    """(first line, last line, name) of each function's body, braces included.

    A lambda inside a function counts as part of it.
    """
    text = blank_opaque(text)
    blocks = []  # (kind, line of its brace, name) of the open ones
    head_begin = 0
    line = 1
    for position, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char == ";" and all(kind == "scope" for kind, _, _ in blocks):
            head_begin = position + 1
        elif char == "{":
            if any(kind != "scope" for kind, _, _ in blocks):
                blocks.append(("inner", line, ""))
                continue
            head = text[head_begin:position]
            kind = _block_kind(head)
            names = re.findall(r"([\w~:]+)\s*\(", head)
            blocks.append((kind, line, names[0] if names else ""))
            if kind == "scope":
                head_begin = position + 1
        elif char == "}" and blocks:
            kind, first, name = blocks.pop()
            if kind == "function":
                yield first, line, name
            if kind in ("function", "scope"):
                head_begin = position + 1


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, node.name


def shell_functions(text):
    name, first = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        match = _SHELL_FUNCTION.match(line)
        if match:
            name, first = match.group(1), number
        elif line.startswith("}") and name:
            yield first, number, name
            name = None
