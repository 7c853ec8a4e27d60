// What TypeScript makes of the generated code: each line below an @ts-expect-error must be refused.
import { create, toBinary } from "@bufbuild/protobuf";

import { Verdict } from "./gen/vault/v1/resources_pb.js";
import {
  ValidateCodeRequestSchema,
  type ValidatedCode,
  ValidationService,
} from "./gen/vault/v1/validation_service_pb.js";

const sealed = new Uint8Array(565);
const request = create(ValidateCodeRequestSchema, {
  programs: ["voucher"],
  code: { form: { case: "sealed", value: sealed } },
});

export const body: Uint8Array = toBinary(ValidationService.method.validateCode.input, request);
export const isGood = ({ verdict }: ValidatedCode): boolean => verdict === Verdict.GOOD;

// @ts-expect-error The digits are a string.
create(ValidateCodeRequestSchema, { code: { form: { case: "code", value: sealed } } });
// @ts-expect-error There is no such field.
request.program;
