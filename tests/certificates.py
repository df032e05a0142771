"""Certificates for servers on loopback, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_CA = """
[ca]
default_ca = d
[d]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
copy_extensions = copy
[p]
commonName = supplied
[req]
distinguished_name = n
prompt = no
[n]
CN = NAME
"""


def make_certificate(folder: Path, names: str, begins: str = "20200101", ends: str = "20991231") -> Path:
    """A self-signed certificate with its key in one file in an empty folder; skips the test where there is no openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make certificates with")
    (folder / "ca.cnf").write_text(_CA.replace("NAME", names.partition(":")[2].partition(",")[0]))  # else one is taken for another
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out request.pem"
    sign = f"-batch -selfsign -keyfile key.pem -in request.pem -out cert.pem -notext -startdate {begins}000000Z -enddate {ends}000000Z"
    for line in (f"req -config ca.cnf -new {key} -addext subjectAltName={names}", f"ca -config ca.cnf {sign}"):
        subprocess.run([openssl, *line.split()], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return both
