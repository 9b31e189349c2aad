"""Says whether a call is signed as AWS Signature Version 4 has it, by botocore, the signer of AWS's own SDK.

Reads {"method", "url", "headers": {lower-case name: value}, "body" (base64), "secret", "token", "region", "service"} from standard input.
Prints nothing if all is right, and otherwise what is not.
"""

import base64
import hashlib
import json
import re
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials


class AsSigned(SigV4Auth):
    """Signs the headers that the caller has signed, and no others."""

    def headers_to_sign(self, request):
        headers = HTTPHeaders()
        for name in self.names:
            headers[name] = request.headers[name]
        return headers


def fault(call):
    headers, body = call["headers"], base64.b64decode(call["body"])
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if given is None:
        return "no Authorization of this form: " + headers.get("authorization", "none")
    access_key, day, region, service, names, signature = given.groups()
    if (region, service) != (call["region"], call["service"]):
        return f"signed for {region}/{service}"
    if day != headers.get("x-amz-date", "")[:8]:
        return "the day is not that of x-amz-date"
    names = names.split(";")
    missing = {"host", "x-amz-date", "x-amz-target", "content-type"} - set(names)
    if call["token"] is not None:
        if headers.get("x-amz-security-token") != call["token"]:
            return "not the session token"
        missing |= {"x-amz-security-token"} - set(names)
    if missing:
        return f"not signed: {sorted(missing)}"
    digest = headers.get("x-amz-content-sha256")
    if digest not in (None, hashlib.sha256(body).hexdigest()):
        return "x-amz-content-sha256 is not that of the body"
    request = AWSRequest(method=call["method"], url=call["url"], data=body, headers=headers)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = AsSigned(Credentials(access_key, call["secret"], call["token"]), service, region)
    signer.names = names
    right = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return None if right == signature else f"another signature; canonical request:\n{signer.canonical_request(request)}"


if __name__ == "__main__":
    print(fault(json.load(sys.stdin)) or "", end="")
