"""Is a receipt genuine? `python verify.py <public key> < receipt.json` (needs `cryptography`)."""

import base64
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

receipt = json.load(sys.stdin)
signature = base64.b64decode(receipt.pop("signature"))
text = json.dumps(receipt, sort_keys=True, separators=(",", ":")).encode()
Ed25519PublicKey.from_public_bytes(base64.b64decode(sys.argv[1])).verify(signature, text)
sys.stdout.write(f"genuine: {receipt['skill']['ref']} {receipt['skill']['digest']}\n")
