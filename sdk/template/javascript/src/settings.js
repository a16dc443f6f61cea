// What the operator may set.

export const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Settings of the my-lb provider",
  type: "object",
  additionalProperties: false,
  properties: {
    indent: {
      description: "Whether routes.json is written for people, over many lines.",
      type: "boolean",
      default: true,
    },
  },
};

/** Reads the settings. A key that is not known, or a value that cannot be used, is an error that names it. */
export function readSettings(text) {
  const given = JSON.parse(text);
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new Error("the settings are no object");
  }
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(SCHEMA.properties, key)) {
      throw new Error(`there is no setting \`${key}\`; there are: ${Object.keys(SCHEMA.properties).join(", ")}`);
    }
  }
  const { indent = true } = given;
  if (typeof indent !== "boolean") throw new Error("`indent` is neither true nor false");
  return { indent };
}
