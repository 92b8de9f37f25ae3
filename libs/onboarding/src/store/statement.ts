import type { PreparedStatement } from '#libs/database';

/** A statement with named parameters: `$name::type` in its text. */
export interface Statement extends PreparedStatement {
  /** Puts values in the order of the parameters. @throws Error if a value is missing. */
  bind(values: Readonly<Record<string, unknown>>): unknown[];
}

/**
 * @param name PostgreSQL prepares the statement under this name, once per connection.
 * @param text SQL with named parameters: `$id::uuid` is sent as `$1::uuid`.
 * @param options.alone true if the statement takes long, waits for locks or is background work.
 */
export function statement(name: string, text: string, { alone = false } = {}): Statement {
  const names: string[] = [];
  const json = new Set<string>();
  const numbered = text.replaceAll(/\$([a-z]\w*)(::jsonb?)?/gi, (_, param: string, isJson = '') => {
    if (!names.includes(param)) names.push(param);
    if (isJson) json.add(param);
    return `$${names.indexOf(param) + 1}${isJson}`;
  });
  return {
    name: `gw_${name}`,
    text: numbered,
    shares: !alone,
    bind: (values) =>
      names.map((param) => {
        const value = values[param];
        if (value === undefined) throw new Error(`statement "${name}" has no value for "${param}"`);
        return json.has(param) && value !== null ? JSON.stringify(value) : value;
      }),
  };
}
