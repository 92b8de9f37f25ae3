import type { RandomCalls, Someone } from '../support/drivers/random-calls.js';
import type { SeededRandom } from '../support/drivers/seeded-random.js';
import type { Interface, Operation } from '../support/drivers/interface.js';
import { ODD_TEXTS, ODD_VALUES, type Values } from '../support/drivers/values.js';

export interface FuzzRequest {
  /** Null if the request matches no operation of the OpenAPI document. */
  operation: Operation | null;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string | Buffer;
  someone?: Someone;
  tricks: string[];
}

const DEEP = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
const IDS = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'not-a-uuid',
  '%00',
  '%2e%2e',
  '..%2f..%2fetc',
  '%',
  '%zz',
  '%ff',
  '1%27%20OR%201=1',
  'a'.repeat(500),
];

type Trick = (request: FuzzRequest, random: SeededRandom) => void;

const parsed = (request: FuzzRequest): Record<string, unknown> | null => {
  // JSON.parse can read the body DEEP, but JSON.stringify fails on the result.
  if (typeof request.body !== 'string' || request.body.includes(DEEP.slice(0, 100))) return null;
  try {
    const body: unknown = JSON.parse(request.body);
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};
const rewritten = (request: FuzzRequest, body: unknown) => (request.body = JSON.stringify(body));

/** @returns a random member, at any depth. */
function anywhere(
  body: Record<string, unknown>,
  random: SeededRandom,
): [Record<string, unknown>, string] | null {
  const names = Object.keys(body);
  if (names.length === 0) return null;
  const name = random.pick(names);
  const inner = body[name];
  if (typeof inner === 'object' && inner !== null && random.chance(0.6)) {
    return anywhere(inner as Record<string, unknown>, random) ?? [body, name];
  }
  return [body, name];
}

function inBody(
  change: (within: Record<string, unknown>, name: string, random: SeededRandom) => void,
): Trick {
  return (request, random) => {
    const body = parsed(request);
    const place = body && anywhere(body, random);
    if (!place) return;
    change(...place, random);
    rewritten(request, body);
  };
}

const raw =
  (make: (body: string, random: SeededRandom) => string | Buffer): Trick =>
  (request, random) => {
    if (request.method === 'GET' || Buffer.isBuffer(request.body)) return;
    request.body = make(request.body ?? '{}', random);
    request.headers['content-type'] ??= 'application/json';
  };

const header =
  (name: string, values: readonly string[]): Trick =>
  (request, random) => {
    request.headers[name] = random.pick(values);
  };

const VISIBLE = ['"', '*', '"1"', 'W/"1"', '"-1"', '"99999999999999999999"', ',', '1', '""', '"a b"', '"\t"'];

const TRICKS: Record<string, Trick> = {
  'value of another kind': inBody((within, name, random) => (within[name] = random.pick(ODD_VALUES))),
  'odd text': inBody((within, name, random) => (within[name] = random.pick(ODD_TEXTS))),
  'missing member': inBody((within, name) => delete within[name]),
  'unknown member': inBody((within, _, random) => (within[random.pick(ODD_TEXTS)] = random.pick(ODD_VALUES))),
  'member twice': raw((body) => body.replace(/^\{("[^"]*":)/, '{$1null,$1')),
  prototype: raw((body) =>
    body.replace(/^\{/, '{"__proto__":{"polluted":true},"constructor":{"prototype":{}},').replace(/,\}/, '}'),
  ),
  'list for object': raw((body) => `[${body}]`),
  'text for object': raw((body) => JSON.stringify(body)),
  'cut body': raw((body, random) => body.slice(0, random.int(0, body.length))),
  'no JSON': raw((_, random) =>
    random.pick(['{', 'null', '[]', '"', '1', 'undefined', '{"a":01}', "{'a':1}", '\ufeff{}', '{}{}']),
  ),
  'deep body': raw(() => DEEP),
  'large body': raw(() => JSON.stringify({ a: 'x'.repeat(300_000) })),
  'no UTF-8': raw((body) =>
    Buffer.concat([Buffer.from(body.slice(0, -1)), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('}')]),
  ),
  'flipped byte': raw((body, random) => {
    const bytes = Buffer.from(body);
    if (bytes.length > 0) bytes[random.int(0, bytes.length - 1)]! ^= 1 << random.int(0, 7);
    return bytes;
  }),
  'content type': header('content-type', [
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/json; charset="',
    'application/problem+json',
    'json',
    ';',
  ]),
  'content encoding': header('content-encoding', ['gzip', 'br', 'deflate, gzip', 'identity', 'x']),
  accept: header('accept', ['text/html', 'application/xml', '*/*;q=0', ';;;', 'application/json;q=2']),
  prefer: header('prefer', [
    'wait=-1',
    'wait=31',
    'wait=1e1',
    'wait',
    'respond-async, wait=0',
    ';;',
    'wait="2',
  ]),
  'if-match': header('if-match', VISIBLE),
  'last event': header('last-event-id', ['0', '3', '-1', '1.0', '', '99999999999', 'x', ...VISIBLE]),
  'idempotency key': header('idempotency-key', ['', ' ', 'a'.repeat(256), 'ok', 'é', 'a b', ...VISIBLE]),
  'request id': header('x-request-id', ['', 'a'.repeat(200), '<script>', '../..', 'ok', 'é']),
  traceparent: header('traceparent', [
    '00-0-0-00',
    'ff-'.repeat(20),
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'x',
  ]),
  'no credentials': (request) => void delete request.headers['authorization'],
  'bad credentials': header('authorization', [
    'Bearer',
    'Bearer ',
    'Bearer x',
    'Bearer a b',
    'bearer null',
    'Basic b3BzOm9wcw==',
    'Bearer gw_unknownkey00_c2VjcmV0',
    'Bearer gw__',
    'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.',
    'Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA',
    `Bearer ${'x'.repeat(4_000)}`,
  ]),
  'other host': header('host', ['evil.example', 'localhost:1', '[::1]', 'a'.repeat(300)]),
  override: header('x-http-method-override', ['DELETE', 'TRACE']),
  forwarded: header('x-forwarded-for', ['127.0.0.1', '::1, unknown', "' OR 1=1"]),
  'query parameter': (request, random) => {
    const names = [
      'limit',
      'cursor',
      'state',
      'createdAfter',
      'createdBefore',
      'after',
      'parked',
      'accountId',
      'externalRef',
      'unknown',
      '__proto__',
      'limit[]',
    ];
    const value = encodeURIComponent(random.pick(ODD_TEXTS).toWellFormed()).slice(0, 2_000);
    request.path += `${request.path.includes('?') ? '&' : '?'}${random.pick(names)}=${value}`;
  },
  'broken query': (request, random) =>
    void (request.path += `?${random.pick(['%', '&&=', 'limit=%zz', 'a=b=c', 'limit=1&limit=2', '?', ';'])}`),
};

/** Requests that the OpenAPI document does not describe. */
const STRAYS: Record<string, Trick> = {
  method: (request, random) => {
    const others = ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'].filter(
      (each) => each !== request.method,
    );
    request.method = random.pick(others);
  },
  'upper case': (request) => void (request.path = request.path.replace('/v1/', '/V1/')),
  dots: (request) => void (request.path = request.path.replace('/v1/', '/v1/../v1x/')),
  'encoded slash': (request) => void (request.path = request.path.replace('/v1/', '/v1%2f')),
  backslash: (request) => void (request.path = request.path.replace('/v1/', '/v1\\')),
  'more path': (request) => void (request.path = `${request.path.split('?', 1)[0]}/more`),
  'no route': (request, random) =>
    void (request.path = random.pick([
      '/',
      '/v1',
      '/v2/onboardings',
      '/.env',
      '/.git/config',
      '//',
      '/%',
      '/v1/admin',
      '/ops/../v1x',
      `/${'a'.repeat(9_000)}`,
    ])),
};

/** Makes next steps of onboardings, random values that the schemas allow, and invalid requests. */
export class Requests {
  readonly #ids = new Map<string, string[]>();

  readonly #described: Interface;
  readonly #values: Values;
  readonly #calls: RandomCalls;
  readonly #random: SeededRandom;
  readonly #authorization: string;

  constructor(
    described: Interface,
    values: Values,
    calls: RandomCalls,
    random: SeededRandom,
    authorization: string,
  ) {
    this.#described = described;
    this.#values = values;
    this.#calls = calls;
    this.#random = random;
    this.#authorization = authorization;
  }

  /** Remembers an id for later requests. @param kind the path before the id. */
  learn(kind: string, id: string): void {
    const known = this.#ids.get(kind) ?? [];
    this.#ids.set(kind, known);
    if (known.length < 500) known.push(id);
    else known[this.#random.int(0, 499)] = id;
  }

  next(): FuzzRequest {
    const random = this.#random;
    const request = random.chance(0.5) ? this.#lived() : this.#made(random.pick(this.#described.operations));
    const kind = random.weighted({ whole: 4, spoiled: 5, stray: 1 });
    if (kind === 'spoiled') {
      for (let left = random.int(1, 3); left > 0; left--) this.#play(request, TRICKS);
    }
    if (kind === 'stray') {
      this.#play(request, STRAYS);
      request.operation = this.#operationOf(request);
    }
    return request;
  }

  #play(request: FuzzRequest, tricks: Record<string, Trick>): void {
    const name = this.#random.pick(Object.keys(tricks));
    tricks[name]!(request, this.#random);
    request.tricks.push(name);
  }

  #lived(): FuzzRequest {
    const { someone, call } = this.#calls.next();
    if (someone.id) this.learn(kindOf(call.route), someone.id);
    const operation = this.#described.operations.find(
      ({ method, route }) => method === call.method && route === call.route,
    );
    if (!operation) throw new Error(`${call.method} ${call.route} is not documented`);
    return { ...this.#request(operation, call.path, call.headers, call.body), someone };
  }

  #made(operation: Operation): FuzzRequest {
    const [random, values] = [this.#random, this.#values];
    const headers: Record<string, string> = {};
    let path = operation.route;
    const query: string[] = [];
    for (const { name, in: place, schema = {}, required } of operation.parameters ?? []) {
      if (place === 'path') path = path.replace(`{${name}}`, this.#id(kindOf(operation.route)));
      else if (required || random.chance(0.3)) {
        const value = String(values.valueFor(schema)).toWellFormed();
        if (place === 'query') query.push(`${name}=${encodeURIComponent(value)}`);
        else
          headers[name.toLowerCase()] = Buffer.from(value)
            .toString('latin1')
            .replaceAll(/[^\t\x20-\x7e]/g, '?');
      }
    }
    const schema = operation.requestBody?.content['application/json']?.schema;
    const body =
      schema && (operation.requestBody?.required || random.chance(0.7)) ? values.valueFor(schema) : undefined;
    return this.#request(operation, path + (query.length > 0 ? `?${query.join('&')}` : ''), headers, body);
  }

  #request(operation: Operation, path: string, headers: Record<string, string>, body: unknown): FuzzRequest {
    return {
      operation,
      method: operation.method,
      path,
      headers: {
        authorization: this.#authorization,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      tricks: [],
    };
  }

  #id(kind: string): string {
    const random = this.#random;
    const which = random.weighted({ known: 6, unknown: 2, odd: 2 });
    const known = this.#ids.get(kind);
    if (which === 'known' && known) return random.pick(known);
    return which === 'odd' ? random.pick(IDS) : this.#values.uuid();
  }

  #operationOf({ method, path }: FuzzRequest): Operation | null {
    const [plain = ''] = path.split('?', 1);
    const found = this.#described.operations.find(
      (each) =>
        each.method === method && new RegExp(`^${each.route.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(plain),
    );
    return found ?? null;
  }
}

export const kindOf = (route: string) => route.split('/{', 1)[0]!;
