// Says which configurations a schema accepts, by ajv: `node validate.mjs FOLDER SCHEMA FILE…`, where FOLDER has ajv's packages.
// Prints an object from file to true or false. A keyword that the draft does not know, or a wrong schema, is an error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, schema, ...files] = process.argv.slice(2);
const Ajv = createRequire(resolve(folder, "package.json"))("ajv/dist/2020.js").default;
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
// Conditions on an object say nothing of its type, and nothing of members that are defined beside them.
const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false });
const validate = ajv.compile(read(schema));
console.log(JSON.stringify(Object.fromEntries(files.map((file) => [file, validate(read(file))]))));
