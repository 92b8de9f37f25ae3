import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Interface, type Operation, type Schema } from '../../support/drivers/interface.js';
import { Story } from '../../support/story.js';

interface Problem {
  code: string;
  errors?: { pointer: string; code: string; detail: string }[];
}

/** Words of the validation library zod, which callers of the API do not understand. */
const OF_ZOD =
  /expected|received|invalid (input|option|string|number|key|value|uuid|iso)|unrecognized|too (big|small)/i;
const WRONG: readonly unknown[] = [
  undefined,
  null,
  7,
  -1,
  1.5,
  '',
  'x'.repeat(600),
  true,
  [],
  [7],
  {},
  { more: 1 },
];

let story: Story;
let service: Interface;
beforeAll(async () => {
  const env = { RATE_LIMIT_CALLER_PER_MINUTE: '100000', RATE_LIMIT_SUBJECT_PER_MINUTE: '100000' };
  story = await Story.begin({ worker: false, env });
  service = await Interface.load(story.serviceUrl);
});
afterAll(() => story.end());

/** Yields bodies with one fault, at any depth. */
function* wrongOnes(given: Schema): Generator<unknown> {
  const schema = service.resolve(given);
  yield* WRONG;
  for (const form of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) yield* wrongOnes(form);
  for (const each of schema.items ? wrongOnes(schema.items) : []) yield [each];
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    for (const each of wrongOnes(member)) yield { [name]: each };
  }
}

async function faultsOf({ method, route }: Operation, body: unknown, query = '') {
  const path = route.replace('{id}', route.includes('api-keys') ? 'a'.repeat(20) : crypto.randomUUID());
  const answer = await story.call<Problem>(method, path + query, body);
  return answer.body.code === 'validation_failed' ? (answer.body.errors ?? []) : [];
}

describe('the faults of a request', () => {
  it('are described in plain English, each with its place', async () => {
    const details = new Set<string>();
    const inBodies = service.operations.filter(({ requestBody }) => requestBody);
    expect(inBodies.length).toBeGreaterThan(8);
    for (const operation of inBodies) {
      const { schema } = operation.requestBody!.content['application/json']!;
      for (const body of wrongOnes(schema)) {
        for (const fault of await faultsOf(operation, body)) {
          expect(fault.pointer).toMatch(/^(\/.+)?$/);
          details.add(fault.detail);
        }
      }
    }
    for (const operation of service.operations) {
      for (const { name } of operation.parameters?.filter((parameter) => parameter.in === 'query') ?? []) {
        for (const value of ['', 'x'.repeat(600), '-1', '1.5', `&${name}=2`]) {
          for (const { detail } of await faultsOf(operation, undefined, `?${name}=${value}`))
            details.add(detail);
        }
      }
    }
    expect(details.size).toBeGreaterThan(20);
    expect([...details].filter((detail) => OF_ZOD.test(detail))).toEqual([]);
  }, 120_000);
});
