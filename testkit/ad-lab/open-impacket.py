"""Opens what stored.py printed with impacket's functions, unmodified, from the root key alone: one JSON line for each value
that opens, the current one first.

impacket asks a domain controller for a group key; here its own derivation starts from the root key instead. It drops leading
zeros of the shared secret, so that it fails to open one value in 256 whoever wrote it.
"""

import json
import sys
import uuid

from impacket.dpapi_ng import (
    KDS_SERVICE_LABEL, EncryptedPasswordBlob, KeyIdentifier, compute_kdf_context, compute_kek, create_sd,
    decrypt_plaintext, kdf, unwrap_cek,
)
from pyasn1.codec.der import decoder
from pyasn1_modules import rfc5652


def group_key(root, key_id, sid):
    """The newest key of an L0 interval, as a domain controller would give it to a member."""
    name, guid, l0 = "SHA512\0", uuid.UUID(root["id"]).bytes_le, key_id["L0Index"]
    data = bytes.fromhex(root["data"])
    l0_key = kdf(name, data, KDS_SERVICE_LABEL, compute_kdf_context(guid, l0, -1, -1), 64)
    context = compute_kdf_context(guid, l0, 31, -1) + create_sd(sid).getData()
    return {
        "L0Index": l0, "L1Index": 31, "L2Index": 31, "RootKeyId": guid,
        "L1Key": kdf(name, l0_key, KDS_SERVICE_LABEL, context, 64), "L2Key": b"",
        "KdfPara": {"HashName": name.encode("utf-16-le")},
        "SecAlgo": (root["method"] + "\0").encode("utf-16-le"),
        "PrivKeyLength": root["private_bits"],
    }


stored = json.load(sys.stdin)
roots = {uuid.UUID(root["id"]).bytes_le: root for root in stored["root_keys"]}
for value in stored["encrypted"] + stored["history"]:
    blob = EncryptedPasswordBlob(bytes.fromhex(value))["Blob"]
    content, ciphertext = decoder.decode(blob, asn1Spec=rfc5652.ContentInfo())
    enveloped, _ = decoder.decode(content["content"], asn1Spec=rfc5652.EnvelopedData())
    recipient = enveloped["recipientInfos"][0]["kekri"]
    key_id = KeyIdentifier(bytes(recipient["kekid"]["keyIdentifier"]))
    attribute, _ = decoder.decode(recipient["kekid"]["other"]["keyAttr"])
    sid = attribute["field-1"][0][0][1].asOctets().decode()
    kek = compute_kek(group_key(roots[key_id["RootKeyId"]], key_id, sid), key_id)
    parameters = enveloped["encryptedContentInfo"]["contentEncryptionAlgorithm"]["parameters"]
    nonce = decoder.decode(parameters)[0][0].asOctets()
    try:
        cek = unwrap_cek(kek, bytes(recipient["encryptedKey"]))
        # It deciphers the tag of 16 bytes too.
        print(decrypt_plaintext(cek, nonce, ciphertext)[:-16].decode("utf-16-le").rstrip("\0"))
    except ValueError:
        continue
