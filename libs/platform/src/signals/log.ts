import { Logger } from '@nestjs/common';
import type { LogFields } from './log-fields.js';
import type { LogModule } from './log-modules.js';

/** Anything that was thrown, as an error for the field `err`. The value itself may be a secret. */
export const errorOf = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(`${typeof thrown} was thrown`);

/**
 * Writes the lines of one module. The fields are for machines and the text is for people, so an id or a name
 * in the text is a field too.
 */
export class Log {
  readonly #logger: Logger;

  /** @param module the module. Operators can change its level at run time. */
  constructor(module: LogModule) {
    this.#logger = new Logger(module);
  }

  debug(fields: LogFields, text: string): void {
    this.#logger.debug(fields, text);
  }

  info(fields: LogFields, text: string): void {
    this.#logger.log(fields, text);
  }

  warn(fields: LogFields, text: string): void {
    this.#logger.warn(fields, text);
  }

  error(fields: LogFields, text: string): void {
    this.#logger.error(fields, text);
  }
}
