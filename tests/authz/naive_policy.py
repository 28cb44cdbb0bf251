"""Policies the slow way: straight from the JSON, with regular expressions and lists. No code of `authz.policy` in it.

Belongs here: what a policy means, written a second time. A case is what `tests/vectors/policy/*.json` has: the document
as JSON, who asks, for what, on what, with which values of condition keys.
"""

import base64
import datetime
import ipaddress
import re

UNKNOWN = "unknown"
STAR, ONE = "\ue000", "\ue001"
"""Wildcards after reading: private characters, so that a literal star is told from one."""


class UnavailableError(Exception):
    pass


def evaluate(case) -> str:
    """`deny N`, `allow N`, `delegate N` or `neither`."""
    document = case["document"]
    statements = document["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    variables = document.get("Version") == "2012-10-17"
    verdicts = [Statement(one, case, variables=variables).verdict() for one in statements]
    for number, (one, verdict) in enumerate(zip(statements, verdicts, strict=True)):
        if one["Effect"] == "Deny" and verdict in ("named", "account", UNKNOWN):
            return f"deny {number}"
    for word, wanted in (("allow", "named"), ("delegate", "account")):
        for number, (one, verdict) in enumerate(zip(statements, verdicts, strict=True)):
            if one["Effect"] == "Allow" and verdict == wanted:
                return f"{word} {number}"
    return "neither"


def listed(value):
    return value if isinstance(value, list) else [value]


def said(value) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def shown(value) -> str:
    """A typed value of a case as Amazon writes it."""
    if isinstance(value, str):
        return value
    ((kind, raw),) = value.items()
    if kind == "time":
        return datetime.datetime.fromtimestamp(raw // 10**6, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if kind == "address":
        address = ipaddress.ip_address(raw)
        return str(getattr(address, "ipv4_mapped", None) or address)
    return said(raw)


class Statement:
    def __init__(self, statement, case, *, variables) -> None:
        self.statement = statement
        self.case = case
        self.variables = variables

    def values(self, key):
        """The values of a key, letter case of its name apart; a tag's key keeps its case."""
        name, slash, suffix = key.partition("/")
        wanted = name.lower() + slash + suffix
        for known, values in self.case["context"].items():
            known_name, known_slash, known_suffix = known.partition("/")
            if known_name.lower() + known_slash + known_suffix == wanted:
                if values is None:
                    raise UnavailableError
                return [shown(value) for value in values]
        return []

    def verdict(self) -> str:
        if not self.action():
            return "no"
        named = self.principal()
        if named == "no":
            return "no"
        parts = [self.resource()]
        for operator, pairs in self.statement.get("Condition", {}).items():
            for key, wanted in pairs.items():
                parts.append(self.condition(operator, key, listed(wanted)))
        if False in parts:
            return "no"
        return UNKNOWN if UNKNOWN in parts else named

    def action(self) -> bool:
        turned = "NotAction" in self.statement
        patterns = listed(self.statement["NotAction" if turned else "Action"])
        asked = self.case["action"].lower()
        hit = any(like(self.read(pattern.lower(), wild=True, variables=False), asked) for pattern in patterns)
        return hit is not turned

    def principal(self) -> str:
        if "Principal" not in self.statement and "NotPrincipal" not in self.statement:
            return "named"
        turned = "NotPrincipal" in self.statement
        element = self.statement["NotPrincipal" if turned else "Principal"]
        names = (
            ["*"]
            if element == "*"
            else [name for kind in ("AWS", "CanonicalUser") for name in listed(element.get(kind, []))]
        )
        asking = self.case["principal"]
        account = asking.get("account")
        accounts = {account, f"arn:aws:iam::{account}:root"} if account else set()
        own = (
            {f"arn:aws:iam::{account}:{asking['kind']}/{asking.get('name')}", asking.get("canonical")}
            if account
            else set()
        )
        has_account, has_own = bool(accounts & set(names)), bool(own & set(names))
        root = asking.get("root", False)
        if turned:
            spared = "*" in names or (has_account and (has_own or root)) or (root and has_own)
            return "no" if spared else "named"
        if "*" in names or has_own or (root and has_account):
            return "named"
        return "account" if has_account else "no"

    def resource(self):
        turned = "NotResource" in self.statement
        bucket, key = self.case.get("bucket"), self.case.get("key")
        arn = "arn:aws:s3:::" + (bucket or "*") + ("" if key is None else "/" + key)
        hits = []
        for text in listed(self.statement["NotResource" if turned else "Resource"]):
            if text == "*":
                hits.append(True)
                continue
            parts = text.split(":", 5)
            heads = [
                like(self.read(part, wild=True, variables=False), own)
                for part, own in zip(parts, ["arn", "aws", "s3", "", ""], strict=False)
            ]
            if not all(heads):
                hits.append(False)
                continue
            try:
                pattern = self.read(parts[5], wild=True)
            except UnavailableError:
                hits.append(UNKNOWN)
                continue
            hits.append(None if pattern is None else like(pattern, arn[len("arn:aws:s3:::") :]))
        if True in hits:
            return not turned
        if turned:
            return UNKNOWN if None in hits or UNKNOWN in hits else True
        return UNKNOWN if UNKNOWN in hits else False

    def condition(self, operator, key, wanted):
        qualifier, _, plain = operator.rpartition(":")
        base = plain.removesuffix("IfExists")
        if_exists = base != plain
        try:
            values = self.values(key)
        except UnavailableError:
            return UNKNOWN
        if base == "Null":
            return any((said(one).lower() == "true") == (not values) for one in wanted)
        positive = base.replace("Not", "")
        negated = base != positive
        if not values:
            if if_exists or qualifier == "ForAllValues":
                return True
            return negated and not qualifier
        verdicts = []
        for value in values:
            hits = [self.compare(positive, said(one), value) for one in wanted]
            hit = True if True in hits else UNKNOWN if UNKNOWN in hits else False
            verdicts.append(hit if hit == UNKNOWN else hit is not negated)
        if qualifier == "ForAllValues":
            return False if False in verdicts else UNKNOWN if UNKNOWN in verdicts else True
        if qualifier == "ForAnyValue" or len(verdicts) == 1:
            return True if True in verdicts else UNKNOWN if UNKNOWN in verdicts else False
        return UNKNOWN

    def compare(self, operator, wanted, value):
        try:
            if operator.startswith("String") or operator == "Bool":
                pattern = self.read(wanted, wild=operator == "StringLike")
                if pattern is None:
                    return False
                if operator in ("StringEqualsIgnoreCase", "Bool"):
                    return [c.lower() for c in pattern] == [c.lower() for c in value]
                return like(pattern, value)
            if operator.startswith("Arn"):
                return self.arn(wanted, value)
        except UnavailableError:
            return UNKNOWN
        if operator == "BinaryEquals":
            return base64.b64decode(wanted) == value.encode()
        if operator == "IpAddress":
            return inside(value, ipaddress.ip_network(wanted, strict=False))
        limit, found = (
            (moment(wanted), moment(value)) if operator.startswith("Date") else (float(wanted), decimal(value))
        )
        if found is None:
            return UNKNOWN
        order = operator.removeprefix("Numeric").removeprefix("Date")
        return {
            "Equals": found == limit,
            "LessThan": found < limit,
            "LessThanEquals": found <= limit,
            "GreaterThan": found > limit,
            "GreaterThanEquals": found >= limit,
        }[order]

    def arn(self, wanted, value):
        pattern = self.read(wanted, wild=True)
        if pattern is None or value.count(":") < 5 or pattern.count(":") < 5:
            return False
        parts = zip(pattern.split(":", 5), value.split(":", 5), strict=True)
        return all(like(part, own) for part, own in parts)

    def read(self, text, *, wild, variables=None):
        """The text with its variables filled in and its wildcards marked; None when a variable has no value."""
        variables = self.variables if variables is None else variables
        out = ""
        pieces = re.split(r"(\$\{[^}]*\})", text) if variables else [text]
        for piece in pieces:
            if variables and piece.startswith("${"):
                name, _, default = piece[2:-1].partition(",")
                if name in ("*", "?", "$"):
                    out += name
                    continue
                values = self.values(name.strip())
                if len(values) == 1:
                    out += values[0]
                elif default:
                    out += default.strip()[1:-1]
                else:
                    return None
            else:
                out += piece.replace("*", STAR).replace("?", ONE) if wild else piece
        return out


def like(pattern, text) -> bool:
    expression = "".join({STAR: ".*", ONE: "."}.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def decimal(text):
    return float(text) if re.fullmatch(r"[+-]?\d{1,18}(\.\d{1,18})?", text, re.ASCII) else None


def moment(text):
    if re.fullmatch(r"\d+", text) and len(text) != 4:
        return int(text) * 10**6
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text = (text + "-01-01")[:10]
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    read = read if read.tzinfo else read.replace(tzinfo=datetime.UTC)
    return (read - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def inside(value, network):
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return UNKNOWN
    address = getattr(address, "ipv4_mapped", None) or address
    return address.version == network.version and address in network
