"""Opens what stored.py printed with the Python package dpapi-ng, unmodified, from the root key alone: one JSON line for
each value, the current one first. No domain controller and nothing of ours is asked.
"""

import json
import sys
import uuid

from dpapi_ng import KeyCache, ncrypt_unprotect_secret

stored = json.load(sys.stdin)
cache = KeyCache()
for key in stored["root_keys"]:
    cache.load_key(
        bytes.fromhex(key["data"]),
        uuid.UUID(key["id"]),
        kdf_parameters=bytes.fromhex(key["kdf_parameters"]),
        secret_algorithm=key["method"],
        secret_parameters=bytes.fromhex(key["method_parameters"]),
        private_key_length=key["private_bits"],
        public_key_length=key["public_bits"],
    )
for value in stored["encrypted"] + stored["history"]:
    value = bytes.fromhex(value)
    length = int.from_bytes(value[8:12], "little")
    clear = ncrypt_unprotect_secret(value[16:16 + length], cache=cache)
    print(clear.decode("utf-16-le").rstrip("\0"))
