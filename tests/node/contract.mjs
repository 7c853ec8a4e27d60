// Runs the contract's cases against a vault over mutual TLS: an independent reading of protos/contract/cases.json.
//
//   node contract.mjs HOST:PORT CALLERS_FOLDER CASES_JSON DESCRIPTOR_SET
//
// Prints one JSON object: how many cases ran, were left out, and what is wrong with each that failed. The exit
// status is 1 where one failed. Cases with effects are passed over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { createFileRegistry, fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";

const PROGRAM = "contract-none";
const AT_ONCE = 8;
const MOST_TRIES = 20;
const REFUSED_BY_TLS = new Set(["nobody", "foreign", "expired"]);
const DETAILS = "grpc-status-details-bin";

const [address, folder, casesFile, descriptorFile] = process.argv.slice(2);
const suite = JSON.parse(readFileSync(casesFile, "utf-8"));
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptorFile)));
const statusNames = Object.fromEntries(Object.entries(grpc.status).map(([name, number]) => [number, name]));
const methods = new Map(suite.methods.map((method) => [method.method, method]));
const formReasons = new Set(suite.form_reasons);
const faults = new Set(suite.faults);
const clients = new Map();

function connect(caller) {
  const ca = readFileSync(join(folder, "ca.pem"));
  const own = caller === "nobody" ? [] : [".key", ".pem"].map((kind) => readFileSync(join(folder, caller + kind)));
  return new grpc.Client(address, grpc.credentials.createSsl(ca, ...own), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.max_receive_message_length": 64 * 1024 * 1024,
  });
}

function clientOf(caller) {
  if (!clients.has(caller)) clients.set(caller, connect(caller));
  return clients.get(caller);
}

// The placeholders, as README.md ("The contract") describes them.
function filled(value, names) {
  if (typeof value === "string") {
    return value.replace(/\$\{(?:([^$])\*(\d+)|zeros\*(\d+)|(\w+))\}/gu, (_, character, count, zeros, name) => {
      if (character) return character.repeat(Number(count));
      if (zeros) return Buffer.alloc(Number(zeros)).toString("base64");
      return (names[name] ?? randomUUID)();
    });
  }
  if (Array.isArray(value)) {
    const times = /^\$\{times\*(\d+)\}$/.exec(value.at(-1) ?? "");
    const items = times ? Array(Number(times[1])).fill(value[0]) : value;
    return items.map((item) => filled(item, names));
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, below]) => [name, filled(below, names)]));
  }
  return value;
}

function encoded(method, request, pageToken = "") {
  const changed = () => pageToken.slice(0, -8) + (pageToken.at(-8) === "A" ? "B" : "A") + pageToken.slice(-7);
  const names = { program: () => PROGRAM, uuid: randomUUID, page_token: () => pageToken, changed_page_token: changed };
  const schema = registry.getMessage(method.request);
  return Buffer.from(toBinary(schema, fromJson(schema, filled(request, names), { registry })));
}

// What came back: the status, the answer's bytes, and the details of google.rpc.Status.
function send(client, path, streams, body, { timeout_ms: timeout, cancel_ms: cancelAfter }) {
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + (timeout ?? 30_000) };
    const parts = [];
    const done = (error) => resolve(answer(error, Buffer.concat(parts)));
    const same = (bytes) => bytes;
    let call;
    if (streams) {
      call = client.makeServerStreamRequest(path, same, same, body, new grpc.Metadata(), options);
      call.on("data", (part) => parts.push(part));
      call.on("error", done);
      call.on("end", () => done(null));
    } else {
      call = client.makeUnaryRequest(path, same, same, body, new grpc.Metadata(), options, (error, part) => {
        if (part) parts.push(part);
        done(error);
      });
    }
    if (cancelAfter !== undefined) setTimeout(() => call.cancel(), cancelAfter);
  });
}

function answer(error, body) {
  const status = error ? statusNames[error.code] : "OK";
  const told = { status, body, reason: "", field: "", domain: "", id: "", retry: null };
  if (!error) return told;
  for (const packed of error.metadata?.get(DETAILS) ?? []) {
    for (const detail of fromBinary(registry.getMessage("google.rpc.Status"), packed).details) {
      const known = anyUnpack(detail, registry);
      if (known?.$typeName === "google.rpc.ErrorInfo") {
        Object.assign(told, { reason: known.reason, domain: known.domain, id: known.metadata.correlation_id ?? "" });
      } else if (known?.$typeName === "google.rpc.BadRequest") {
        told.field = known.fieldViolations[0]?.field ?? "";
      } else if (known?.$typeName === "google.rpc.RetryInfo") {
        told.retry = Number(known.retryDelay.seconds) * 1000 + known.retryDelay.nanos / 1e6;
      }
    }
  }
  return told;
}

// Asks again as long as the vault is too busy: UNAVAILABLE with RetryInfo is no answer.
async function answered(client, method, body, when) {
  for (let tries = 0; ; tries += 1) {
    const told = await send(client, `/${method.method}`, method.streams, body, when);
    if (told.retry === null || tries === MOST_TRIES || when.timeout_ms) return told;
    await new Promise((resolve) => setTimeout(resolve, told.retry));
  }
}

async function pageTokenOf({ method: name, caller }) {
  const method = methods.get(name);
  const response = registry.getMessage(method.response);
  for (let tries = 0; tries < 2; tries += 1) {
    const body = encoded(method, { ...method.good, page_size: 1 });
    const told = await answered(clientOf(caller), method, body, {});
    const token = told.status === "OK" ? fromBinary(response, told.body).nextPageToken : "";
    if (token) return token;
  }
  return "";
}

function problem(one, told) {
  const { statuses = [], reason, field, accepted } = one.expected;
  const got = `${told.status} ${told.reason} ${told.field}`.trim();
  if (statuses.length ? !statuses.includes(told.status) : faults.has(told.status)) return `${got}, not ${statuses}`;
  if (reason && told.reason !== reason) return `${got}, not ${reason}`;
  if (field && told.field !== field) return `${got}, not ${field}`;
  if (accepted && told.field === accepted && formReasons.has(told.reason)) return `${got}, though it is in bounds`;
  const reached = !REFUSED_BY_TLS.has(one.caller) && one.timeout_ms === undefined && one.cancel_ms === undefined;
  if (reached && told.status !== "OK" && !(told.domain === "cardvault" && told.id)) return `${got}, without ErrorInfo`;
  return "";
}

async function run(method, one) {
  let pageToken = "";
  if (one.page_of) {
    pageToken = await pageTokenOf(one.page_of);
    if (!pageToken) return null;
  }
  const raw = one.raw === undefined ? null : Buffer.from(one.raw, "base64");
  const body = raw ?? encoded(method, one.request ?? method.good, pageToken);
  if (!REFUSED_BY_TLS.has(one.caller)) return problem(one, await answered(clientOf(one.caller), method, body, one));
  const client = connect(one.caller);
  try {
    return problem(one, await answered(client, method, body, one));
  } finally {
    client.close();
  }
}

const waiting = suite.methods.flatMap((method) => method.cases.map((one) => [method, one])).filter(([, one]) => !one.effects);
const report = { cases: waiting.length, left_out: 0, failures: [] };

async function work() {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const found = await run(...next);
    if (found === null) report.left_out += 1;
    else if (found) report.failures.push(`${next[0].method}, ${next[1].name}: ${found}`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
for (const client of clients.values()) client.close();
console.log(JSON.stringify(report));
process.exitCode = report.failures.length ? 1 : 0;
