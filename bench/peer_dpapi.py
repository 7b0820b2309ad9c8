"""The Python package dpapi-ng, unmodified, as the peer of (h): the public-key form with DH, with the key at hand.

The first line in is a JSON object with hexadecimal strings; every further line is `protect` or `open` and milliseconds, and is
answered with the CPU microseconds of one call. The package makes the public-key form only with what a domain controller
answered, so the step behind its key cache is called, with such an envelope.
"""

import json
import sys
import time
import uuid

from dpapi_ng import KeyCache, ncrypt_unprotect_secret
from dpapi_ng._blob import SIDDescriptor
from dpapi_ng._client import _encrypt_blob
from dpapi_ng._gkdi import GroupKeyEnvelope

case = json.loads(sys.stdin.readline())
clear = bytes.fromhex(case["clear"])
envelope = GroupKeyEnvelope.unpack(bytes.fromhex(case["envelope"]))
principal = SIDDescriptor(case["principal"])
cache = KeyCache()
cache.load_key(
    bytes.fromhex(case["root_key"]),
    uuid.UUID(case["root_key_id"]),
    kdf_parameters=bytes.fromhex(case["kdf_parameters"]),
    secret_parameters=bytes.fromhex(case["method_parameters"]),
    private_key_length=512,
    public_key_length=2048,
)
protect = lambda: _encrypt_blob(clear, envelope, principal)
blob = protect()
unprotect = lambda: ncrypt_unprotect_secret(blob, cache=cache)
assert unprotect() == clear

for line in sys.stdin:
    what, milliseconds = line.split()
    work = protect if what == "protect" else unprotect
    work()
    ends, cpu, calls = time.perf_counter() + int(milliseconds) / 1000, time.process_time(), 0
    while time.perf_counter() < ends:
        work()
        calls += 1
    print((time.process_time() - cpu) * 1e6 / calls, flush=True)
