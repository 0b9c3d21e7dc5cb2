"""YAML as people write it: 1e-3 is a number, and a key that stands there twice is an error."""

import re
from typing import Any

from lag_zoo.errors import InvalidConfigError, extra

_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
_WIDTH = 100


def read_yaml(text: str, *, where: str) -> Any:
    """Read a YAML text into dictionaries, lists, texts and numbers.

    Args:
        where: the source, for the message.

    Raises:
        InvalidConfigError: it is no YAML, or a key stands there twice.
        MissingExtraError: the extra `train` is not installed.

    >>> read_yaml("{lr: 1e-3, names: [a, b]}", where="here")
    {'lr': 0.001, 'names': ['a', 'b']}
    """
    with extra("train"):
        import yaml

    loader = _with_exponents(yaml.SafeLoader)  # of equal keys the last would win
    loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise InvalidConfigError(f"{where} is no YAML: {error}") from error


def write_yaml(value: Any) -> str:
    """Write dictionaries, lists, texts and numbers as YAML, keys in their order.

    Raises:
        MissingExtraError: the extra `train` is not installed.

    >>> write_yaml({"licence": "CC-BY-4.0", "limits": ["One centre."]})
    'licence: CC-BY-4.0\\nlimits:\\n- One centre.\\n'
    """
    with extra("train"):
        import yaml
    dumper = _with_exponents(yaml.SafeDumper)  # so that a text such as 1e3 is quoted
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))


def _with_exponents(base: Any) -> Any:
    """A loader or dumper to which 1e-3 is the number that everyone means; YAML 1.1 takes it for a word."""
    found: Any = type(base.__name__, (base,), {})
    found.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    return found


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    """A mapping; a key that is there twice is an error."""
    from yaml.constructor import ConstructorError

    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise ConstructorError(
                None, None, f"the key {key!r} stands there twice", node.value[place][0].start_mark
            )
    loader.flatten_mapping(node)
    return dict(loader.construct_mapping(node, deep=True))
