import { readFileSync } from 'node:fs';

interface OpenApi {
  paths: Record<string, Record<string, { responses: Record<string, { description: string }> }>>;
}

/** What docs/openapi.json says that each route may answer. */
export class Documented {
  readonly #paths: OpenApi['paths'];

  constructor() {
    const file = new URL('../../docs/openapi.json', import.meta.url);
    this.#paths = (JSON.parse(readFileSync(file, 'utf8')) as OpenApi).paths;
  }

  /**
   * @param route as the document has it, e.g. `/v1/onboardings/{id}`.
   * @param code of a problem; null for any other answer.
   * @returns what is not documented, or null.
   */
  fault(method: string, route: string, status: number, code: string | null): string | null {
    const answer = this.#paths[route]?.[method.toLowerCase()]?.responses[String(status)];
    if (!answer) return `${method} ${route} answered ${status} ${code ?? ''}, which is not documented`;
    if (code === null || answer.description.includes(`\`${code}\``)) return null;
    return `${method} ${route} answered ${status} with "${code}", which is not documented there`;
  }
}
