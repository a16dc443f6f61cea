// A load-balancer provider: keeps `classes/<ingress class>/routes.json` in its granted directory as Kubernetes has it, for a
// proxy that reads such a file.
//
//     change-set --table--> table, rejections --> routes.json
//
// The five functions of the contract. An error of the contract is thrown as it is.

import * as files from "lb-controller:provider/files@0.1.0";
import { log } from "lb-controller:provider/log@0.1.0";
import { table, toJson } from "./routes.js";
import { readSettings, SCHEMA } from "./settings.js";

// What this provider owns of the granted directory.
const CLASSES = "classes";
const FILE = "routes.json";

export const provider = {
  describe() {
    return {
      name: "my-lb",
      version: "0.1.0",
      // One load balancer for all Ingresses of a class, driven by each replica of the controller for itself.
      scope: "per-class",
      placement: "every-replica",
      // The file is written whole, so be told everything each time.
      changeSets: "complete",
      backendDetail: "endpoints",
      // Only what is honoured in full: the host tells users of all else.
      features: ["path-exact", "path-prefix", "host-wildcard", "weighted-backends"],
      annotationPrefixes: [],
      observeInterval: 60,
      settingsSchema: JSON.stringify(SCHEMA),
      grants: [{ capability: "files", name: "", reason: "keeps the routes that the proxy reads" }],
    };
  },

  checkSettings(settings) {
    try {
      readSettings(settings);
    } catch (error) {
      throw error.message;
    }
  },

  apply(settings, change) {
    const name = change.loadBalancer.id;
    const served = table(change);
    const content = toJson(served.table, readSettings(settings).indent);
    if (kept(() => files.put(`${CLASSES}/${name}/${FILE}`, content)) === "written") {
      log("info", "routes written", [["class", name]]);
    }
    // No addresses: the operator publishes those of the proxy.
    return { readiness: { tag: "ready" }, addresses: [], rejections: served.rejections };
  },

  remove(_settings, loadBalancer) {
    kept(() => files.remove(`${CLASSES}/${loadBalancer}`));
    return { tag: "removed" };
  },

  observe(_settings) {
    const names = kept(() => files.list(CLASSES)).filter((entry) => entry.endsWith("/"));
    return names.map((entry) => {
      const loadBalancer = entry.slice(0, -1);
      // Somebody deleted the file: say so, and the host applies everything again.
      const isWhole = kept(() => files.list(`${CLASSES}/${loadBalancer}`)).includes(FILE);
      const drift = isWhole ? undefined : `${FILE} is gone`;
      return { loadBalancer, ownerUid: undefined, readiness: { tag: "ready" }, addresses: [], drift };
    });
  },
};

/** What becomes of an error of the granted directory: what it refuses is the operator's, all else is tried again. */
function kept(act) {
  try {
    return act();
  } catch (error) {
    const { tag, val } = error.payload ?? error;
    const message = `files: ${val}`;
    if (tag === "invalid-path" || tag === "too-large") throw { tag: "denied", val: message };
    throw { tag: "unavailable", val: { message, after: undefined } };
  }
}
