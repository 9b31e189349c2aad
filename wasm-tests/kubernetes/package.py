"""Packs the chart into the directory that is named: what `helm package` packs, but the same bytes of the same sources.

Helm writes the time into the archive. Here it is SOURCE_DATE_EPOCH, in seconds since 1970, or 0.
"""

import gzip
import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import ask


def packed(time):
    with tempfile.TemporaryDirectory() as folder:
        with ask.helm() as code:
            made = Path(code.package(ask.CHART, destination=folder))
        archive = io.BytesIO()
        with tarfile.open(made) as source, tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as target:
            for member in sorted(source.getmembers(), key=lambda member: member.name):
                content = source.extractfile(member)
                if content is None:
                    continue
                data = content.read()
                entry = tarfile.TarInfo(member.name)
                entry.size, entry.mtime, entry.mode = len(data), time, 0o644
                target.addfile(entry, io.BytesIO(data))
        return made.name, gzip.compress(archive.getvalue(), mtime=time)


if __name__ == "__main__":
    name, data = packed(int(os.environ.get("SOURCE_DATE_EPOCH") or 0))
    path = Path(sys.argv[1]) / name
    path.write_bytes(data)
    print(path)
