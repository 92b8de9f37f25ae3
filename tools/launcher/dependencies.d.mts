/** Types of dependencies.mjs, for its spec and the bench. */
interface Lock {
  packages: Record<string, object>;
}
export function isInstalled(
  lock: Lock,
  installed: Lock,
  platform: { os: string; cpu: string },
  extent?: 'all' | 'runtime',
): boolean;
export function install(folder: string, extent: 'all' | 'runtime'): void;
