"""A load-balancer provider: keeps `classes/<ingress class>/routes.json` in its granted directory as Kubernetes has it, for a
proxy that reads such a file.

    change-set --routes.table--> table, rejections --> routes.json
"""

import json

import routes
from componentize_py_types import Err
from settings import SCHEMA, Settings
from wit_world import exports
from wit_world.imports import files, log
from wit_world.imports import types as t

# What this provider owns of the granted directory.
CLASSES = "classes"
FILE = "routes.json"


class Provider(exports.Provider):
    """The five functions of the contract. An error of the contract is raised as `Err`."""

    def describe(self) -> t.Descriptor:
        return t.Descriptor(
            name="my-lb",
            version="0.1.0",
            # One load balancer for all Ingresses of a class, driven by each replica of the controller for itself.
            scope=t.Scope.PER_CLASS,
            placement=t.Placement.EVERY_REPLICA,
            # The file is written whole, so be told everything each time.
            change_sets=t.ChangeKind.COMPLETE,
            backend_detail=t.BackendDetail.ENDPOINTS,
            # Only what is honoured in full: the host tells users of all else.
            features=[
                t.Feature.PATH_EXACT,
                t.Feature.PATH_PREFIX,
                t.Feature.HOST_WILDCARD,
                t.Feature.WEIGHTED_BACKENDS,
            ],
            annotation_prefixes=[],
            observe_interval=60,
            settings_schema=json.dumps(SCHEMA),
            grants=[t.WantedGrant("files", "", "keeps the routes that the proxy reads")],
        )

    def check_settings(self, settings: str) -> None:
        try:
            Settings(settings)
        except ValueError as error:
            raise Err(str(error)) from None

    def apply(self, settings: str, change: t.ChangeSet) -> t.Outcome:
        name = change.load_balancer.id
        table, rejections = routes.table(change)
        content = routes.to_json(table, Settings(settings).indent)
        with FileErrors():
            written = files.put(f"{CLASSES}/{name}/{FILE}", content) == files.PutOutcome.WRITTEN
        if written:
            log.log(log.Level.INFO, "routes written", [("class", name)])
        # No addresses: the operator publishes those of the proxy.
        return t.Outcome(t.Readiness_Ready(), [], rejections)

    def remove(self, settings: str, load_balancer: str) -> t.Removal:
        with FileErrors():
            files.remove(f"{CLASSES}/{load_balancer}")
        return t.Removal_Removed()

    def observe(self, settings: str) -> list[t.Observed]:
        observed = []
        with FileErrors():
            for entry in files.list(CLASSES):
                if not entry.endswith("/"):
                    continue
                name = entry.removesuffix("/")
                # Somebody deleted the file: say so, and the host applies everything again.
                is_whole = FILE in files.list(f"{CLASSES}/{name}")
                drift = None if is_whole else f"{FILE} is gone"
                observed.append(t.Observed(name, None, t.Readiness_Ready(), [], drift))
        return observed


class FileErrors:
    """What becomes of an error of the granted directory: what it refuses is the operator's, all else is tried again."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not isinstance(error, Err):
            return
        match error.value:
            case files.FileError_InvalidPath(text) | files.FileError_TooLarge(text):
                raise Err(t.Error_Denied(f"files: {text}"))
            case other:
                raise Err(t.Error_Unavailable(t.RetryAfter(f"files: {other.value}", None)))
