"""Makes the bases for Kustomize of what the chart makes of its examples: `make bases` runs it. With `--into DIRECTORY` it writes them there.

The files of ConfigMaps stand beside the manifests, so that an overlay can replace one, and a change of one starts new pods.
"""

import sys
from pathlib import Path

import yaml

import ask

BASES = Path(__file__).resolve().parent.parent.parent / "gateway-configs" / "kubernetes"
HEAD = "# Made by `make bases` of charts/hub-auth-filter/examples/{name}.yaml: change an overlay of yours, and not this.\n\n"
# Of the chart, which is not what makes these objects.
HELM = ("app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")


class Texts(yaml.SafeDumper):
    """Writes a text of several lines as one."""


def text(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Texts.add_representer(str, text)


def dumped(documents):
    return "---\n".join(yaml.dump(document, Dumper=Texts, sort_keys=False, width=1000) for document in documents)


def cleaned(manifest):
    for label in HELM:
        manifest["metadata"].get("labels", {}).pop(label, None)
    pod = manifest.get("spec", {}).get("template", {})
    if isinstance(pod, dict):
        # What it is for, the names of generated ConfigMaps do here.
        pod.get("metadata", {}).get("annotations", {}).pop("checksum/configuration", None)
    return manifest


def files(name):
    """The files of a base, by their names."""
    made = ask.render({"example": name})
    maps = [one for one in made if one["kind"] == "ConfigMap" and one.get("data")]
    added = [cleaned(one) for one in made if "labels" in one["metadata"] and one not in maps]
    head = HEAD.format(name=name)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ([] if name == "envoy" else [f"../../{name}"]) + ["resources.yaml"],
        "configMapGenerator": [
            {"name": one["metadata"]["name"], "namespace": ask.NAMESPACE, "files": sorted(one["data"])} for one in maps
        ],
    }
    written = {"kustomization.yaml": head + dumped([kustomization]), "resources.yaml": head + dumped(added)}
    for one in maps:
        for file, content in one["data"].items():
            written[file] = (head + content) if file.endswith(".yaml") else content
    return written


def write(into):
    for name in ("envoy", "istio", "envoy-gateway"):
        (into / name).mkdir(parents=True, exist_ok=True)
        for file, content in files(name).items():
            (into / name / file).write_text(content)


if __name__ == "__main__":
    write(Path(sys.argv[2]) if sys.argv[1:2] == ["--into"] else BASES)
