"""Opens and makes blobs with the Python package dpapi-ng, unmodified: one JSON case a line in, one answer a line out.

What the package offers in public makes only the seed form, of the present interval, without a domain controller; so the
step behind its key cache is called, with an envelope as a domain controller sends it.
"""

import json
import sys
import uuid

from dpapi_ng import KeyCache, ncrypt_unprotect_secret
from dpapi_ng._blob import SIDDescriptor
from dpapi_ng._client import _encrypt_blob
from dpapi_ng._gkdi import GroupKeyEnvelope

for line in sys.stdin:
    case = json.loads(line)
    of = lambda key: bytes.fromhex(case[key])
    cache = KeyCache()
    cache.load_key(
        of("root_key"),
        uuid.UUID(case["root_key_id"]),
        kdf_parameters=of("kdf_parameters"),
        secret_algorithm=case["method"],
        secret_parameters=of("method_parameters"),
        private_key_length=case["private_key_bits"],
        public_key_length=case["public_key_bits"],
    )
    answer = {
        "opened": ncrypt_unprotect_secret(of("blob"), cache=cache).hex(),
        "made": _encrypt_blob(of("clear"), GroupKeyEnvelope.unpack(of("envelope")), SIDDescriptor(case["principal"])).hex(),
    }
    print(json.dumps(answer), flush=True)
