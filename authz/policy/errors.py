"""Why a policy is refused. Belongs here: the exception and Amazon's sentences. Not here: S3's or IAM's error codes."""

from typing import Final

NOT_AN_OBJECT: Final = "Policies must be valid JSON and the first byte must be '{'"
INVALID_JSON: Final = "This policy contains invalid Json"
TOO_LARGE: Final = "Policy exceeds the maximum allowed document size."
SYNTAX: Final = "Invalid policy syntax."
EMPTY_STATEMENT: Final = "Could not parse the policy: Statement is empty!"
BAD_VERSION: Final = "The policy must contain a valid version string"
BAD_PRINCIPAL: Final = "Invalid principal in policy"
BAD_ACTION: Final = "Policy has invalid action"
BAD_RESOURCE: Final = "Policy has invalid resource"
BAD_KEY: Final = "Policy has an invalid condition key"
NOT_APPLICABLE: Final = "Action does not apply to any resource(s) in statement"
ALLOW_NOT_PRINCIPAL: Final = "Allow with NotPrincipal is an unsupported combination"
HAS_PRINCIPAL: Final = "Policy document should not specify a principal."
TRUST_ACTION: Final = "AssumeRole policy may only specify STS AssumeRole actions."
BAD_SID: Final = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)
REPEATED_SID: Final = "Statement IDs (SID) in a single policy must be unique."


class PolicyError(Exception):
    """A document that is no policy, with Amazon's sentence for it. `too_large` tells a limit from a mistake."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.too_large = too_large
