"""Uses slapos.libnetworkcache as slapgrid and buildout do, and prints what came out
as JSON.

Arguments: what to do (write or read), a directory for the key, the URL to write to
and that to read from, both without /cache and /dir.
"""
import hashlib
import io
import json
import logging
import os
import sys

from slapos.libnetworkcache import NetworkcacheClient
from slapos.signature import generateCertificate

logging.disable(logging.CRITICAL)
task, directory, write_to, read_from = sys.argv[1:]
CONTENT = bytes(range(256)) * 8192 + b"the end"
KEY = "file-urlmd5:" + hashlib.md5(b"http://release.example/software.cfg").hexdigest()


def pair(name):
    """A signing key and its certificate, made once."""
    key, certificate = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".crt")
    if not os.path.exists(key):
        generateCertificate(certificate, key, name)
    with open(certificate) as f:
        return key, f.read()


def client(key=None, *certificates):
    return NetworkcacheClient({
        "upload-cache-url": write_to + "/cache", "upload-dir-url": write_to + "/dir",
        "download-cache-url": read_from + "/cache", "download-dir-url": read_from + "/dir",
        "signature-private-key-file": key,
    }, list(certificates))


def outcome(call, *args, **kw):
    try:
        return call(*args, **kw)
    except Exception as e:
        return "%s %s" % (type(e).__name__, getattr(e, "code", ""))


key, certificate = pair("trusted")
other_key, other_certificate = pair("other")
if task == "write":
    trusted = client(key, certificate)
    first = trusted.upload(io.BytesIO(CONTENT), KEY, url="http://release.example/software.cfg", machine="x86_64", number=1)
    second = trusted.upload(io.BytesIO(b"small"), KEY, url="http://release.example/software.cfg", machine="arm", number=[1, "é"])
    print(json.dumps({
        "digests": [first == hashlib.sha512(CONTENT).hexdigest(), second == hashlib.sha512(b"small").hexdigest()],
        "unsigned": len(client().upload(io.BytesIO(b"unsigned"), KEY, machine="x86_64")),
        "other": len(client(other_key, other_certificate).upload(io.BytesIO(b"other"), KEY, machine="x86_64")),
        "alone": len(trusted.upload(io.BytesIO(b"alone"))),
        "nothing said": outcome(trusted.upload, io.BytesIO(b"x"), KEY),
        "egg": len(trusted.upload(io.BytesIO(b"egg"), "pypi:demo=1.0", basename="demo-1.0.tar.gz")),
    }))
else:
    reader = client(None, certificate)
    found = lambda c, *args: sorted(e.get("machine", "") + " " + str(len(c.download(e["sha512"]).read())) for e in c.select(KEY, *args))
    print(json.dumps({
        "trusted": outcome(found, reader),
        "wanted": outcome(found, reader, {"machine": "arm"}),
        "required": outcome(found, reader, {}, ["number", "url"]),
        "required in vain": outcome(found, reader, {}, ["nothing"]),
        "both": outcome(found, client(None, certificate, other_certificate)),
        "unfiltered": outcome(found, client()),
        "numbers": outcome(lambda: sorted(str(e["number"]) for e in reader.select(KEY))),
        "raw": outcome(lambda: len(list(reader.select_generic(KEY, False)))),
        "content": outcome(lambda: hashlib.sha512(reader.download(hashlib.sha512(CONTENT).hexdigest()).read()).hexdigest() == hashlib.sha512(CONTENT).hexdigest()),
        "not indexed": outcome(lambda: reader.download(hashlib.sha512(b"alone").hexdigest()).read().decode()),
        "egg": outcome(lambda: [[e["basename"], reader.download(e["sha512"]).read().decode()] for e in reader.select("pypi:demo=1.0")]),
        "no key": outcome(lambda: list(reader.select("file-urlmd5:none"))),
        "no content": outcome(reader.download, "0" * 128),
    }))
