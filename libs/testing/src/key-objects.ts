import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const MAKERS = ['createPrivateKey', 'createPublicKey', 'createSecretKey'] as const;

export async function keyObjectsMade(
  work: () => unknown,
): Promise<Partial<Record<(typeof MAKERS)[number], number>>> {
  const made: Partial<Record<(typeof MAKERS)[number], number>> = {};
  const mutable = crypto as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = MAKERS.map((name) => [name, mutable[name]!] as const);
  for (const [name, original] of originals) {
    mutable[name] = (...args) => {
      made[name] = (made[name] ?? 0) + 1;
      return original(...args);
    };
  }
  // Also replaces the functions in modules that imported them by name.
  syncBuiltinESMExports();
  try {
    await work();
    return made;
  } finally {
    for (const [name, original] of originals) mutable[name] = original;
    syncBuiltinESMExports();
  }
}
