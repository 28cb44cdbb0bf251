"""Access control lists and ownership: what is stored, what is read back, and every refusal."""

from collections.abc import Iterator

import pytest
from world import World, refused, xml

from gateway.errors import Code
from gateway.limits import ACL_GRANTS, ADDRESS_USERS
from gateway.wire.acl import ALL_USERS, ANONYMOUS_ID, AUTHENTICATED_USERS, LOG_DELIVERY
from storage.records import keys
from storage.records.acl import Grant, Kind, Permission, decode_acl, full_control
from storage.records.bucket import BucketRecord, Ownership, PublicAccessBlock
from storage.records.object import ObjectRecord

Lines = list[tuple[str, str]]
EVERY = ("READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL")
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.fixture
def open_world(world: World) -> World:
    """A bucket of root's in which lists count, with an object, and Ann, who belongs elsewhere."""
    world.ownership = Ownership.OBJECT_WRITER
    world.put_current(world.bucket(), b"k")
    world.other()
    return world


def lines(world: World, op: str = "GetBucketAcl", key: bytes = b"", **query: str) -> Lines:
    """Grantee (user name or the end of a URI) and permission of each grant."""
    names = {shown["canonical_id"]: shown["name"] for shown in world.accounts.users()} | {ANONYMOUS_ID: "nobody"}
    root = xml(world.call(op, "bucket", key, query=query))

    def found() -> Iterator[tuple[str, str]]:
        for grant in root.iter("Grant"):
            grantee = grant.find("Grantee")
            assert grantee is not None
            uri = grantee.findtext("URI")
            who = names[grantee.findtext("ID", "")] if uri is None else uri.rpartition("/")[2]
            yield who, grant.findtext("Permission", "")

    return list(found())


def owner(world: World, op: str = "GetObjectAcl", key: bytes = b"k") -> str:
    return xml(world.call(op, "bucket", key)).findtext("Owner/ID", "")


def acl_of(world: World) -> bytes | None:
    value = world.store.get(keys.bucket(b"bucket"))
    return BucketRecord.decode(value).acl


def user(canonical_id: str) -> str:
    return f'<Grantee {XSI} xsi:type="CanonicalUser"><ID>{canonical_id}</ID><DisplayName>x</DisplayName></Grantee>'


def group(uri: str) -> str:
    return f'<Grantee {XSI} xsi:type="Group"><URI>{uri}</URI></Grantee>'


def address(email: str) -> str:
    named = f"<EmailAddress>{email}</EmailAddress>"
    return f'<Grantee {XSI} xsi:type="AmazonCustomerByEmail">{named}</Grantee>'


def policy(owner_id: str, *grants: tuple[str, str]) -> bytes:
    listed = "".join(f"<Grant>{who}<Permission>{what}</Permission></Grant>" for who, what in grants)
    owner = f"<Owner><ID>{owner_id}</ID></Owner>"
    return f"<AccessControlPolicy>{owner}<AccessControlList>{listed}</AccessControlList></AccessControlPolicy>".encode()


def put_bucket(world: World, body: bytes = b"", **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert world.call("PutBucketAcl", "bucket", body=body, headers=named).status == 200


CANNED: dict[str, Lines] = {
    "private": [],
    "public-read": [("AllUsers", "READ")],
    "public-read-write": [("AllUsers", "READ"), ("AllUsers", "WRITE")],
    "authenticated-read": [("AuthenticatedUsers", "READ")],
    "aws-exec-read": [],
}


@pytest.mark.parametrize(("name", "grants"), [*CANNED.items(), ("log-delivery-write", None)])
def test_canned_lists_of_buckets(open_world: World, name: str, grants: Lines | None) -> None:
    put_bucket(open_world, x_amz_acl="authenticated-read")
    put_bucket(open_world, x_amz_acl=name)
    expected = [("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP")] if grants is None else grants
    assert lines(open_world) == [*expected, ("root", "FULL_CONTROL")]
    assert (acl_of(open_world) is None) == (expected == [])


@pytest.mark.parametrize(("name", "grants"), CANNED.items())
def test_canned_lists_of_objects(open_world: World, name: str, grants: Lines) -> None:
    before = open_world.store.get(keys.object(open_world.number("bucket"), b"k"))
    for canned in ("authenticated-read", name):
        open_world.call("PutObjectAcl", "bucket", b"k", headers={"x-amz-acl": canned})
    assert lines(open_world, "GetObjectAcl", b"k") == [*grants, ("root", "FULL_CONTROL")]
    after = ObjectRecord.decode(open_world.store.get(keys.object(open_world.number("bucket"), b"k")))
    assert after.replace(acl=None).encode() == before


@pytest.mark.parametrize(
    ("canned", "share"), [("bucket-owner-read", "READ"), ("bucket-owner-full-control", "FULL_CONTROL")]
)
def test_lists_for_the_buckets_owner(open_world: World, canned: str, share: str) -> None:
    ann = open_world.other()
    headers = {"x-amz-acl": canned}
    open_world.put_current(open_world.number("bucket"), b"hers", owner=ann.user)
    open_world.call("PutObjectAcl", "bucket", b"hers", headers=headers, caller=ann)
    assert lines(open_world, "GetObjectAcl", b"hers") == [("ann", "FULL_CONTROL"), ("root", share)]
    assert owner(open_world, key=b"hers") == ann.canonical_id
    # To oneself there is nothing to share, and of a bucket these lists say nothing.
    open_world.call("PutObjectAcl", "bucket", b"k", headers=headers)
    assert lines(open_world, "GetObjectAcl", b"k") == [("root", "FULL_CONTROL")]
    put_bucket(open_world, x_amz_acl=canned)
    assert acl_of(open_world) is None


def test_grant_headers_are_the_whole_list_in_the_order_of_permissions(open_world: World) -> None:
    ann = open_world.other().canonical_id
    headers = {f"x_amz_grant_{word.lower()}": f"id={ann}" for word in reversed(EVERY)}
    put_bucket(open_world, **headers)
    assert lines(open_world) == [("ann", word) for word in EVERY]
    put_bucket(open_world, x_amz_grant_read=f'uri="{ALL_USERS}", id="{ann}",uri={LOG_DELIVERY}')
    assert lines(open_world) == [("AllUsers", "READ"), ("LogDelivery", "READ"), ("ann", "READ")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("id=mine", "Invalid id"),
        (f"id={'A' * 64}", "Invalid id"),
        (f"id={'0' * 64}", "Invalid id"),
        (f"id={ANONYMOUS_ID}", "Invalid id"),
        ("uri=http://acs.amazonaws.com/groups/global/Nobody", "Invalid group uri"),
        ("name=ann", "Argument format not recognized"),
        ("ann", "Argument format not recognized"),
        ("", "Argument format not recognized"),
        (f"uri={ALL_USERS},", "Argument format not recognized"),
    ],
)
def test_grantees_in_headers_that_are_none(open_world: World, value: str, message: str) -> None:
    for op, key in (("PutBucketAcl", b""), ("PutObjectAcl", b"k"), ("CreateBucket", b"")):
        headers = {"x-amz-grant-read": value}
        bucket = "another" if op == "CreateBucket" else "bucket"
        error = refused(Code.INVALID_ARGUMENT, lambda: open_world.call(op, bucket, key, headers=headers))  # noqa: B023
        assert error.message == message
        assert [name for name, _ in error.fields] == ["ArgumentName", "ArgumentValue"]
    assert acl_of(open_world) is None


def test_headers_that_look_like_grants_and_are_none(open_world: World) -> None:
    refused(Code.INVALID_ARGUMENT, lambda: put_bucket(open_world, x_amz_grant_reed=f"uri={ALL_USERS}"))
    refused(Code.INVALID_ARGUMENT, lambda: put_bucket(open_world, x_amz_acl="public"))
    headers = {"x-amz-acl": "log-delivery-write"}
    refused(Code.INVALID_ARGUMENT, lambda: open_world.call("PutObjectAcl", "bucket", b"k", headers=headers))


def test_a_document_is_stored_and_read_back(open_world: World) -> None:
    root, ann = open_world.root.canonical_id, open_world.other().canonical_id
    grants = [(user(root), "WRITE"), (group(AUTHENTICATED_USERS), "READ_ACP"), (user(ann), "WRITE_ACP")]
    body = policy(root, *grants, (user(ann), "WRITE_ACP"))
    put_bucket(open_world, body)
    expected = [("AuthenticatedUsers", "READ_ACP"), ("root", "WRITE"), ("ann", "WRITE_ACP"), ("ann", "WRITE_ACP")]
    assert lines(open_world) == expected
    # What is read can be written.
    again = open_world.call("GetBucketAcl", "bucket").body
    put_bucket(open_world, again)
    assert open_world.call("GetBucketAcl", "bucket").body == again
    open_world.call("PutObjectAcl", "bucket", b"k", body=body)
    assert lines(open_world, "GetObjectAcl", b"k") == expected
    put_bucket(open_world, policy(root))
    assert lines(open_world) == []
    put_bucket(open_world, policy(root, (user(root), "FULL_CONTROL")))
    assert acl_of(open_world) is None


def test_people_are_found_by_address(open_world: World) -> None:
    root = open_world.root.canonical_id
    open_world.accounts.add_user("default", "eve", email="Eve@example.com")
    for number in range(ADDRESS_USERS - 1):
        open_world.accounts.add_user("other", f"eve{number}", email="eve@example.com")
    put_bucket(open_world, policy(root, (address("eve@EXAMPLE.com"), "READ")))
    assert lines(open_world) == [("eve", "READ")]
    put_bucket(open_world, x_amz_grant_write='emailAddress="eve@example.com"')
    assert lines(open_world) == [("eve", "WRITE")]
    for nobody in ("adam@example.com", "eve@example.co", ""):
        body = policy(root, (address(nobody), "READ"))
        refused(Code.UNRESOLVABLE_GRANT, lambda: put_bucket(open_world, body))  # noqa: B023
    open_world.accounts.add_user("default", "twin", email="eve@example.com")
    put_bucket(open_world, x_amz_grant_write="emailAddress=eve@example.com")  # the twin is one more than are looked at
    open_world.accounts.remove_user("other", "eve0")
    error = refused(
        Code.AMBIGUOUS_GRANT, lambda: put_bucket(open_world, x_amz_grant_read="emailAddress=eve@example.com")
    )
    assert error.fields == (("EmailAddress", "eve@example.com"),)
    assert lines(open_world) == [("eve", "WRITE")]


def broken(root: str, ann: str) -> Iterator[tuple[Code, bytes]]:
    """Documents that are no list, and why."""
    good = policy(root, (user(ann), "READ"))
    shape = Code.MALFORMED_ACL
    yield shape, good[:-1]
    yield shape, b"<AccessControlPolicy/>"
    yield shape, b"<Tagging/>"
    yield shape, good.replace(b"<Owner>", b"<Owners>").replace(b"</Owner>", b"</Owners>")
    yield shape, good.replace(b"<Permission>READ", b"<Permission>EXECUTE")
    yield shape, good.replace(b"<Permission>READ</Permission>", b"")
    yield shape, good.replace(b"CanonicalUser", b"Martian")
    yield shape, good.replace(b' xsi:type="CanonicalUser"', b"")
    yield shape, good.replace(b"CanonicalUser", b"Group")
    yield shape, good.replace(b"</Grantee>", b"<EmailAddress>eve@example.com</EmailAddress></Grantee>")
    yield shape, good.replace(b"</Grant>", b"<Until>tomorrow</Until></Grant>")
    yield Code.INVALID_ARGUMENT, policy("root", (user(ann), "READ"))
    yield Code.INVALID_ARGUMENT, policy(root, (user("_foo"), "READ"))
    yield Code.INVALID_ARGUMENT, policy(root, (user("ab" * 32), "READ"))
    yield Code.INVALID_ARGUMENT, policy(root, (group("http://acs.amazonaws.com/groups/global/Nobody"), "READ"))
    yield Code.ACCESS_DENIED, policy(ann, (user(ann), "FULL_CONTROL"))


def test_documents_that_are_no_list_change_nothing(open_world: World) -> None:
    put_bucket(open_world, x_amz_acl="public-read")
    for code, body in broken(open_world.root.canonical_id, open_world.other().canonical_id):
        refused(code, lambda: put_bucket(open_world, body))  # noqa: B023
        refused(code, lambda: open_world.call("PutObjectAcl", "bucket", b"k", body=body))  # noqa: B023
    assert lines(open_world) == [("AllUsers", "READ"), ("root", "FULL_CONTROL")]
    assert lines(open_world, "GetObjectAcl", b"k") == [("root", "FULL_CONTROL")]


def test_a_list_has_at_most_a_hundred_grants(open_world: World) -> None:
    root = open_world.root.canonical_id
    grants = [(user(root), "READ")] * ACL_GRANTS
    put_bucket(open_world, policy(root, *grants))
    assert len(lines(open_world)) == ACL_GRANTS == 100
    refused(Code.MALFORMED_ACL, lambda: put_bucket(open_world, policy(root, *grants, grants[0])))
    put_bucket(open_world, x_amz_grant_read=",".join([f"id={root}"] * ACL_GRANTS))
    refused(
        Code.MALFORMED_ACL, lambda: put_bucket(open_world, x_amz_grant_read=",".join([f"id={root}"] * (ACL_GRANTS + 1)))
    )


def test_a_list_is_asked_for_once(open_world: World) -> None:
    body = policy(open_world.root.canonical_id)
    grant = f"uri={ALL_USERS}"
    error = refused(Code.INVALID_REQUEST, lambda: put_bucket(open_world, x_amz_acl="private", x_amz_grant_read=grant))
    assert error.message == "Specifying both Canned ACLs and Header Grants is not allowed"
    refused(Code.UNEXPECTED_CONTENT, lambda: put_bucket(open_world, body, x_amz_acl="private"))
    refused(Code.UNEXPECTED_CONTENT, lambda: put_bucket(open_world, body, x_amz_grant_read=grant))
    error = refused(Code.MISSING_SECURITY_HEADER, lambda: put_bucket(open_world))
    assert error.fields == (("MissingHeaderName", "x-amz-acl"),)


def test_versions_have_lists_of_their_own(open_world: World) -> None:
    number = open_world.number("bucket")
    open_world.put_noncurrent(number, b"k", 5, null_version=False)
    old = f"{5:016x}"
    open_world.call("PutObjectAcl", "bucket", b"k", headers={"x-amz-acl": "public-read"}, query={"versionId": old})
    assert lines(open_world, "GetObjectAcl", b"k", versionId=old) == [("AllUsers", "READ"), ("root", "FULL_CONTROL")]
    assert lines(open_world, "GetObjectAcl", b"k") == [("root", "FULL_CONTROL")]
    headers = {"x-amz-acl": "private"}
    refused(Code.NO_SUCH_KEY, lambda: open_world.call("PutObjectAcl", "bucket", b"none", headers=headers))
    query = {"versionId": f"{6:016x}"}
    refused(Code.NO_SUCH_VERSION, lambda: open_world.call("PutObjectAcl", "bucket", b"k", headers=headers, query=query))
    open_world.put_noncurrent(number, b"k", 7, delete_marker=True, null_version=False)
    query = {"versionId": f"{7:016x}"}
    refused(Code.METHOD_NOT_ALLOWED, lambda: open_world.call("GetObjectAcl", "bucket", b"k", query=query))


def test_what_came_unsigned_is_nobodys_and_stays_it(open_world: World) -> None:
    open_world.put_current(open_world.number("bucket"), b"found", owner=0)
    assert owner(open_world, key=b"found") == ANONYMOUS_ID
    body = open_world.call("GetObjectAcl", "bucket", b"found").body
    open_world.call("PutObjectAcl", "bucket", b"found", body=body)
    assert open_world.call("GetObjectAcl", "bucket", b"found").body == body
    assert lines(open_world, "GetObjectAcl", b"found") == [("nobody", "FULL_CONTROL")]


def test_who_was_removed_keeps_what_is_his_and_gets_no_more(open_world: World) -> None:
    ann = open_world.other()
    open_world.put_current(open_world.number("bucket"), b"hers", owner=ann.user)
    body = open_world.call("GetObjectAcl", "bucket", b"hers").body
    open_world.accounts.remove_user("other", "ann")
    open_world.call("PutObjectAcl", "bucket", b"hers", body=body)
    assert open_world.call("GetObjectAcl", "bucket", b"hers").body == body
    refused(Code.INVALID_ARGUMENT, lambda: put_bucket(open_world, x_amz_grant_read=f"id={ann.canonical_id}"))


# Where lists are disabled.


def test_disabled_lists_show_the_buckets_owner_and_take_what_says_so(world: World) -> None:
    number, ann, root = world.bucket(), world.other(), world.root.canonical_id
    world.put_current(number, b"k", owner=ann.user, acl=b"\x01\x00\x00")
    for op, key in (("GetBucketAcl", b""), ("GetObjectAcl", b"k")):
        assert owner(world, op, key) == root
        assert lines(world, op, key) == [("root", "FULL_CONTROL")]
    holds = {"x-amz-acl": "bucket-owner-full-control"}
    same = policy(root, (user(root), "FULL_CONTROL"))
    rows = world.store.scan(b"", b"\xff", 1000)
    for op, key in (("PutBucketAcl", b""), ("PutObjectAcl", b"k")):
        world.call(op, "bucket", key, headers=holds)
        world.call(op, "bucket", key, body=same)
        world.call(op, "bucket", key, headers={"x-amz-grant-full-control": f"id={root}"})
        for more in (
            {"headers": {"x-amz-acl": "private"}},
            {"headers": {"x-amz-acl": "public-read"}},
            {"headers": {"x-amz-grant-read": f"id={root}"}},
            {"headers": {"x-amz-grant-full-control": f"id={ann.canonical_id}"}},
            {"body": policy(root, (user(root), "FULL_CONTROL"), (user(ann.canonical_id), "READ"))},
            {"body": policy(root)},
        ):
            refused(Code.ACL_NOT_SUPPORTED, lambda: world.call(op, "bucket", key, **more))  # type: ignore[arg-type] # noqa: B023
        refused(Code.MALFORMED_ACL, lambda: world.call(op, "bucket", key, body=b"<A/>"))  # noqa: B023
    refused(Code.NO_SUCH_KEY, lambda: world.call("PutObjectAcl", "bucket", b"none", headers=holds))
    assert world.store.scan(b"", b"\xff", 1000) == rows


# Where public lists are blocked.


def block(world: World, setting: PublicAccessBlock) -> None:
    record = BucketRecord.decode(world.store.get(keys.bucket(b"bucket")))
    value = record.replace(public_access_block=setting).encode()
    world.store.commit([], [("put", keys.bucket(b"bucket"), value)])


def test_public_lists_are_refused_where_they_are_blocked(open_world: World) -> None:
    root, ann = open_world.root.canonical_id, open_world.other().canonical_id
    public: list[dict[str, object]] = [
        {"headers": {"x-amz-acl": name}} for name in ("public-read", "public-read-write", "authenticated-read")
    ]
    public += [{"headers": {"x-amz-grant-read": f"uri={ALL_USERS}"}}]
    public += [{"body": policy(root, (group(AUTHENTICATED_USERS), "READ_ACP"))}]
    private: list[dict[str, object]] = [
        {"headers": {"x-amz-acl": "private"}},
        {"body": policy(root, (user(ann), "READ"))},
    ]
    private += [{"headers": {"x-amz-grant-read": f"uri={LOG_DELIVERY}"}}]
    for op, key in (("PutBucketAcl", b""), ("PutObjectAcl", b"k")):
        block(open_world, PublicAccessBlock.BLOCK_PUBLIC_ACLS)
        for words in public:
            refused(Code.ACCESS_DENIED, lambda: open_world.call(op, "bucket", key, **words))  # type: ignore[arg-type] # noqa: B023
        for words in private:
            open_world.call(op, "bucket", key, **words)  # type: ignore[arg-type]
        block(open_world, ~PublicAccessBlock.BLOCK_PUBLIC_ACLS)
        for words in public:
            open_world.call(op, "bucket", key, **words)  # type: ignore[arg-type]
    block(open_world, PublicAccessBlock.BLOCK_PUBLIC_ACLS)
    refused(Code.ACCESS_DENIED, lambda: create(open_world, x_amz_acl="public-read"))
    create(open_world)


# Ownership.


def controls(word: str) -> bytes:
    return f"<OwnershipControls><Rule><ObjectOwnership>{word}</ObjectOwnership></Rule></OwnershipControls>".encode()


def shown(world: World) -> str:
    return xml(world.call("GetBucketOwnershipControls", "bucket")).findtext("Rule/ObjectOwnership", "")


def put_controls(world: World, word: str) -> None:
    assert world.call("PutBucketOwnershipControls", "bucket", body=controls(word)).status == 200


def stored(world: World) -> BucketRecord:
    return BucketRecord.decode(world.store.get(keys.bucket(b"bucket")))


def test_ownership_is_set_read_and_deleted(world: World) -> None:
    world.bucket()
    assert shown(world) == "BucketOwnerEnforced"
    generation = stored(world).generation
    for number, word in enumerate(("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"), 1):
        put_controls(world, word)
        assert (shown(world), stored(world).generation) == (word, generation + number)
    for _ in range(2):
        assert world.call("DeleteBucketOwnershipControls", "bucket").status == 204
        refused(Code.OWNERSHIP_CONTROLS_NOT_FOUND, lambda: shown(world))
        assert stored(world).ownership is Ownership.OBJECT_WRITER


@pytest.mark.parametrize(
    "body",
    [
        controls("Nobody"),
        controls(""),
        b"<OwnershipControls/>",
        b"<OwnershipControls><Rule/></OwnershipControls>",
        controls("ObjectWriter").replace(b"</Rule>", b"</Rule><Rule/>"),
        b"<Tagging/>",
        controls("ObjectWriter")[:-1],
    ],
)
def test_controls_that_are_none(world: World, body: bytes) -> None:
    world.bucket()
    refused(Code.MALFORMED_XML, lambda: world.call("PutBucketOwnershipControls", "bucket", body=body))
    assert shown(world) == "BucketOwnerEnforced"


def test_lists_are_not_disabled_while_the_buckets_grants_something(open_world: World) -> None:
    put_bucket(open_world, x_amz_acl="public-read")
    refused(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, lambda: put_controls(open_world, "BucketOwnerEnforced"))
    put_controls(open_world, "BucketOwnerPreferred")
    put_bucket(open_world, x_amz_acl="private")
    put_controls(open_world, "BucketOwnerEnforced")
    refused(Code.ACL_NOT_SUPPORTED, lambda: put_bucket(open_world, x_amz_acl="public-read"))


# New buckets.


def create(world: World, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    assert world.call("CreateBucket", "bucket", headers=named).status == 200


@pytest.mark.parametrize("word", ["BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"])
def test_a_bucket_is_made_with_the_ownership_it_asks_for(world: World, word: str) -> None:
    world.ownership = Ownership.OBJECT_WRITER
    create(world, x_amz_object_ownership=word)
    assert shown(world) == word


def test_a_bucket_gets_the_ownership_the_operator_chose(world: World) -> None:
    world.ownership = Ownership.OBJECT_WRITER
    create(world)
    assert stored(world).ownership is Ownership.OBJECT_WRITER
    # As a bucket was before Amazon had ownership controls.
    refused(Code.OWNERSHIP_CONTROLS_NOT_FOUND, lambda: shown(world))


def test_a_bucket_is_made_with_its_list(world: World) -> None:
    ann = world.other()
    create(world, x_amz_object_ownership="ObjectWriter", x_amz_grant_read=f"id={ann.canonical_id}")
    assert decode_acl(acl_of(world) or b"") == (Grant(Kind.USER, ann.user, Permission.READ),)


def test_a_list_that_grants_something_needs_lists(world: World) -> None:
    root = world.root.canonical_id
    for headers in (
        {"x_amz_acl": "public-read"},
        {"x_amz_acl": "public-read", "x_amz_object_ownership": "BucketOwnerEnforced"},
        {"x_amz_grant_read": f"id={world.other().canonical_id}"},
    ):
        refused(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, lambda: create(world, **headers))  # noqa: B023
    assert world.store.get(keys.bucket(b"bucket")) is None
    create(world, x_amz_acl="private", x_amz_object_ownership="BucketOwnerEnforced")
    world.call("CreateBucket", "another", headers={"x-amz-grant-full-control": f"id={root}"})


def test_making_a_bucket_again_sets_its_list_and_does_nothing_halfway(world: World) -> None:
    world.ownership = Ownership.OBJECT_WRITER
    create(world, x_amz_acl="public-read")
    create(world, x_amz_acl="authenticated-read")
    assert lines(world) == [("AuthenticatedUsers", "READ"), ("root", "FULL_CONTROL")]
    create(world)
    assert acl_of(world) is None
    fields = refused(
        Code.BUCKET_ALREADY_OWNED_BY_YOU, lambda: create(world, x_amz_object_ownership="BucketOwnerPreferred")
    )
    assert fields.fields == (("BucketName", "bucket"),)
    world.accounts.add_user("default", "bob", admin=True)
    bob, headers = world.caller("default", "bob"), {"x-amz-acl": "public-read"}
    world.call("CreateBucket", "bucket", caller=bob)
    refused(Code.BUCKET_ALREADY_OWNED_BY_YOU, lambda: world.call("CreateBucket", "bucket", headers=headers, caller=bob))
    put_controls(world, "BucketOwnerEnforced")
    refused(Code.INVALID_BUCKET_ACL_WITH_OWNERSHIP, lambda: create(world, x_amz_acl="public-read"))
    assert (acl_of(world), full_control(world.root.user).permissions) == (None, Permission.FULL_CONTROL)
