#!/usr/bin/python3
"""What a computer object and the KDS root keys hold, out of the domain's own database: JSON on standard output.

usage: stored.py SMB_CONF ACCOUNT

Reads sam.ldb as the system session, past every right: for tests that then open the values with tools that are not ours.
The interpreter must be Debian's python3, which has the samba modules.
"""

import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(url=lp.private_path("sam.ldb"), session_info=system_session(), lp=lp)


def values(msg, name):
    return [bytes(value).hex() for value in msg.get(name, [])]


computer = db.search(db.domain_dn(), ldb.SCOPE_SUBTREE, "(sAMAccountName=%s)" % ldb.binary_encode(sys.argv[2]),
                     ["*"])[0]
keys = db.search("CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services," + str(db.get_config_basedn()),
                 ldb.SCOPE_ONELEVEL, "(objectClass=msKds-ProvRootKey)", ["*"])
print(json.dumps({
    "dn": str(computer.dn),
    "encrypted": values(computer, "msLAPS-EncryptedPassword"),
    "history": values(computer, "msLAPS-EncryptedPasswordHistory"),
    "clear": values(computer, "msLAPS-Password"),
    "version": values(computer, "msLAPS-CurrentPasswordVersion"),
    "expires": [str(value) for value in computer.get("msLAPS-PasswordExpirationTime", [])],
    "root_keys": [{
        "id": str(key["cn"]),
        "data": values(key, "msKds-RootKeyData")[0],
        "kdf_parameters": values(key, "msKds-KDFParam")[0],
        "method": str(key["msKds-SecretAgreementAlgorithmID"]),
        "method_parameters": values(key, "msKds-SecretAgreementParam")[0],
        "private_bits": int(str(key["msKds-PrivateKeyLength"])),
        "public_bits": int(str(key["msKds-PublicKeyLength"])),
    } for key in keys],
}))
