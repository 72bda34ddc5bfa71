"""How podd's values read in GraphQL: plain dictionaries with the schema's names.

A field that takes arguments is a function `(info, **arguments)`, which graphql-core calls.
"""

from typing import Any

View = dict[str, Any]
