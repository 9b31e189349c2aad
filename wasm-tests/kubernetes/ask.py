"""Asks Helm's own code and the schemas of Kubernetes. Reads a JSON list of questions from standard input and prints the list of answers.

    {"ask": "render", "example": "envoy", "changes": {…}}   the manifests that the chart makes of an example's values, with these merged into them
    {"ask": "lint", "example": "envoy", "changes": {…}}     what `helm lint --strict` says of the chart with these values
    {"ask": "validate", "version": "1.33", "manifests": […]} what the API server of this release would refuse, or drop without a word
    {"ask": "read", "text": "…"}                             the documents of a text in YAML, as Kubernetes reads it
    {"ask": "evaluate", "expression": "…", "variables": {…}}  what an expression in CEL is

An answer has "ok" or "error". Without "example" the values are the chart's own; "chart" is another than the project's.
"""

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parent.parent.parent / "charts" / "hub-auth-filter"
NAMESPACE = "ozone-connect"


def values(question):
    base = {}
    if "example" in question:
        base = yaml.safe_load((CHART / "examples" / f"{question['example']}.yaml").read_text())
    return merged(base, question.get("changes", {}))


def merged(base, changes):
    """As Helm merges values: objects key by key, all else as a whole."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return base | {key: merged(base.get(key), value) for key, value in changes.items()}


@contextlib.contextmanager
def helm():
    """Helm's code. It tells of each link in the chart on standard error, whatever it is asked: that goes nowhere."""
    import helm_python

    helm_python.disable_logging()
    sys.stderr.flush()
    there = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield helm_python
    finally:
        os.dup2(there, 2)
        os.close(there)
        os.close(nowhere)


def render(question):
    with helm() as code, code.Chart.load(question.get("chart", CHART)) as loaded:
        made = loaded.render(values(question), name="hub-auth-filter", namespace=NAMESPACE)
    documents = []
    for path in sorted(made):
        if not path.endswith("NOTES.txt"):
            documents += [document for document in yaml.safe_load_all(made[path]) if document is not None]
    return documents


def lint(question):
    with helm() as code:
        report = code.lint(CHART, values(question), strict=True, namespace=NAMESPACE)
    # Of severity 1 is what is only recommended.
    return [f"{message['path']}: {message['error']}" for message in report["messages"] if message["severity"] > 1]


def validate(question):
    import kubernetes_validate

    faults = []
    for manifest in question["manifests"]:
        name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
        try:
            kubernetes_validate.validate(manifest, question["version"], strict=True)
        except kubernetes_validate.ValidationError as error:
            path = "/".join(str(step) for step in error.path)
            faults.append(f"{name}: {path}: {error.message}")
        except Exception as error:
            faults.append(f"{name}: {error}")
    return faults


def read(question):
    return [document for document in yaml.safe_load_all(question["text"]) if document is not None]


def evaluate(question):
    import cel

    return cel.evaluate(question["expression"], question["variables"])


ANSWERS = {"evaluate": evaluate, "render": render, "lint": lint, "validate": validate, "read": read}


def answer(question):
    try:
        return {"ok": ANSWERS[question["ask"]](question)}
    except Exception as error:
        return {"error": str(error)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    print(json.dumps([answer(question) for question in json.load(sys.stdin)]))
