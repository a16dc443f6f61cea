"""The provider natively: the granted directory is a dictionary."""

import json
import unittest
from unittest import mock

from app import FILE, Provider
from componentize_py_types import Err
from wit_world.imports import files
from wit_world.imports import types as t

SOURCE = t.ObjectRef("Ingress", "default", "web", "u1")


class Directory:
    """What the host grants, as far as the provider uses it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, path: str, content: bytes) -> files.PutOutcome:
        if self.files.get(path) == content:
            return files.PutOutcome.UNCHANGED
        self.files[path] = content
        return files.PutOutcome.WRITTEN

    def remove(self, path: str) -> None:
        self.files = {known: content for known, content in self.files.items() if not f"{known}/".startswith(f"{path}/")}

    def list(self, path: str) -> list[str]:
        below = [known.removeprefix(f"{path}/") for known in self.files if known.startswith(f"{path}/")]
        return sorted({name if not rest else f"{name}/" for name, _, rest in (it.partition("/") for it in below)})


def change(*hosts: t.VirtualHost) -> t.ChangeSet:
    """A complete change: port 80 with these hosts, and a backend with one endpoint."""
    listener = t.Listener("http-80", 80, t.Protocol.HTTP, None, False, None, [], [SOURCE])
    backend = t.Backend(
        id="default/shop/80",
        service=t.ObjectRef("Service", "default", "shop", "u2"),
        port=80,
        protocol=t.BackendProtocol.HTTP,
        affinity=t.Affinity_None_(),
        target_ports=[8080],
        endpoints=[t.Endpoint("10.0.0.1", 8080, False, None)],
    )
    return t.ChangeSet(
        t.ChangeKind.COMPLETE,
        t.LoadBalancer("lb", None, None, []),
        t.ListenerChanges([listener], []),
        t.VirtualHostChanges(list(hosts), []),
        t.BackendChanges([backend], []),
        t.CertificateChanges([], []),
    )


def host(name: str, path: t.PathMatch, action: t.RouteAction) -> t.VirtualHost:
    route = t.Route(path, None, [], [], action, [], SOURCE)
    return t.VirtualHost(f"http-80/{name}", "http-80", t.HostMatch_Exact(name), None, t.HostService_Routes([route]))


SHOP = t.RouteAction_Forward([t.WeightedBackend("default/shop/80", 1)])


class ProviderTest(unittest.TestCase):
    def setUp(self) -> None:
        self.directory = Directory()
        self.provider = Provider()
        for name in ("put", "remove", "list"):
            patch = mock.patch.object(files, name, getattr(self.directory, name))
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch("wit_world.imports.log.log", mock.Mock())
        self.log = patch.start()
        self.addCleanup(patch.stop)

    def routes(self) -> dict:
        return json.loads(self.directory.files[f"classes/lb/{FILE}"])

    def test_routes_are_written_once(self) -> None:
        wanted = change(host("shop.test", t.PathMatch_Prefix("/"), SHOP))
        outcome = self.provider.apply("{}", wanted)
        self.assertEqual(outcome, t.Outcome(t.Readiness_Ready(), [], []))
        served = self.routes()["ports"][0]["hosts"][0]
        self.assertEqual(served["host"], "shop.test")
        self.assertEqual(served["routes"][0]["forward"][0]["endpoints"], [{"address": "10.0.0.1", "port": 8080}])
        self.provider.apply("{}", wanted)
        self.assertEqual(self.log.call_count, 1, "what is the same is not written again")

    def test_what_is_not_named_any_more_goes(self) -> None:
        one, two = (host(name, t.PathMatch_Prefix("/"), SHOP) for name in ("one.test", "two.test"))
        self.provider.apply("{}", change(one, two))
        self.provider.apply("{}", change(two))
        self.assertEqual([it["host"] for it in self.routes()["ports"][0]["hosts"]], ["two.test"])

    def test_one_bad_route_harms_no_other(self) -> None:
        bad = host("bad.test", t.PathMatch_Regex("/a.*"), SHOP)
        good = host("good.test", t.PathMatch_Exact("/"), SHOP)
        outcome = self.provider.apply("{}", change(bad, good))
        self.assertEqual([rejection.object for rejection in outcome.rejections], [SOURCE])
        self.assertEqual(self.routes()["ports"][0]["hosts"][1]["routes"][0]["match"], "exact")

    def test_removed_twice(self) -> None:
        self.provider.apply("{}", change())
        for _ in range(2):
            self.assertEqual(self.provider.remove("{}", "lb"), t.Removal_Removed())
        self.assertEqual(self.provider.observe("{}"), [])

    def test_damage_is_seen(self) -> None:
        self.provider.apply("{}", change())
        self.directory.files[f"classes/lb/other"] = b""
        self.assertIsNone(self.provider.observe("{}")[0].drift)
        del self.directory.files[f"classes/lb/{FILE}"]
        self.assertEqual(self.provider.observe("{}")[0].drift, f"{FILE} is gone")

    def test_settings_are_checked(self) -> None:
        self.provider.check_settings('{"indent": false}')
        for settings in ('{"indnt": true}', '{"indent": 1}', "[]"):
            with self.assertRaises(Err) as raised:
                self.provider.check_settings(settings)
            self.assertTrue("ind" in raised.exception.value or "object" in raised.exception.value)


if __name__ == "__main__":
    unittest.main()
