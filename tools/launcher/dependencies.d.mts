/** Types of dependencies.mjs for its spec. */
interface Lock {
  packages: Record<string, object>;
}
export function isInstalled(lock: Lock, installed: Lock, platform: { os: string; cpu: string }): boolean;
export function install(checkout: string): void;
