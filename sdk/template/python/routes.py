"""A change-set as the table that is written. Pure: the same change makes the same bytes, and tests need no host."""

import json

from wit_world.imports import types as t


def table(change: t.ChangeSet) -> tuple[dict, list[t.Rejection]]:
    """The table of a complete change-set, and what cannot be served, each with the object whose owner is to be told."""
    backends = {backend.id: backend for backend in change.backends.upsert}
    rejections: list[t.Rejection] = []
    ports = []
    for listener in change.listeners.upsert:
        if listener.protocol != t.Protocol.HTTP:
            message = f"port {listener.port} is not HTTP, and this provider serves HTTP only"
            rejections += [t.Rejection(source, "", message) for source in listener.sources]
            continue
        hosts = [
            {"host": host_name(host.host), "routes": entries(host.service, backends, rejections)}
            for host in change.virtual_hosts.upsert
            if host.listener == listener.name
        ]
        ports.append({"port": listener.port, "hosts": hosts})
    return {"ports": ports}, rejections


def to_json(table: dict, indent: bool) -> bytes:
    """The content of the file."""
    return (json.dumps(table, indent=2 if indent else None) + "\n").encode()


def host_name(host: t.HostMatch) -> str:
    match host:
        case t.HostMatch_Exact(name):
            return name
        case t.HostMatch_Wildcard(suffix):
            return f"*.{suffix}"
        case _:
            return "*"


def entries(service: t.HostService, backends: dict, rejections: list[t.Rejection]) -> list[dict]:
    """The first one that matches serves the request."""
    if not isinstance(service, t.HostService_Routes):
        return []
    served = (entry(route, backends, rejections) for route in service.value)
    return [entry for entry in served if entry is not None]


def entry(route: t.Route, backends: dict, rejections: list[t.Rejection]) -> dict | None:
    def refuse(message: str) -> None:
        rejections.append(t.Rejection(route.source, "spec.rules", message))

    match route.path:
        case t.PathMatch_Exact(path):
            kind = "exact"
        case t.PathMatch_Prefix(path):
            kind = "prefix"
        case _:
            return refuse("paths by regular expression are not served; use Prefix or Exact")
    match route.action:
        case t.RouteAction_Forward(targets):
            action = {"forward": [share(target, backends) for target in targets]}
        case t.RouteAction_Respond(status):
            action = {"status": status}
        case _:
            return refuse("redirects are not served; leave it to the application")
    return {"path": path, "match": kind, **action}


def share(target: t.WeightedBackend, backends: dict) -> dict:
    backend = backends.get(target.backend)
    endpoints = backend.endpoints if backend else []
    # One that shuts down gets new clients only while there is no other.
    endpoints = [endpoint for endpoint in endpoints if not endpoint.terminating] or endpoints
    return {
        "weight": target.weight,
        "endpoints": [{"address": endpoint.address, "port": endpoint.port} for endpoint in endpoints],
    }
