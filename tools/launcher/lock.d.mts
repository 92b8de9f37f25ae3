/** Types of lock.mjs. */
interface Holder {
  pid: number;
  command: string;
}

export function lockServers(checkout: string, command: string): (pid: number) => void;
export function serversHolder(checkout: string): Holder | undefined;
export function alone(checkout: string, command: string, work: () => void): void;
