import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

/** The keywords from which values.ts generates values. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  format?: string;
  example?: unknown;
}

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema?: Schema;
}

interface Described {
  'x-required-scopes'?: string[];
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

interface Document {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operation extends Described {
  method: string;
  route: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

const MEMBERS = ['type', 'title', 'status', 'detail', 'instance', 'code', 'traceId', 'retryable'];

const escaped = (part: string) => part.replaceAll('~', '~0').replaceAll('/', '~1');

/** Checks answers of the service against its OpenAPI document. */
export class Interface {
  readonly operations: readonly Operation[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false });
  readonly #validators = new Map<string, ValidateFunction>();

  readonly #document: Document;

  constructor(document: Document) {
    this.#document = document;
    formats.default(this.#ajv);
    this.#ajv.addSchema({ ...document, $id: 'interface' });
    this.operations = Object.entries(document.paths).flatMap(([route, methods]) =>
      Object.entries(methods).map(([method, described]) => ({
        ...described,
        method: method.toUpperCase(),
        route,
      })),
    );
  }

  static async load(serviceUrl: string): Promise<Interface> {
    const answer = await fetch(`${serviceUrl}/openapi.json`);
    return new Interface((await answer.json()) as Document);
  }

  resolve(schema: Schema): Schema {
    if (!schema.$ref) return schema;
    const name = schema.$ref.split('/').at(-1)!;
    const target = this.#document.components.schemas[name];
    if (!target) throw new Error(`the document refers to ${schema.$ref}, which it does not have`);
    return this.resolve(target);
  }

  /** @returns how the answer contradicts the OpenAPI document, or null. */
  fault(operation: Operation, answer: Answer): string | null {
    const { method, route } = operation;
    const name = `${method} ${route} answered ${answer.status}`;
    const response = operation.responses[String(answer.status)];
    if (answer.status >= 500) return `${name}: ${answer.text.slice(0, 300)}`;
    if (!response) return `${name}, which is not documented`;
    const type = String(answer.headers['content-type'] ?? '').split(';', 1)[0]!;
    if (!response.content) return answer.text === '' ? null : `${name} with a body, which is not documented`;
    if (!response.content[type]) return `${name} as "${type}", which is not documented`;
    if (type === 'text/event-stream') {
      const fault = this.#streamFault(answer.text);
      return fault && `${name} with ${fault}`;
    }
    const pointer = [
      'paths',
      route,
      method.toLowerCase(),
      'responses',
      String(answer.status),
      'content',
      type,
      'schema',
    ];
    const fault = this.#misshapen(pointer.map(escaped).join('/'), answer);
    if (fault) return `${name} with ${fault}`;
    const { code } = JSON.parse(answer.text) as { code?: string };
    if (answer.status >= 400 && !response.description.includes(`\`${String(code)}\``)) {
      return `${name} with "${String(code)}", which is not documented there`;
    }
    return null;
  }

  /** @returns the fault of an answer at an unknown route, or null. */
  strayFault(answer: Answer): string | null {
    if (answer.status < 400 || answer.status >= 500) return `answered ${answer.status}`;
    const type = String(answer.headers['content-type'] ?? '');
    if (!type.startsWith('application/problem+json')) return `answered ${answer.status} as "${type}"`;
    try {
      const missing = MEMBERS.filter((member) => !Object.hasOwn(JSON.parse(answer.text) as object, member));
      return missing.length > 0 ? `a problem without ${missing.join(', ')}` : null;
    } catch {
      return `a body that is no JSON: ${answer.text.slice(0, 100)}`;
    }
  }

  /** Allows heartbeats, `retry`, and events whose ids have no gap. */
  #streamFault(text: string): string | null {
    let last: number | null = null;
    for (const block of text.split('\n\n')) {
      if (block === '' || block === ':' || /^retry: \d+$/.test(block)) continue;
      const [, id, data] = /^id: (\d+)\ndata: (.+)$/.exec(block) ?? [];
      if (id === undefined || data === undefined) return `an unknown event: ${block.slice(0, 100)}`;
      const fault = this.#misshapen('components/schemas/OnboardingEvent', { text: data });
      if (fault) return fault;
      if ((JSON.parse(data) as { seq: number }).seq !== Number(id)) return `an event under another's number`;
      if (last !== null && Number(id) !== last + 1) return `event ${id} after ${last}`;
      last = Number(id);
    }
    return null;
  }

  #misshapen(pointer: string, { text }: Pick<Answer, 'text'>): string | null {
    let validate = this.#validators.get(pointer);
    if (!validate) {
      validate = this.#ajv.compile({ $ref: `interface#/${pointer}` });
      this.#validators.set(pointer, validate);
    }
    try {
      if (validate(JSON.parse(text))) return null;
    } catch {
      return `a body that is no JSON: ${text.slice(0, 100)}`;
    }
    const [error] = validate.errors ?? [];
    return `a body of another shape: ${error?.instancePath} ${error?.message}`;
  }
}
