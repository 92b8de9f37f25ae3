import type { Call } from '#libs/upstream';

/** A call that may be sent immediately. `kept` stores its texts in memory. */
export function aCall(terms: Partial<Call> = {}): Call {
  const kept = new Map<string, string>();
  return {
    timeoutMs: 2_000,
    beforeSend: () => undefined,
    kept: async (name, make) => {
      const text = kept.get(name) ?? (await make());
      kept.set(name, text);
      return text;
    },
    ...terms,
  };
}
