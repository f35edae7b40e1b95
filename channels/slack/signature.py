"""Whether a request really comes from Slack."""

import re
from collections.abc import Mapping

from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier

from storage.clock import Clock

TIMESTAMP = "X-Slack-Request-Timestamp"
SIGNATURE = "X-Slack-Signature"
_TIMESTAMP = re.compile(r"[0-9]{10}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


class _Time(SignatureClock):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()


class Signatures:
    """Checks requests against the signing secret; none is older than five minutes.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack. slack_sdk's verifier raises on headers
    of another shape, so these are looked at first.
    """

    def __init__(self, secret: str, clock: Clock) -> None:
        if not secret.strip():
            raise ValueError("Slack's request URL needs a signing secret")
        self._verifier = SignatureVerifier(secret, clock=_Time(clock))

    def is_valid(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell whether the raw body was signed by Slack just now."""
        timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return False
        try:
            return self._verifier.is_valid(body, timestamp, signature)
        except UnicodeDecodeError:
            return False
