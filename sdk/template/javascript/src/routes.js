// A change-set as the table that is written. Pure: the same change makes the same bytes, and tests need no host.

/** The table of a complete change-set, and what cannot be served, each with the object whose owner is to be told. */
export function table(change) {
  const backends = new Map(change.backends.upsert.map((backend) => [backend.id, backend]));
  const rejections = [];
  const ports = [];
  for (const listener of change.listeners.upsert) {
    if (listener.protocol !== "http") {
      const message = `port ${listener.port} is not HTTP, and this provider serves HTTP only`;
      rejections.push(...listener.sources.map((object) => ({ object, field: "", message })));
      continue;
    }
    const hosts = change.virtualHosts.upsert
      .filter((host) => host.listener === listener.name)
      .map((host) => ({ host: hostName(host.host), routes: entries(host.service, backends, rejections) }));
    ports.push({ port: listener.port, hosts });
  }
  return { table: { ports }, rejections };
}

/** The content of the file. */
export function toJson(table, indent) {
  return new TextEncoder().encode(`${JSON.stringify(table, null, indent ? 2 : 0)}\n`);
}

function hostName(host) {
  switch (host.tag) {
    case "exact":
      return host.val;
    case "wildcard":
      return `*.${host.val}`;
    default:
      return "*";
  }
}

/** The first one that matches serves the request. */
function entries(service, backends, rejections) {
  if (service.tag !== "routes") return [];
  return service.val.map((route) => entry(route, backends, rejections)).filter((entry) => entry !== undefined);
}

function entry(route, backends, rejections) {
  const refuse = (message) => void rejections.push({ object: route.source, field: "spec.rules", message });
  if (route.path.tag === "regex") {
    return refuse("paths by regular expression are not served; use Prefix or Exact");
  }
  const where = { path: route.path.val, match: route.path.tag };
  switch (route.action.tag) {
    case "forward":
      return { ...where, forward: route.action.val.map((target) => share(target, backends)) };
    case "respond":
      return { ...where, status: route.action.val };
    default:
      return refuse("redirects are not served; leave it to the application");
  }
}

function share(target, backends) {
  const all = backends.get(target.backend)?.endpoints ?? [];
  // One that shuts down gets new clients only while there is no other.
  const lasting = all.filter((endpoint) => !endpoint.terminating);
  const endpoints = (lasting.length > 0 ? lasting : all).map(({ address, port }) => ({ address, port }));
  return { weight: target.weight, endpoints };
}
