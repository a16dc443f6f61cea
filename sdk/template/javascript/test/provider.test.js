// The provider natively: test/granted.js stands in for the host.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { provider } from "../src/provider.js";

const { files, lines } = globalThis.granted;
const source = { kind: "Ingress", namespace: "default", name: "web", uid: "u1" };
const shop = { tag: "forward", val: [{ backend: "default/shop/80", weight: 1 }] };

beforeEach(() => {
  files.clear();
  lines.length = 0;
});

/** A complete change: port 80 with these hosts, and a backend with one endpoint. */
function change(...hosts) {
  const listener = { name: "http-80", port: 80, protocol: "http", sources: [source] };
  const endpoints = [{ address: "10.0.0.1", port: 8080, terminating: false }];
  const table = (upsert) => ({ upsert, remove: [] });
  return {
    kind: "complete",
    loadBalancer: { id: "lb", annotations: [] },
    listeners: table([listener]),
    virtualHosts: table(hosts),
    backends: table([{ id: "default/shop/80", endpoints }]),
    certificates: table([]),
  };
}

function host(name, path) {
  const routes = [{ path, action: shop, policies: [], source }];
  const match = { tag: "exact", val: name };
  return { id: `http-80/${name}`, listener: "http-80", host: match, service: { tag: "routes", val: routes } };
}

const prefix = { tag: "prefix", val: "/" };
const served = () => JSON.parse(files.get("classes/lb/routes.json")).ports[0].hosts;

test("routes are written once", () => {
  const wanted = change(host("shop.test", prefix));
  assert.deepEqual(provider.apply("{}", wanted), { readiness: { tag: "ready" }, addresses: [], rejections: [] });
  assert.deepEqual(served()[0].routes[0].forward[0].endpoints, [{ address: "10.0.0.1", port: 8080 }]);
  provider.apply("{}", wanted);
  assert.equal(lines.length, 1, "what is the same is not written again");
});

test("what is not named any more goes", () => {
  provider.apply("{}", change(host("one.test", prefix), host("two.test", prefix)));
  provider.apply("{}", change(host("two.test", prefix)));
  assert.deepEqual(served().map(({ host }) => host), ["two.test"]);
});

test("one bad route harms no other", () => {
  const bad = host("bad.test", { tag: "regex", val: "/a.*" });
  const { rejections } = provider.apply("{}", change(bad, host("good.test", { tag: "exact", val: "/" })));
  assert.deepEqual(rejections.map(({ object }) => object), [source]);
  assert.equal(served()[1].routes[0].match, "exact");
});

test("removed twice", () => {
  provider.apply("{}", change());
  for (let round = 0; round < 2; round++) assert.deepEqual(provider.remove("{}", "lb"), { tag: "removed" });
  assert.deepEqual(provider.observe("{}"), []);
});

test("damage is seen", () => {
  provider.apply("{}", change());
  assert.equal(provider.observe("{}")[0].drift, undefined);
  files.set("classes/lb/other", "");
  files.delete("classes/lb/routes.json");
  assert.equal(provider.observe("{}")[0].drift, "routes.json is gone");
});

test("settings are checked", () => {
  provider.checkSettings('{"indent": false}');
  const message = (settings) => {
    try {
      provider.checkSettings(settings);
    } catch (error) {
      return error;
    }
  };
  assert.match(message('{"indnt": true}'), /indnt/);
  assert.match(message('{"indent": 1}'), /indent/);
  assert.match(message("[]"), /no object/);
});
