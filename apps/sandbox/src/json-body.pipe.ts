import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { errorTexts } from './byzantine/error-texts.js';
import { Refusal } from './refusal.js';

/**
 * Checks the body's bytes against a schema, after the guards have checked their signature. A body parser of
 * Fastify would run first, and answer 400 where upstream answers 401 or 403.
 *
 * @param uuids `text` answers a malformed UUID in plain text, as upstream does
 */
export class JsonBody<Schema extends z.ZodType> implements PipeTransform<unknown, z.output<Schema>> {
  constructor(
    private readonly schema: Schema,
    private readonly uuids: 'json' | 'text' = 'json',
  ) {}

  transform(raw: unknown): z.output<Schema> {
    const result = this.schema.safeParse(parseJson(raw));
    if (result.success) return result.data;

    const issue = result.error.issues[0];
    const field = issue?.path.join('.') || 'body';
    if (issue?.code === 'invalid_format' && issue.format === 'guid' && this.uuids === 'text') {
      throw new Refusal(400, errorTexts.uuidParsingFailed(field), 'text');
    }
    throw new Refusal(400, errorTexts.invalidBody(`${field}: ${issue?.message ?? 'invalid'}`));
  }
}

function parseJson(raw: unknown): unknown {
  if (!Buffer.isBuffer(raw) || raw.length === 0) throw new Refusal(400, errorTexts.invalidBody('empty'));
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
  } catch {
    throw new Refusal(400, errorTexts.invalidBody('not JSON'));
  }
}
