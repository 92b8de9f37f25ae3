import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';

// ajv-formats is a CommonJS module, and its types describe the default export one level too deep.
const addFormats = addFormatsModule.default;

const document = JSON.parse(
  readFileSync(new URL('./byzantine-otp.openapi.json', import.meta.url), 'utf8'),
) as { components: object };

const schemaNames = {
  health: { response: 'HealthResponse' },
  'init-otp': { request: 'InitOtpRequest', response: 'InitOtpResponse' },
  'otp-auth': { request: 'OtpAuthRequestBody', response: 'OtpAuthResponse' },
  'create-authenticators-otp': {
    request: 'CreateAuthenticatorsOtpRequest',
    response: 'CreateAuthenticatorsOtpResponse',
  },
  /** Any error answer with a JSON body. */
  error: { response: 'ErrorResponse' },
} as const;

export type ByzantineOperation = keyof typeof schemaNames;

const compiled = new Map<string, ValidateFunction>();
const ajv = addFormats(new Ajv({ allErrors: true, strictTypes: false }));
// ajv refuses unknown keywords, and `components` is no keyword of JSON Schema.
ajv.addKeyword('components').addSchema({ $id: 'byzantine', components: document.components });

export const byzantineSchemas = {
  /**
   * @returns the faults of a parsed JSON body, e.g. `/userId must match format "uuid"`
   * @throws Error if the operation has no body in this direction
   */
  check(operation: ByzantineOperation, direction: 'request' | 'response', body: unknown): string[] {
    const names: { request?: string; response?: string } = schemaNames[operation];
    const name = names[direction];
    if (name === undefined) throw new Error(`${operation} has no ${direction} body`);
    const validate = compiled.get(name) ?? ajv.compile({ $ref: `byzantine#/components/schemas/${name}` });
    compiled.set(name, validate);
    validate(body);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`.trim());
  },
};
