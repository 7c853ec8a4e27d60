// Calls of the vault over mutual TLS: a caller's certificate, messages in and out, and what an error of the
// vault's tells.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { create, createRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";

import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";

const DEADLINE_MS = 30_000;
const DETAILS = "grpc-status-details-bin";
const SPIFFE = /(?:^|, )URI:(spiffe:\/\/[^, ]+)/;
const registry = createRegistry(BadRequestSchema, ErrorInfoSchema);

export class Vault {
  // The folder holds ca.pem, CALLER.pem and CALLER.key.
  constructor(address, folder, caller) {
    const names = ["ca.pem", `${caller}.key`, `${caller}.pem`];
    const [authority, key, certificate] = names.map((name) => readFileSync(join(folder, name)));
    this.principal = SPIFFE.exec(new X509Certificate(certificate).subjectAltName)?.[1];
    if (!this.principal) throw new Error("the certificate names no SPIFFE id");
    this.client = new grpc.Client(address, grpc.credentials.createSsl(authority, key, certificate));
  }

  // Calls a method, as ValidationService.method of the generated code describes it.
  call({ parent, name, input, output }, request) {
    const write = (message) => Buffer.from(toBinary(input, message));
    const read = (bytes) => fromBinary(output, bytes);
    const path = `/${parent.typeName}/${name}`;
    const how = { deadline: Date.now() + DEADLINE_MS };
    const message = create(input, request);
    return new Promise((resolve, reject) => {
      const done = (error, answer) => (error ? reject(error) : resolve(answer));
      this.client.makeUnaryRequest(path, write, read, message, new grpc.Metadata(), how, done);
    });
  }

  close() {
    this.client.close();
  }
}

// Reads google.rpc's error details: the status, ErrorInfo's reason, and the field that BadRequest names.
export function refusalOf(error) {
  const told = { refused_status: grpc.status[error.code], refused_reason: "", refused_field: "" };
  for (const packed of error.metadata?.get(DETAILS) ?? []) {
    for (const detail of fromBinary(StatusSchema, packed).details) {
      const known = anyUnpack(detail, registry);
      if (known?.$typeName === ErrorInfoSchema.typeName) told.refused_reason = known.reason;
      if (known?.$typeName === BadRequestSchema.typeName) {
        told.refused_field = known.fieldViolations[0]?.field ?? "";
      }
    }
  }
  return told;
}
