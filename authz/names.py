"""How people write subjects, addresses, relations, permissions, conditions and expiries; parsing, and messages that say
what would be right.

Belongs here: text to values that still hold names. Does not belong here: looking names up (`directory.py`), I/O.
"""

import difflib
import ipaddress
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from authz.model import BUNDLES, FLAGS, NOT_ON_OBJECTS, At, Condition, Kind
from authz.vocabulary import BUILT_IN, Vocabulary

KEY_BYTES: Final = 1024
"""Longest key of an object in bytes, as everywhere (Rust: `limits::KEY_BYTES`)."""

CONDITIONS: Final = 64
"""Most conditions of one grant, which is most networks; the engine has the same limit for these."""

EXPIRY_S: Final = 100 * 366 * 24 * 3600
"""Longest time from now to an expiry: a century. Beyond, "never" is what is meant."""

_SUBJECTS: Final = (
    "user:NAME, user:TENANT/NAME, group:NAME (its members), role:NAME (its assignees), tenant:NAME (its members), "
    "share:NUMBER, authenticated, anyone"
)
_ADDRESSES: Final = "s3://BUCKET, s3://BUCKET/PREFIX/, s3://BUCKET/KEY, tenant, tenant:NAME, group:NAME, role:NAME"
_CONDITIONS: Final = "ip=10.0.0.0/8, tls, mfa=1h, time=Mon-Fri 09:00-17:00"
_MEMBERS: Final = {"group": "member", "role": "assignee", "tenant": "member"}
_KINDS: Final = {
    "user": Kind.USER,
    "service": Kind.SERVICE,
    "group": Kind.GROUP,
    "role": Kind.ROLE,
    "tenant": Kind.TENANT_MEMBER,
    "share": Kind.SHARE,
}
_ALONE: Final = {"anyone": Kind.ANYONE, "authenticated": Kind.AUTHENTICATED, "itself": Kind.ITSELF}
ANYONE: Final = "anyone"
_EVERYBODY: Final = frozenset({"*", "all", "allusers", "anonymous", "everybody", "everyone", "public", "world"})
"""Words for everybody that are none here."""
_ARN: Final = re.compile(r"arn:aws:iam::(?P<account>[0-9]{12}):(?:root|(?P<kind>user|group|role)/(?P<name>[^/]+))\Z")
_PLACES: Final = {"group": At.GROUP, "role": At.ROLE, "share": At.SHARE, "tenant": At.TENANT}
_ACCOUNT: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_+=,.@-]{0,63}|#[0-9]{1,10})\Z")
_BUCKET: Final = re.compile(r"(?:[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|#[0-9]{1,10})\Z")
_BUCKETLIKE: Final = re.compile(r"\A(?:arn:aws:s3:::|bucket:|s3:/?/?|/)", re.IGNORECASE)
"""How addresses begin elsewhere."""
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NEAR: Final = 4
"""Most words of a suggestion."""
_FOR_EVER: Final = frozenset({"", "never", "none", "forever", "infinite"})
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN: Final = re.compile(r"(?:[0-9]{1,12}[smhdw]){1,5}\Z")
_TIME: Final = re.compile(r"(?:(?P<days>\S+)\s+)?(?P<from>[0-9]{1,2}:[0-9]{2})-(?P<to>[0-9]{1,2}:[0-9]{2})\Z")


class WordError(ValueError):
    """Something that was written cannot be meant; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class SubjectName:
    """A subject with names; no tenant means the one the request is about. `#7` names a number."""

    kind: Kind
    tenant: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class AddressName:
    """A place with names; `name` is of the bucket, group, role or share."""

    at: At
    tenant: str | None = None
    name: str = ""
    path: bytes = b""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or a full stop when nothing is near."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else "."


def parse_subject(text: str) -> SubjectName:
    """`user:alice`, `group:acme/devs`, `anyone` …; WordError."""
    if text in _ALONE:
        return SubjectName(_ALONE[text])
    word, colon, rest = text.partition(":")
    kind = _KINDS.get(word)
    if kind is None or not colon:
        raise WordError(f"{text!r} is no subject{_near_subject(text)} A subject is one of: {_SUBJECTS}")
    if not rest:
        raise WordError(f"{text!r}: the name is missing. A subject is one of: {_SUBJECTS}")
    member = _MEMBERS.get(word)
    if member is not None:
        rest, mark, said = rest.partition("#") if not _numbered(rest) else (rest, "", "")
        if mark and said != member:
            raise WordError(f"{text!r}: as a subject a {word} is {word}:NAME or {word}:NAME#{member}")
    if kind is Kind.TENANT_MEMBER:
        return SubjectName(kind, _account(rest, text))
    tenant, slash, name = rest.rpartition("/")
    if kind is Kind.SHARE:
        name = f"#{name}" if name.isascii() and name.isdigit() else name
        if not _numbered(name):
            raise WordError(f"{text!r}: a share is named by its number, as share:17")
    return SubjectName(kind, _account(tenant, text) if slash else None, _account(name, text))


def _near_subject(text: str) -> str:
    """What it may be instead."""
    word, colon, rest = text.partition(":")
    if text.lower() in _EVERYBODY:
        return f"; did you mean {ANYONE} (also who does not sign) or authenticated (any user of any tenant)?"
    if (arn := _ARN.match(text)) is not None:
        account = f"#{int(arn['account'])}"
        named = f"{arn['kind']}:{account}/{arn['name']}"
        return f"; did you mean {named if arn['kind'] else f'tenant:{account}'}?"
    near = difflib.get_close_matches(word.lower(), [*_KINDS, *_ALONE], 1)
    if near and near[0] in _KINDS:
        return f"; did you mean {near[0]}:{rest or ('NUMBER' if near[0] == 'share' else 'NAME')}?"
    if near:
        return f"; did you mean {near[0]}?"
    return f"; did you mean user:{text}?" if not colon and _ACCOUNT.match(text) else "."


def _numbered(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.startswith("#") and last[1:].isdigit()


def _account(name: str, text: str) -> str:
    if not _ACCOUNT.match(name):
        raise WordError(f"{text!r}: {name!r} cannot be a name: letters, digits and _+=,.@- only, at most 64 of them")
    return name


def parse_address(text: str) -> AddressName:
    """`s3://bucket/prefix/`, `tenant`, `group:devs` …; WordError.

    Whatever follows the bucket is taken as it stands, byte for byte: a prefix when it ends in `/`, else a key.
    """
    if text.startswith("s3://"):
        bucket, slash, path = text.removeprefix("s3://").partition("/")
        if not _BUCKET.match(bucket):
            meant = f"; did you mean s3://{bucket.lower()}{slash}{path}?" if _BUCKET.match(bucket.lower()) else "."
            rule = "3 to 63 small letters, digits, - and ."
            raise WordError(
                f"{text!r}: {bucket!r} cannot be a bucket's name{meant} It has {rule}; write s3://BUCKET/PREFIX/"
            )
        key = key_bytes(path)
        if len(key) > KEY_BYTES:
            raise WordError(f"a key has at most {KEY_BYTES} bytes, not {len(key)}")
        if not key:
            return AddressName(At.BUCKET, name=bucket)
        return AddressName(At.PREFIX if key.endswith(b"/") else At.OBJECT, name=bucket, path=key)
    if text == "tenant":
        return AddressName(At.TENANT)
    word, colon, rest = text.partition(":")
    at = _PLACES.get(word) if colon else None
    if at is None:
        bare = _BUCKETLIKE.sub("", text)
        meant = f"; did you mean s3://{bare}?" if _BUCKET.match(bare.partition("/")[0]) else "."
        raise WordError(f"{text!r} is no address{meant} An address is one of: {_ADDRESSES}")
    if at is At.TENANT:
        return AddressName(at, _account(rest, text))
    tenant, slash, name = rest.rpartition("/")
    if at is At.SHARE and name.isascii() and name.isdigit():
        name = f"#{name}"
    return AddressName(at, _account(tenant, text) if slash else None, _account(name, text))


def key_bytes(text: str) -> bytes:
    """A key as it is stored: in UTF-8, bytes that are none as the lone surrogates they are shown as. WordError."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise WordError(f"{text!r} is no key: half a surrogate pair stands for no character") from error


def parse_relations(text: str, at: At, words: Vocabulary = BUILT_IN) -> tuple[int, ...]:
    """The numbers of a relation, or of those a bundle stands for on such a place. WordError."""
    # A relation that a tenant calls like a bundle is what it means.
    if text in words.relations:
        return (words.relations[text],)
    bundles = {name: parts for name, parts in BUNDLES.items() if words.relations.keys() >= set(parts)}
    if text in bundles:
        names = (name for name in bundles[text] if at is not At.OBJECT or name not in NOT_ON_OBJECTS)
        return tuple(words.relations[name] for name in names)
    known = [*bundles, *words.relations]
    near = did_you_mean(text.lower(), known)
    if text.lower().startswith("s3:"):
        near = ": that is an action. Relations give them: reader reads, writer writes, deleter deletes, lister lists."
    raise WordError(f"no relation is called {text!r}{near} There are {', '.join(known)}")


def parse_relation(text: str, words: Vocabulary = BUILT_IN) -> int:
    """The number of one relation, no bundle. WordError."""
    if text in BUNDLES and text not in words.relations:
        raise WordError(f"{text} is a bundle of {', '.join(BUNDLES[text])}: name one of them")
    return parse_relations(text, At.TENANT, words)[0]


def is_flag(text: str) -> bool:
    """Whether a relation marks a place and has no subject."""
    return text in FLAGS


def parse_action(text: str, known: Collection[str], words: Vocabulary = BUILT_IN) -> str:
    """A permission's name or one of Amazon's actions, as it is known. WordError."""
    if text in words.permissions or text in known:
        return text
    if (spelled := {name.lower(): name for name in known}.get(f"s3:{text.removeprefix('s3:')}".lower())) is not None:
        return spelled
    near, all_of_them = _near_actions(text, known, words), ", ".join(words.permissions)
    raise WordError(f"no action is called {text!r}{near} Actions are {all_of_them}, and Amazon's, as s3:GetObject")


def _near_actions(text: str, known: Collection[str], words: Vocabulary) -> str:
    """What it may be instead, whatever its case and with or without `s3:`."""
    bare = {name.removeprefix("s3:").lower(): name for name in known} | {name: name for name in words.permissions}
    plain = text.removeprefix("s3:").lower()
    near = [bare[name] for name in difflib.get_close_matches(plain, bare, _NEAR)]
    begins = sorted(name for short, name in bare.items() if plain and short.startswith(plain))
    # Whoever writes `get` means objects, unless a word is nearer than that.
    of_objects = [bare[name] for name in (plain, f"{plain}object") if name in bare]
    found = list(dict.fromkeys([*of_objects, *near, *begins]))[:_NEAR]
    if not found:
        return ": ask about one action at a time." if "*" in text else "."
    return f"; did you mean {' or '.join(found)}?"


def parse_span(text: str) -> int:
    """`30d`, `12h`, `1d12h` in seconds. WordError."""
    if not _SPAN.match(text):
        raise WordError(f"{text!r} is no time span: write 30d, 12h, 90m, 45s, 2w or 1d12h")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhdw])", text))


def parse_expiry(text: str, now_us: int) -> int:
    """When a span from now, or a moment in ISO 8601, is; in microseconds. WordError, also for what is past."""
    if _SPAN.match(text):
        seconds = parse_span(text)
        if not 0 < seconds <= EXPIRY_S:
            raise WordError(f"{text!r}: an expiry is later than now and within a century; leave it out for never")
        return now_us + seconds * 1_000_000
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        at_us = int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        never = "; leave it out for never" if text.lower() in _FOR_EVER else ""
        raise WordError(f"{text!r} is no expiry: write 30d, 12h or 2030-01-31T12:00:00Z{never}") from error
    if at_us <= now_us:
        raise WordError(f"{text!r} is past: an expiry is later than now, as 30d from now or 2030-01-31T12:00:00Z")
    if at_us > now_us + EXPIRY_S * 1_000_000:
        raise WordError(f"{text!r} is more than a century away; leave the expiry out for never")
    return at_us


def parse_conditions(texts: Sequence[str]) -> Condition | None:
    """`ip=10.0.0.0/8`, `tls`, `mfa=1h`, `time=Mon-Fri 09:00-17:00`: all kinds must hold, of networks any. WordError."""
    if len(texts) > CONDITIONS:
        raise WordError(f"{len(texts)} conditions; {CONDITIONS} can be")
    networks: list[tuple[str, int]] = []
    window, tls, mfa_s = None, False, None
    for text in texts:
        word, given, value = text.strip().partition("=")
        if word == "ip" and given:
            networks.append(_network(value))
        elif word == "tls" and not given:
            tls = True
        elif word == "mfa" and given and mfa_s is None:
            mfa_s = parse_span(value)
            if not 0 < mfa_s < 1 << 32:
                raise WordError(f"{text!r}: MFA is proved some seconds to 136 years ago")
        elif word == "time" and given and window is None:
            window = _window(value)
        elif word in ("mfa", "time") and given:
            raise WordError(f"{text!r}: a second {word}; a grant has one")
        else:
            raise WordError(f"{text!r} is no condition: write {_CONDITIONS} (times are UTC)")
    return Condition(tuple(networks), window, tls, mfa_s) if texts else None


def _network(text: str) -> tuple[str, int]:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        try:
            meant = f"; did you mean ip={ipaddress.ip_network(text, strict=False)}?"
        except ValueError:
            meant = ": write ip=10.0.0.0/8 or ip=2001:db8::/32"
        several = " (one condition each: give the option again)" if "," in text else ""
        raise WordError(f"{text!r} is no network{meant}{several}") from error
    return str(network.network_address), network.prefixlen


def _window(text: str) -> tuple[int, int, int]:
    match = _TIME.match(text.strip())
    if match is None:
        raise WordError(f"{text!r} is no time window: write time=Mon-Fri 09:00-17:00 (UTC)")
    start, end = (_minute(match[edge], text) for edge in ("from", "to"))
    if start == 24 * 60:
        raise WordError(f"{text!r}: a window begins before 24:00")
    return _weekdays(match["days"]), start, end


def _minute(text: str, whole: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise WordError(f"{whole!r}: {text} is no time of day: write 00:00 to 24:00, as time=Mon-Fri 09:00-17:00")
    return hours * 60 + minutes


def _weekdays(text: str | None) -> int:
    if text is None:
        return 0b111_1111
    bits = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            raise WordError(f"{part!r} is no day or range of days: write {', '.join(_DAYS)}, Mon-Fri or Mon,Wed")
        day, end = _DAYS.index(first), _DAYS.index(last or first)
        bits |= 1 << end
        while day != end:
            bits |= 1 << day
            day = (day + 1) % 7
    return bits


def show_conditions(condition: Condition | None) -> list[str]:
    """What `parse_conditions` would read."""
    if condition is None:
        return []
    shown = [f"ip={address}/{bits}" for address, bits in condition.networks]
    if condition.window is not None:
        days, start, end = condition.window
        names = ",".join(name for place, name in enumerate(_DAYS) if days >> place & 1)
        edges = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
        shown.append(f"time={edges}" if days == 0b111_1111 else f"time={names} {edges}")
    if condition.tls:
        shown.append("tls")
    if condition.mfa_s is not None:
        shown.append(f"mfa={_span(condition.mfa_s)}")
    return shown


def _span(seconds: int) -> str:
    """In the largest unit that fits."""
    unit = next(unit for unit in ("w", "d", "h", "m", "s") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def show_moment(at_us: int | None) -> str | None:
    """ISO 8601 in UTC, to the second unless there is more; None stays None."""
    if at_us is None:
        return None
    try:
        moment = datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)
    except (OverflowError, ValueError, OSError):
        return f"{at_us} us"
    return moment.isoformat().replace("+00:00", "Z")
