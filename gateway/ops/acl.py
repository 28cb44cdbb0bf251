"""Access control lists: the one list every bucket and object has until ACLs can be written.

Belongs here: GetBucketAcl and GetObjectAcl. Does not belong here: deciding access; AWS's default list says what the
decision says anyway, that the owner may do everything.
"""

from gateway.model import Answer, Call, xml_answer
from gateway.ops.context import Owner, bucket_of, find_object, owner_of
from gateway.wire.xml import XSI_NAMESPACE, Tree, document, text, tree


def get_bucket_acl(call: Call) -> Answer:
    """The bucket's owner with FULL_CONTROL."""
    return _full_control(owner_of(call, bucket_of(call).owner))


def get_object_acl(call: Call) -> Answer:
    """The object's owner with FULL_CONTROL. NoSuchKey, NoSuchVersion, MethodNotAllowed as for GetObject."""
    return _full_control(owner_of(call, find_object(call).record.owner))


def _full_control(owner: Owner) -> Answer:
    identity = (text("ID", owner.canonical_id), text("DisplayName", owner.display_name))
    kind = (("xmlns:xsi", XSI_NAMESPACE), ("xsi:type", "CanonicalUser"))
    grant = tree("Grant", Tree("Grantee", identity, kind), text("Permission", "FULL_CONTROL"))
    return xml_answer(document(tree("AccessControlPolicy", tree("Owner", *identity), tree("AccessControlList", grant))))
