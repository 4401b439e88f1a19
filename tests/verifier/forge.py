"""Seals a bundle again after an entry was altered, as somebody would who has a signing key of his own, and prints its public key.

    forge.py BUNDLE OUTPUT ENTRY FROM TO

Replaces FROM by TO in the body of an entry, and makes all heads and the log anew. What comes out is right in itself: only
whoever knows the key that the record was sealed with, or a head of it, can tell.
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verify import Tree, write

NAME = "longhaul/forger"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
PUBLIC = b"\x01" + SECRET.public_key().public_bytes_raw()
ID = hashlib.sha256(NAME.encode() + b"\n" + PUBLIC).digest()[:4]


def seal(origin, bodies, size):
    tree = Tree()
    for body in bodies[:size]:
        tree.add(body.encode())
    root = tree.root()
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(ID + SECRET.sign(text.encode())).decode()
    return root, f"{text}\n\u2014 {NAME} {signature}\n"


def main(bundle, output, entry, old, new):
    with open(bundle, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    header, of = lines[0], lambda kind: [line[kind] for line in lines if kind in line]
    for line in of("entry"):
        if line["at"] == int(entry):
            assert old in line["body"]
            line["body"] = line["body"].replace(old, new)
    entries = [line["body"] for line in of("entry")]
    for line in of("head"):
        line["note"] = seal(header["origin"], entries, line["size"])[1]
    for line in of("log-entry"):
        body = json.loads(line["body"])
        body["root"] = seal(header["origin"], entries, body["size"])[0].hex()
        line["body"] = write(body).decode()
    log = [line["body"] for line in of("log-entry")]
    for line in of("log-head"):
        line["note"] = seal(header["log"], log, line["size"])[1]
    with open(output, "wb") as file:
        file.writelines(write(line) + b"\n" for line in lines)
    print(f"{NAME}+{ID.hex()}+{base64.b64encode(PUBLIC).decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
