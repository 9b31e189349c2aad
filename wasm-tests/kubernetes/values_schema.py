"""Puts the schema of the filter's configuration into that of the chart's values: `make schema` runs it.

The values have the filter's own configuration at `filter`, and Helm reads no second file. Helm's regular expressions (RE2) can neither look
around nor read `\\u0021`, so patterns with either are left out: what they say is for `hub-auth check`, and for the filter itself.
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FILTER = ROOT / "schema" / "hub-auth-filter.schema.json"
VALUES = ROOT / "charts" / "hub-auth-filter" / "values.schema.json"


def for_helm(schema):
    if isinstance(schema, list):
        return [for_helm(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    pattern = schema.get("pattern")
    unreadable = isinstance(pattern, str) and any(sign in pattern for sign in ("(?=", "(?!", "(?<", "\\u"))
    return {key: for_helm(value) for key, value in schema.items() if not (key == "pattern" and unreadable)}


def made():
    values = json.loads(VALUES.read_text())
    bundled = for_helm(json.loads(FILTER.read_text()))
    # A resource of its own, so that its references stay within it.
    values["$defs"]["filter"] = {"$id": "hub-auth-filter.schema.json", **bundled}
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VALUES.write_text(made())
