// Builds the component. The engine's own WASI imports are left out: it asks for nothing but what wit/my-lb.wit says.

import { rename, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const { component } = await componentize({
  sourcePath: "src/provider.js",
  witPath: "wit",
  worldName: "my-lb",
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
// In one step, so that a controller that watches the file never sees half of it.
await writeFile("my-lb.wasm.new", component);
await rename("my-lb.wasm.new", "my-lb.wasm");
console.log(`my-lb.wasm, ${(component.length / 1e6).toFixed(1)} MB`);
