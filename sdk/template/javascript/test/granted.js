// What the host grants, for tests: the directory is a map. Loaded before them by `npm test`.

import { register } from "node:module";

const source = (text) => `data:text/javascript,${encodeURIComponent(text)}`;

// One map for the provider and its tests.
globalThis.granted = { files: new Map(), lines: [] };

const files = source(`
  const { files } = globalThis.granted;
  export function put(path, content) {
    const text = new TextDecoder().decode(content);
    if (files.get(path) === text) return "unchanged";
    files.set(path, text);
    return "written";
  }
  export function remove(path) {
    for (const known of [...files.keys()]) if (\`\${known}/\`.startsWith(\`\${path}/\`)) files.delete(known);
  }
  export function list(path) {
    const below = [...files.keys()].filter((known) => known.startsWith(\`\${path}/\`));
    const names = below.map((known) => known.slice(path.length + 1).replace(/\\/.*/, "/"));
    return [...new Set(names)].sort();
  }
`);
const log = source("export function log(...line) { globalThis.granted.lines.push(line); }");

register(
  source(`
    const granted = { files: ${JSON.stringify(files)}, log: ${JSON.stringify(log)} };
    export async function resolve(specifier, context, next) {
      const name = /^lb-controller:provider\\/(\\w+)@/.exec(specifier)?.[1];
      return name ? { url: granted[name], shortCircuit: true } : next(specifier, context);
    }
  `),
);
