"""REST v2: the bodies, queries and answers of the control plane, named as in RunPod's description of it.

What clients send is held to its schema, unknown keys included; the deviations of known clients are put
right before that. One module for each resource.
"""

# Every name of the resources is a name of the wire.
# ruff: noqa: F403
from podd.wire.rest_v2.account import *
from podd.wire.rest_v2.billing import *
from podd.wire.rest_v2.catalogue import *
from podd.wire.rest_v2.clusters import *
from podd.wire.rest_v2.containers import *
from podd.wire.rest_v2.endpoints import *
from podd.wire.rest_v2.logs import *
from podd.wire.rest_v2.pods import *
from podd.wire.rest_v2.registries import *
from podd.wire.rest_v2.templates import *
from podd.wire.rest_v2.volumes import *
from podd.wire.rest_v2.words import *
