"""Cross-origin requests: the answer to preflight. CORS documents arrive with their own issue."""

from typing import Never

from gateway.errors import Code, S3Error
from gateway.model import Call


def preflight(_call: Call) -> Never:
    """No bucket has a CORS document yet, and AWS refuses preflight then (REST API: OPTIONS object)."""
    raise S3Error(Code.ACCESS_FORBIDDEN, "CORSResponse: CORS is not enabled for this bucket.")
