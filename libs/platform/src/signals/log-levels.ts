import { PinoLogger } from 'nestjs-pino';
import type { LoggerOptions } from 'pino';
import type { LogLevel } from './log-modules.js';

export interface LevelChanges {
  ofModules: ReadonlyMap<string, LogLevel>;
  /** Null while `LOG_LEVEL` applies. */
  ofOthers: LogLevel | null;
}

/** Without a changed level, there is no hook, so that a line takes no extra time. */
export const levelHooks: NonNullable<LoggerOptions['hooks']> = {};

/** The level before the first change. */
let configured: string | null = null;

/** Applies to all lines from now on. Without changes, `LOG_LEVEL` applies again. */
export function changeLogLevels({ ofModules, ofOthers }: LevelChanges): void {
  const { root } = PinoLogger;
  configured ??= root.level;
  const valueOf = (level: string) => root.levels.values[level] ?? Infinity;
  if (ofModules.size === 0 && ofOthers === null) {
    delete levelHooks.logMethod;
    root.level = configured;
    configured = null;
    return;
  }
  const others = ofOthers ?? configured;
  const least = new Map([...ofModules].map(([module, level]) => [module, valueOf(level)]));
  levelHooks.logMethod = function filtered(args, method, level) {
    const [line] = args as [unknown];
    const { context } = (typeof line === 'object' && line !== null ? line : {}) as { context?: string };
    if (level >= (least.get(context ?? '') ?? valueOf(others))) method.apply(this, args);
  };
  // Set after the hook, because pino reads the hook when the level is set. pino passes all lines that any
  // module needs to the hook.
  const all = [others, ...ofModules.values()];
  root.level = all.reduce((lowest, each) => (valueOf(each) < valueOf(lowest) ? each : lowest));
}
