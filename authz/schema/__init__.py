"""The schema language: which relations there are, who may hold them, and which permissions they make.

Belongs here: reading, checking and compiling a source, without I/O. Does not belong here: storing a schema
(`authz.schemas`) and executing one (`rust/crates/authz`). The grammar is in docs/reference/schema.md.
"""

from authz.schema.compiler import Compiled, Permission, compile_schema
from authz.schema.default import default_source
from authz.schema.words import SOURCE_BYTES, Class, SchemaError

__all__ = ["SOURCE_BYTES", "Class", "Compiled", "Permission", "SchemaError", "compile_schema", "default_source"]
