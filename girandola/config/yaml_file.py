"""YAML as Centrifugo 6 reads it: the types of YAML 1.2, and no key twice.

Knows no options.
"""

import re
from typing import Any

import yaml

from girandola.config.yes_no import YesNo

_MERGE = "tag:yaml.org,2002:merge"
_YES_NO = "!yes-no"
_QUOTED = re.compile(r"""'(?!<)[^']{2,}'|"(?!<)[^"]{2,}\"""")
"""What the parser repeats of a document: an alias or a tag may be a password without quotes."""


def parse(text: str) -> Any:
    """Return the value of the document, ``None`` for an empty one.

    Raises:
        ValueError: it is none, or a key stands twice; the text says where, and repeats no value.
        RecursionError: it is nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a safe loader with fewer types
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f": line {mark.line + 1} column {mark.column + 1}" if mark is not None else ""
        raise ValueError(_QUOTED.sub("…", str(error.problem)) + where) from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except (ValueError, TypeError, AttributeError):
        raise ValueError("a value is not of the type that its tag (!!…) says") from None


def written(options: dict[str, Any]) -> str:
    """Return a document that every reader of YAML, old or new, reads as ``options``."""
    return str(yaml.dump(options, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


class _Twice(yaml.YAMLError):
    """A key stands twice in one object."""


class _Loader(yaml.SafeLoader):
    """Plain values only, whatever tags a document has."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that stands twice, before anchors are merged in."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    first = lines[name]
                    raise _Twice(f'"{key.value}" stands twice, in lines {first} and {line}')
                lines[name] = line
        return node

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """Read decimal, 0x, 0o and 0b numbers."""
        return int(self.construct_scalar(node).replace("_", ""), 0)

    def construct_yes_no(self, node: yaml.ScalarNode) -> YesNo:
        """Read what older servers took for a boolean."""
        return YesNo(self.construct_scalar(node))


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would read as something other than text."""


_TYPES = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_YES_NO, r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "yYnNoO"),
    # A number that begins with 0 stays text: it would be octal for some readers.
    (
        "tag:yaml.org,2002:int",
        r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]*[0-9a-fA-F]|0o[0-7_]*[0-7]|0b[01_]*[01])",
        "-+0123456789",
    ),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?"
        r"|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_MERGE, r"<<", "<"),
)

_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1; the dumper minds both
for _tag, _pattern, _first in _TYPES:
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor(_YES_NO, _Loader.construct_yes_no)
