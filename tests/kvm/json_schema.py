# SPDX-License-Identifier: MIT
"""Holds a JSON document against a JSON Schema: as much of the standard as ours needs.

Stricter in one point: members that the schema does not name are a problem even where it
does not forbid them, because then they are not documented.
"""

TYPES = {
    'object': dict,
    'array': list,
    'string': str,
    'boolean': bool,
    'null': type(None),
    'number': (int, float),
    'integer': int,
}
# Notes to the reader; everything else that is not below is refused.
NOTES = {'$schema', '$id', '$defs', 'title', 'description', 'default'}


def _is_type(value, name):
    if isinstance(value, bool):
        return name == 'boolean'
    return isinstance(value, TYPES[name])


def problems(value, schema, root=None, path='$'):
    """What is wrong with the value: a list of lines, empty if it is valid."""
    root = schema if root is None else root
    found = []
    for keyword, rule in schema.items():
        if keyword in NOTES:
            continue
        if keyword not in RULES:
            raise ValueError(f'the schema uses {keyword}, which nobody checks')
        found += RULES[keyword](value, rule, schema, root, path)
    return found


def _type(value, rule, _schema, _root, path):
    names = [rule] if isinstance(rule, str) else rule
    if any(_is_type(value, name) for name in names):
        return []
    return [f'{path}: {value!r} is not of type {" or ".join(names)}']


def _ref(value, rule, _schema, root, path):
    target = root
    for step in rule.removeprefix('#/').split('/'):
        target = target[step]
    return problems(value, target, root, path)


def _properties(value, rule, schema, root, path):
    found = []
    if not isinstance(value, dict):
        return found
    for name, member in value.items():
        if name in rule:
            found += problems(member, rule[name], root, f'{path}.{name}')
        elif 'additionalProperties' not in schema:
            found.append(f'{path}: {name} is not in the schema')
    return found


def _required(value, rule, _schema, _root, path):
    return [f'{path}: {name} is missing' for name in rule
            if isinstance(value, dict) and name not in value]


def _additional(value, rule, schema, root, path):
    """`rule` is a schema for all members that `properties` does not name."""
    known = schema.get('properties', {})
    others = [name for name in value if name not in known] if isinstance(value, dict) else []
    return sum((problems(value[name], rule, root, f'{path}.{name}') for name in others), [])


def _items(value, rule, _schema, root, path):
    if not isinstance(value, list):
        return []
    return sum((problems(v, rule, root, f'{path}[{i}]') for i, v in enumerate(value)), [])


def _compare(holds, text):
    def check(value, rule, _schema, _root, path):
        return [] if holds(value, rule) else [f'{path}: {value!r} {text} {rule!r}']
    return check


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


RULES = {
    'type': _type,
    '$ref': _ref,
    'properties': _properties,
    'required': _required,
    'additionalProperties': _additional,
    'items': _items,
    'const': _compare(lambda v, r: v == r, 'is not'),
    'enum': _compare(lambda v, r: v in r, 'is none of'),
    'minimum': _compare(lambda v, r: not _is_number(v) or v >= r, 'is less than'),
    'minItems': _compare(lambda v, r: not isinstance(v, list) or len(v) >= r, 'is shorter than'),
    'maxItems': _compare(lambda v, r: not isinstance(v, list) or len(v) <= r, 'is longer than'),
}
